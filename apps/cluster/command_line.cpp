// The commands that start and stop clusters and their processes.
#include "command_line.hpp"

#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

void add_log_level(CLI::App& app, LogLevel& level) {
  app.add_option_function<std::string>(
         "--log-level",
         [&level](const std::string& name) {
           for (auto known :
                {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
             if (name == to_string(known)) level = known;
           }
         },
         "Lowest level of the log lines: debug, info, warning, error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->default_str("info");
}

void add_master(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<MasterCommand>();
  CLI::App* app = root.add_subcommand("master", "Run one master of a cluster, until SIGTERM");
  app->add_option("--id", options->id, "A founder's number among the members")
      ->check(CLI::PositiveNumber);
  app->add_option("--members", options->members, "All founders: 1=HOST:PORT,2=HOST:PORT,...");
  app->add_option("--cluster-id", options->cluster_id,
                  "The cluster's id, the same for all founders: up to 16 hexadecimal digits");
  app->add_option("--join", options->join, "Join as the newcomer that this token was made for");
  app->add_option("--dir", options->directory, "Where this master keeps its replica of the log")
      ->required();
  app->add_option("--listen", options->listen, "Listen here instead of at its member's address");
  add_security(*app, options->daemon.security);
  add_duration(*app, "--agent-timeout", options->agent_timeout,
               "How long an agent may be silent before its tasks are given to others");
  add_duration(*app, "--ping-interval", options->ping_interval,
               "Between two pings of an agent; 0: a fifth of the agent timeout, at most 1s");
  add_duration(*app, "--election-timeout", options->election_timeout,
               "How long a leader may be silent before the others elect");
  app->add_option("--snapshot-entries", options->snapshot_entries,
                  "Take a snapshot of the cluster's state, which stands for its entries, after so "
                  "many; also after 64 MiB of them")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_duration(*app, "--digest-interval", options->digest_interval,
               "Between two comparisons of the masters' states; 0: this master never asks for one");
  add_log_level(*app, options->daemon.log_level);
  app->footer(
      "Examples:\n"
      "  One master on this machine:\n"
      "    cluster master --id 1 --members 1=127.0.0.1:5050 --cluster-id c0ffee \\\n"
      "      --dir /var/lib/cluster/master --certs certs/member-1\n"
      "  The second of three founders, as `cluster init` prints it:\n"
      "    cluster master --id 2 --members 1=10.0.0.1:7001,2=10.0.0.2:7001,3=10.0.0.3:7001 \\\n"
      "      --cluster-id c0ffee --dir /var/lib/cluster/m2 --certs /etc/cluster/certs\n"
      "  One that joins later:\n"
      "    cluster master --join \"$(cluster members add 10.0.0.4:7001)\" \\\n"
      "      --listen 10.0.0.4:7001 --dir /var/lib/cluster/m4 --certs /etc/cluster/certs\n"
      "  Any of them, started again:\n"
      "    cluster master --dir /var/lib/cluster/m2 --certs /etc/cluster/certs\n\n"
      "The directory is made for one member of one cluster and refuses to be another's.\n"
      "Log lines go to standard error. `cluster up` does all of this for a local cluster.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_master(*options); }; });
}

void add_agent(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<AgentCommand>();
  CLI::App* app = root.add_subcommand("agent", "Run this machine's agent, until SIGTERM");
  app->add_option("--masters", options->masters, "HOST:PORT of the masters, separated by commas")
      ->required();
  app->add_option("--dir", options->directory, "Where it keeps its identity, tasks and sandboxes")
      ->required();
  app->add_option("--resources", options->resources,
                  "What it offers: \"cpus:4;mem:2048\"; without: what the machine has");
  app->add_option("--listen", options->listen,
                  "Where it answers `cluster logs`; port 0: a free one")
      ->capture_default_str();
  app->add_option("--hostname", options->hostname, "Its name in lists; without: the machine's");
  app->add_option("--supervisor", options->supervisor,
                  "The program `cluster-supervisor`; without: the one beside this program");
  app->add_option("--output-max", options->output_bytes_max,
                  "Of a task's stdout, and of its stderr, keep the newest so many bytes (64MiB, "
                  "1GiB); 0: all")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE")
      ->default_str("64MiB");
  app->add_flag("--no-cgroups", options->no_cgroups,
                "Do not hold tasks to their limits by cgroups");
  app->add_flag("--no-cpu-quota", options->no_cpu_quota,
                "Let tasks use more cpus than they asked for while nobody else wants them");
  add_security(*app, options->daemon.security);
  add_log_level(*app, options->daemon.log_level);
  app->footer(
      "Examples:\n"
      "  cluster agent --masters 10.0.0.1:7001,10.0.0.2:7001,10.0.0.3:7001 --listen 10.0.0.9:7002 "
      "\\\n"
      "    --dir /var/lib/cluster/agent --certs /etc/cluster/certs\n"
      "  cluster agent --masters 127.0.0.1:5050 --dir /tmp/a1 --resources \"cpus:2;mem:1024\" "
      "--insecure\n\n"
      "Its tasks outlive it: started again on the same directory it finds them.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_agent(*options); }; });
}

void add_up(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<UpOptions>();
  CLI::App* app = root.add_subcommand("up", "Start a whole cluster on this machine");
  app->add_option("--masters", options->masters, "How many masters; 3 survive the loss of one")
      ->check(CLI::Range(1, 9))
      ->capture_default_str();
  app->add_option("--agents", options->agents, "How many agents")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  app->add_option("--dir", options->directory,
                  "Where its state and logs go; else CLUSTER_DIR, else ~/.local/state/cluster");
  app->add_flag("--keep", options->keep, "`cluster down` leaves the directory, for another `up`");
  app->add_flag("--insecure", options->insecure,
                "Plain text instead of TLS with certificates of the cluster's own");
  app->add_option("--agent-cpus", options->agent_cpus,
                  "Cpus that each agent offers; without: an equal share of the machine")
      ->check(CLI::PositiveNumber);
  app->add_option("--agent-mem", options->agent_mem, "MiB that each agent offers; without: a share")
      ->check(CLI::PositiveNumber);
  add_duration(*app, "--agent-timeout", options->agent_timeout,
               "How long an agent may be silent before its tasks are given to others");
  add_duration(*app, "--timeout", options->timeout, "How long to wait for the cluster to stand");
  add_log_level(*app, options->log_level);
  app->footer(
      "Examples:\n"
      "  cluster up                       # three masters, three agents\n"
      "  cluster run -- echo hello        # finds the cluster by itself\n"
      "  cluster down                     # and nothing is left\n"
      "  cluster up --masters 1 --agents 2 --dir /tmp/c --keep\n\n"
      "On a directory that was kept, the same cluster goes on, as it was made. On a cluster of "
      "which\n"
      "some processes have died, those are started again. Logs of the processes are in DIR/log,\n"
      "certificates in DIR/certs: with those of DIR/certs/client-local one uses the cluster by\n"
      "--master. Commands that are told DIR, or nothing, find them by themselves.");
  app->callback([app, options, &chosen] {
    for (const CLI::Option* option : app->get_options()) {
      if (option->count() > 0) options->given.push_back(option->get_name());
    }
    chosen = [options] { return cmd_up(*options); };
  });
}

void add_down(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<DownOptions>();
  CLI::App* app = root.add_subcommand("down", "Stop the cluster that `up` started");
  app->add_option("--dir", options->directory,
                  "The directory given to `up`; else CLUSTER_DIR, else ~/.local/state/cluster");
  app->add_flag("--keep", options->keep, "Leave the directory, for another `up`");
  add_duration(*app, "--timeout", options->timeout,
               "How long a process may take to stop before it is killed");
  app->footer(
      "Examples:\n"
      "  cluster down\n"
      "  cluster down --dir /tmp/c --keep\n\n"
      "Tasks are ended first (SIGTERM, their grace, SIGKILL), then agents, then masters.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_down(*options); }; });
}

void add_replay(CLI::App& log, Chosen& chosen) {
  auto options = std::make_shared<LogCommand>();
  options->action = LogCommand::Action::replay;
  CLI::App* app =
      log.add_subcommand("replay", "Rebuild the cluster's state as it was, from a master's log");
  app->add_option("DIR", options->directory, "The directory of a master that is stopped")
      ->required();
  CLI::Option* to = app->add_option("--to", options->to,
                                    "The last position that counts; without: the last there is")
                        ->check(CLI::PositiveNumber);
  app->add_option("--diff", options->difference, "What changed between two positions")
      ->expected(2)
      ->check(CLI::PositiveNumber)
      ->excludes(to);
  app->add_flag("--json", options->json, "For programs");
  app->footer(
      "Examples:\n"
      "  cluster log replay /var/lib/cluster/master-1\n"
      "  cluster log replay /var/lib/cluster/master-1 --to 4711 --json\n"
      "  cluster log replay /var/lib/cluster/master-1 --diff 4711 4800\n\n"
      "Any position can be told from the oldest that is kept on. `cluster log dump` says what "
      "each\n"
      "entry was. Nothing in DIR is changed.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_log_replay(*options); }; });
}

void add_log(CLI::App& root, Chosen& chosen) {
  CLI::App* log =
      root.add_subcommand("log", "Look into a replica's directory, without changing it");
  log->require_subcommand(1);
  log->footer(
      "Examples:\n"
      "  cluster log inspect /var/lib/cluster/log\n"
      "  cluster log verify /var/lib/cluster/log          # every byte; exit code 1 for damage\n"
      "  cluster log dump /var/lib/cluster/log --from 100 --to 120\n"
      "  cluster log replay /var/lib/cluster/log --to 120           # the cluster's state then\n"
      "  cluster log replay /var/lib/cluster/log --diff 100 120     # what changed\n\n"
      "Of a directory in use the end may be seen in the middle of a write: stop the member first.");
  auto add = [&](const char* name, const char* help, LogCommand::Action action) {
    auto options = std::make_shared<LogCommand>();
    options->action = action;
    CLI::App* app = log->add_subcommand(name, help);
    app->add_option("DIR", options->directory, "The replica's directory")->required();
    app->add_flag("--json", options->json, "For programs");
    if (action == LogCommand::Action::dump) {
      app->add_option("--from", options->from, "The first position");
      app->add_option("--to", options->to, "The position to stop before; else the end");
    }
    app->callback([options, &chosen] { chosen = [options] { return cmd_log(*options); }; });
  };
  add("inspect", "Whose it is, what it promised, and what it keeps", LogCommand::Action::inspect);
  add("verify", "Read everything, and say where it is damaged", LogCommand::Action::verify);
  add("dump", "Print the entries", LogCommand::Action::dump);
  add_replay(*log, chosen);
}

}  // namespace

CLI::Option* add_duration(CLI::App& app, const std::string& name, std::chrono::microseconds& value,
                          const std::string& help) {
  return app
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { value = *parse_duration(text); }, help)
      ->check(CLI::Validator(
          [](std::string& text) {
            auto duration = parse_duration(text);
            return duration ? std::string() : duration.error().context;
          },
          "DURATION"))
      ->default_str(to_text(value));
}

void add_daemon_commands(CLI::App& root, Chosen& chosen) {
  add_up(root, chosen);
  add_down(root, chosen);
  add_master(root, chosen);
  add_agent(root, chosen);
  add_log(root, chosen);
}

}  // namespace cluster::app
