// `cluster certs` and the options by which every other command names its certificates.
#include "command_line.hpp"
#include "options.hpp"

namespace cluster::app {
namespace {

constexpr std::uint32_t authority_days = 3650;
constexpr std::uint32_t certificate_days = 365;

using Action = CertsOptions::Action;

CLI::App* add_action(CLI::App& certs, Chosen& chosen, const std::shared_ptr<CertsOptions>& options,
                     Action action, const char* name, const char* help) {
  CLI::App* app = certs.add_subcommand(name, help);
  options->action = action;
  app->add_option("directory", options->path,
                  action == Action::show ? "A directory of certificates, or one file"
                                         : "Directory of the authority")
      ->required();
  if (action != Action::show) {
    options->days = action == Action::init ? authority_days : certificate_days;
    app->add_option("--days", options->days, "How long it is valid")
        ->check(CLI::Range(1, 36'500))
        ->capture_default_str();
  }
  app->callback([options, &chosen] { chosen = [options] { return cmd_certs(*options); }; });
  return app;
}

void add_hosts(CLI::App& app, CertsOptions& options, bool is_required) {
  auto* option = app.add_option("--host", options.hosts,
                                "A name or address where it listens; may be given several times");
  if (is_required) option->required();
}

}  // namespace

void add_security(CLI::App& app, SecurityOptions& options, const std::string& otherwise) {
  constexpr const char* group = "Security";
  app.add_option(
         "--certs", options.directory,
         "Directory of cert.pem, key.pem and ca.pem, as `cluster certs` makes them" + otherwise)
      ->group(group);
  app.add_option("--cert", options.chain, "The certificate's file, with --key and --ca")
      ->group(group);
  app.add_option("--key", options.key, "The key's file")->group(group);
  app.add_option("--ca", options.authorities, "The file of the authorities that are trusted")
      ->group(group);
  app.add_flag("--insecure", options.insecure,
               "Plain text, and everyone is who they say: anyone who reaches a port can run "
               "programs")
      ->group(group);
}

void add_certs_command(CLI::App& root, Chosen& chosen) {
  CLI::App* certs = root.add_subcommand("certs", "Make certificates for a cluster");
  certs->require_subcommand(1);
  certs->footer(
      "Examples:\n"
      "  cluster certs init certs                                # an authority, once\n"
      "  cluster certs member certs --id 1 --host 10.0.0.1       # certs/member-1, for machine 1\n"
      "  cluster certs agent certs --name web-1 --host 10.0.0.9  # certs/agent-web-1\n"
      "  cluster certs client certs --name alice                 # certs/client-alice\n"
      "  cluster certs show certs/member-1                       # for whom, until when\n\n"
      "Copy certs/member-1 to its machine, and start the master there with --certs. Everyone with\n"
      "a certificate of the authority may use the cluster. certs/ca.key makes new ones: keep it\n"
      "from everybody. Files that are replaced are used without a restart. Nothing is "
      "overwritten.");
  auto fresh = [] { return std::make_shared<CertsOptions>(); };
  add_action(*certs, chosen, fresh(), Action::init, "init", "Make an authority");
  auto member = fresh();
  CLI::App* app = add_action(*certs, chosen, member, Action::member, "member",
                             "Make a certificate for a master");
  app->add_option("--id", member->id, "The master's number among the members")
      ->required()
      ->check(CLI::PositiveNumber);
  add_hosts(*app, *member, false);
  auto agent = fresh();
  app =
      add_action(*certs, chosen, agent, Action::agent, "agent", "Make a certificate for an agent");
  app->add_option("--name", agent->name, "What it is called")->required();
  add_hosts(*app, *agent, true);
  auto client = fresh();
  app = add_action(*certs, chosen, client, Action::client, "client",
                   "Make a certificate for who uses the cluster");
  app->add_option("--name", client->name, "Whose it is")->required();
  add_action(*certs, chosen, fresh(), Action::show, "show", "Say for whom a certificate is");
}

}  // namespace cluster::app
