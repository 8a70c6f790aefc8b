// The commands about who the cluster's masters are.
#include "command_line.hpp"
#include "options.hpp"

namespace cluster::app {
namespace {

void add_init(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* app =
      root.add_subcommand("init", "Found a cluster: say what to start its masters with");
  app->add_option("masters", options->masters, "HOST:PORT of each master, one to nine")
      ->required()
      ->expected(1, 9);
  app->add_option("--dir", options->directory, "Where masters keep the log; -1, -2 ... is added")
      ->capture_default_str();
  app->add_option("--certs", options->certificates, "Where each machine has its certificates")
      ->capture_default_str();
  app->add_flag("--insecure", options->insecure, "Plain text instead of certificates");
  app->add_flag("--json", options->json, "An array of objects instead of text");
  app->footer(
      "Examples:\n"
      "  cluster init 10.0.0.1:5050 10.0.0.2:5050 10.0.0.3:5050\n"
      "  cluster init 127.0.0.1:7001 127.0.0.1:7002 127.0.0.1:7003 --dir /tmp/c/master "
      "--insecure\n\n"
      "Contacts nobody and writes nothing: it draws the cluster's id and prints the commands.\n"
      "For a cluster on this machine, `cluster up` does all of it.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_init(*options); }; });
}

void add_add(CLI::App& members, Chosen& chosen) {
  auto options = std::make_shared<AddMemberOptions>();
  CLI::App* app =
      members.add_subcommand("add", "Admit a newcomer: prints the token to start it with");
  app->add_option("endpoint", options->endpoint, "HOST:PORT where it will listen")->required();
  app->add_flag("--witness", options->witness, "It votes at once, keeps no data and never leads");
  app->add_flag("--json", options->json, "An array of one object instead of text");
  add_client(*app, options->client);
  app->footer(
      "Examples:\n  cluster members add 10.0.0.4:5050\n"
      "  cluster master --join \"$(cluster members add 10.0.0.4:5050)\" \\\n"
      "    --listen 10.0.0.4:5050 --dir /var/lib/cluster/m4 \\\n"
      "    --certs /etc/cluster/certs\n\n"
      "The newcomer is a learner: it gets everything and does not count until it is promoted.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_add_member(*options); }; });
}

using Change = std::shared_ptr<ChangeMembersOptions>;

CLI::App* add_change(CLI::App& members, Chosen& chosen, const char* name, const char* help,
                     const Change& options) {
  CLI::App* app = members.add_subcommand(name, help);
  add_client(*app, options->client);
  app->callback(
      [options, &chosen] { chosen = [options] { return cmd_change_members(*options); }; });
  return app;
}

void add_promote(CLI::App& members, Chosen& chosen) {
  auto options = std::make_shared<ChangeMembersOptions>();
  CLI::App* app = add_change(members, chosen, "promote", "Make learners voters", options);
  app->add_option("ids", options->promote, "The learners' numbers")->required();
  add_duration(*app, "--wait", options->wait, "Go on asking so long while one has not caught up");
  app->footer(
      "Examples:\n  cluster members promote --wait 60s 4\n\n"
      "Refused while a learner has not caught up: it would hold up every write.");
}

void add_remove(CLI::App& members, Chosen& chosen) {
  auto options = std::make_shared<ChangeMembersOptions>();
  CLI::App* app =
      add_change(members, chosen, "remove", "Take members out, the leader too", options);
  app->add_option("ids", options->remove, "Their numbers")->required();
  app->footer(
      "Examples:\n  cluster members remove 2\n\n"
      "Refused where those that remain could decide nothing. A number is never used again.");
}

void add_replace(CLI::App& members, Chosen& chosen) {
  auto options = std::make_shared<ChangeMembersOptions>();
  CLI::App* app = add_change(members, chosen, "replace",
                             "Put a learner in a member's place, in one change", options);
  auto one_into = [](std::vector<std::uint64_t>& ids) {
    return [&ids](const std::uint64_t& id) { ids = {id}; };
  };
  app->add_option_function<std::uint64_t>("old", one_into(options->remove),
                                          "The number of the member that goes")
      ->required()
      ->check(CLI::PositiveNumber);
  app->add_option_function<std::uint64_t>("new", one_into(options->promote),
                                          "The number of the learner that comes")
      ->required()
      ->check(CLI::PositiveNumber);
  add_duration(*app, "--wait", options->wait, "Go on asking so long while it has not caught up");
  app->footer(
      "Examples:\n"
      "  cluster members add 10.0.0.4:5050          # prints the token to start it with\n"
      "  cluster members replace --wait 60s 2 4");
}

void add_move(CLI::App& members, Chosen& chosen) {
  auto options = std::make_shared<ChangeMembersOptions>();
  CLI::App* app =
      add_change(members, chosen, "move", "Give a member that has moved its new address", options);
  app->add_option("id", options->move, "Its number")->required()->check(CLI::PositiveNumber);
  app->add_option("endpoint", options->endpoint, "HOST:PORT")->required();
  app->footer("Examples:\n  cluster members move 2 10.0.0.12:5050");
}

void add_transfer(CLI::App& members, Chosen& chosen) {
  auto options = std::make_shared<TransferOptions>();
  CLI::App* app = members.add_subcommand("transfer", "Make another voter the leader");
  app->add_option("id", options->to, "Its number")->required()->check(CLI::PositiveNumber);
  add_client(*app, options->client);
  app->footer(
      "Examples:\n  cluster members transfer 3\n\n"
      "Before maintenance of the leader's machine: nobody waits for an election.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_transfer(*options); }; });
}

void add_backup(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<BackupOptions>();
  CLI::App* app = root.add_subcommand(
      "backup", "Write everything that the masters have agreed on into one file");
  app->add_option("file", options->file, "The file to make")->required();
  app->add_option("--stopped", options->stopped,
                  "The directory of a master that is stopped, instead of the running cluster");
  app->add_flag("--json", options->json, "For programs");
  add_client(*app, options->client);
  app->footer(
      "Examples:\n"
      "  cluster backup /backup/cluster-2026-01-31\n"
      "  cluster backup /backup/last --stopped /var/lib/cluster/master-2\n"
      "  cluster restore /backup/cluster-2026-01-31            # only checks the file\n\n"
      "Of a running cluster it has everything that was decided before the command began, and is "
      "of\n"
      "one moment. The file is made beside its name and gets it when it is whole.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_backup(*options); }; });
}

void add_restore(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<RestoreOptions>();
  CLI::App* app = root.add_subcommand("restore", "Check a backup, or make a new cluster of it");
  app->add_option("file", options->file, "A file that `cluster backup` made")->required();
  // Not the --dir of `up`: the master's own.
  CLI::Option* directory = app->add_option(
      "--dir", options->directory, "A new, empty directory: the first master's of the new cluster");
  CLI::Option* listen =
      app->add_option("--listen", options->listen, "HOST:PORT of the new cluster's first master");
  app->add_option("--id", options->id, "Its number among the members")
      ->check(CLI::Range(1, 65'535))
      ->needs(directory)
      ->capture_default_str();
  directory->needs(listen);
  listen->needs(directory);
  app->add_flag("--json", options->json, "For programs");
  app->footer(
      "Examples:\n"
      "  cluster restore /backup/cluster-2026-01-31            # reads all of it, and says what it "
      "is\n"
      "  cluster restore /backup/cluster-2026-01-31 --dir /var/lib/cluster/new --listen "
      "10.0.0.1:5050\n\n"
      "The new cluster has an id of its own, and terms beyond all of the old one's: agents that "
      "know\n"
      "its address come to it, and heed the old masters no more. Keep those off.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_restore(*options); }; });
}

void add_recover(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<RecoverOptions>();
  CLI::App* app = root.add_subcommand(
      "recover", "When most masters are gone for good: go on from what one of them left");
  app->add_option("survivor", options->survivor, "The directory of a master that is stopped")
      ->required();
  CLI::Option* force =
      app->add_flag("--force-new-cluster", options->force_new_cluster,
                    "Make --dir the only master of a new cluster, with what the survivor has");
  CLI::Option* directory = app->add_option("--dir", options->directory, "A new, empty directory");
  CLI::Option* listen =
      app->add_option("--listen", options->listen, "HOST:PORT of the new cluster's first master");
  force->needs(directory)->needs(listen);
  directory->needs(force);
  listen->needs(force);
  app->add_flag(
         "--adopt-copy", options->adopt_copy,
         "The survivor is a copy of a lost disk, of its very last state: make it the original")
      ->excludes(force);
  app->footer(
      "Examples:\n"
      "  cluster recover /var/lib/cluster/master-2                # looks, and changes nothing\n"
      "  cluster recover /var/lib/cluster/master-2 --force-new-cluster \\\n"
      "    --dir /var/lib/cluster/new --listen 10.0.0.2:5050\n"
      "  cluster recover /mnt/saved/master-2 --adopt-copy\n\n"
      "As long as most masters can come back, bring them back instead: nothing is lost then.\n"
      "--force-new-cluster loses what this survivor had not heard of, and makes final what it had\n"
      "heard and nobody had decided. Look at every survivor and take the one that reaches "
      "furthest.\n"
      "The survivor's directory is left as it is.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_recover(*options); }; });
}

}  // namespace

void add_member_commands(CLI::App& root, Chosen& chosen) {
  add_init(root, chosen);
  add_recover(root, chosen);
  add_backup(root, chosen);
  add_restore(root, chosen);
  CLI::App* members = root.add_subcommand("members", "List and change the masters of the cluster");
  members->require_subcommand(1);
  members->footer(
      "Examples:\n"
      "  cluster members list\n"
      "  cluster members add 10.0.0.4:5050\n"
      "  cluster members promote --wait 60s 4\n"
      "  cluster members replace 2 4\n"
      "  cluster members remove 2\n"
      "  cluster members transfer 3\n\n"
      "Any master takes these, and the leader carries them out, one change at a time.");
  add_list(*members, chosen, "list", "Who keeps the log, and how far each is", cmd_members, "");
  add_add(*members, chosen);
  add_promote(*members, chosen);
  add_remove(*members, chosen);
  add_replace(*members, chosen);
  add_move(*members, chosen);
  add_transfer(*members, chosen);
}

}  // namespace cluster::app
