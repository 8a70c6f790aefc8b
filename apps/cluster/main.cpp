// The program `cluster`: daemons, operators' commands and the simulator under one name.
#include "command_line.hpp"
#include "text.hpp"

namespace {

// CLI11's own words for a wrong command line end without a hint at the right one.
int usage_error(const CLI::App& root, const CLI::ParseError& error) {
  std::string command = "cluster";
  for (const CLI::App* app : root.get_subcommands()) command += " " + app->get_name();
  cluster::app::complain(std::string(error.what()) + " (see `" + command + " --help`)");
  return 2;
}

// A first word that is no command, which CLI11 would call a missing one.
bool is_unknown_command(const CLI::App& root, const std::string& word) {
  if (word.empty() || word.front() == '-') return false;
  std::vector<std::string> known;
  for (const CLI::App* app : root.get_subcommands([](const CLI::App*) { return true; })) {
    if (app->get_name() == word) return false;
    known.push_back(app->get_name());
  }
  std::string meant = cluster::app::nearest(word, known);
  cluster::app::complain("'" + word + "' is no command" +
                         (meant.empty() ? "" : "; did you mean '" + meant + "'?") +
                         " (see `cluster --help`)");
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App root("A cluster manager: run work on many machines as on one.", "cluster");
  root.set_version_flag("--version", "cluster " CLUSTER_VERSION);
  root.require_subcommand(1);
  root.footer(
      "A first round:\n"
      "  cluster up                                 # three masters, three agents, on this "
      "machine\n"
      "  cluster status\n"
      "  cluster run --instances 5 -- sh -c 'echo hello from $CLUSTER_INDEX'\n"
      "  cluster submit web.toml                    # `cluster submit --help` shows a job file\n"
      "  cluster tasks\n"
      "  cluster down\n\n"
      "`cluster COMMAND --help` has examples for each command.\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage; `run`, `lock` and `elect` have those of what "
      "they\n"
      "ran.");
  cluster::app::Chosen chosen;
  cluster::app::add_daemon_commands(root, chosen);
  cluster::app::add_client_commands(root, chosen);
  cluster::app::add_key_commands(root, chosen);
  cluster::app::add_certs_command(root, chosen);
  cluster::app::add_member_commands(root, chosen);
  if (argc > 1 && is_unknown_command(root, argv[1])) return 2;
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return root.exit(success);
  } catch (const CLI::ParseError& error) {
    return usage_error(root, error);
  }
  return chosen();
}
