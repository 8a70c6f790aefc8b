// The commands that ask a cluster for something.
#include "command_line.hpp"
#include "options.hpp"

namespace cluster::app {

void add_client(CLI::App& app, ClientOptions& options) {
  app.add_option("-m,--master", options.masters,
                 "HOST:PORT of one or more masters, separated by commas; else --dir, else "
                 "CLUSTER_MASTERS")
      ->group("Which cluster");
  app.add_option("--dir", options.directory,
                 "Directory of a cluster that `up` started; else CLUSTER_DIR, else "
                 "~/.local/state/cluster")
      ->group("Which cluster");
  add_duration(app, "--timeout", options.timeout, "How long to look for a leader that answers")
      ->group("Which cluster");
  add_security(app, options.security,
               "; else CLUSTER_CERTS, else those of the cluster that `up` started");
}

void add_list(CLI::App& root, Chosen& chosen, const char* name, const char* help,
              int (*command)(const ListOptions&), const std::string& more) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* app = root.add_subcommand(name, help);
  app->add_flag("--json", options->json, "An array of objects instead of a table");
  add_client(*app, options->client);
  std::string whole = "cluster " + (root.get_parent() ? root.get_name() + " " : "") + name;
  app->footer("Examples:\n  " + whole + "\n  " + whole + " --json\n" + more);
  app->callback(
      [options, command, &chosen] { chosen = [options, command] { return command(*options); }; });
}

namespace {

void add_run(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* app =
      root.add_subcommand("run", "Run a command on the cluster and follow it to its end");
  app->add_option("command", options->command, "The program and its arguments, after --")
      ->required();
  app->add_option("--cpus", options->cpus, "Cpus for each instance")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_option("--mem", options->mem, "MiB of memory for each instance")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_option("--resources", options->resources, "More of what each needs: \"disk:100\"");
  app->add_option_function<std::vector<std::string>>(
         "-e,--env",
         [options](const std::vector<std::string>& list) {
           for (const auto& entry : list) {
             auto equals = entry.find('=');
             options->environment[entry.substr(0, equals)] = entry.substr(equals + 1);
           }
         },
         "NAME=VALUE for the command's environment; may be repeated")
      ->check(CLI::Validator(
          [](std::string& text) {
            auto equals = text.find('=');
            bool right = equals != std::string::npos && equals > 0;
            return right ? std::string() : "'" + text + "' is not NAME=VALUE";
          },
          "NAME=VALUE"))
      ->allow_extra_args(false)  // Else it would swallow the -- before the command.
      ->take_all();
  app->add_option("-n,--instances", options->instances, "How many copies to run")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app->add_option("--name", options->name, "The job's name; without: the program's");
  app->add_option("--attempts", options->attempts,
                  "How often an instance may fail before the job fails")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_duration(*app, "--kill-grace", options->kill_grace, "From SIGTERM to SIGKILL");
  add_client(*app, options->client);
  app->footer(
      "Examples:\n"
      "  cluster run -- echo hello\n"
      "  cluster run -- sh -c 'exit 7'                    # exits with 7\n"
      "  cluster run --cpus 1 --mem 256 -e SEED=4 -- python3 simulate.py\n"
      "  cluster run --instances 50 -- sh -c 'echo I am $CLUSTER_INDEX of $CLUSTER_INSTANCES'\n\n"
      "Standard output and error of the command are copied to this program's own, with the index "
      "in\n"
      "front where there are several instances. It exits with the command's code, 128 + signal "
      "where\n"
      "a signal ended it, and for several instances with the first that is not 0.\n"
      "Ctrl-C stops the job, and so does closing what reads its output (| head). Its standard\n"
      "input is empty. Nothing is copied to it: programs and files must be where the agents are.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_run(*options); }; });
}

void add_submit(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* app = root.add_subcommand("submit", "Hand a job file over: a service or a batch");
  app->add_option("file", options->file, "The job file, TOML; docs/jobfile.md has the format")
      ->required();
  app->add_flag("--wait", options->wait,
                "Show progress until a batch ends or a service is launched");
  app->add_flag("--check", options->check, "Only say whether the file is right");
  add_client(*app, options->client);
  app->footer(
      "Prints the job's id. A mistake in the file is answered with its line and column.\n\n"
      "Examples:\n"
      "  cluster submit web.toml           a service:\n"
      "      name = \"web\"\n"
      "      kind = \"service\"\n"
      "      instances = 3\n"
      "      shell = \"exec python3 -m http.server $((8000 + CLUSTER_INDEX))\"\n"
      "      cpus = 0.2\n"
      "      mem = 64\n"
      "  cluster submit --wait sums.toml   a batch of two stages:\n"
      "      name = \"sums\"\n"
      "      [[stage]]\n"
      "      name = \"map\"\n"
      "      instances = 10\n"
      "      attempts = 3\n"
      "      shell = \"seq $CLUSTER_INDEX 100 > /tmp/part.$CLUSTER_INDEX\"\n"
      "      [[stage]]\n"
      "      name = \"reduce\"\n"
      "      after = [\"map\"]\n"
      "      shell = \"cat /tmp/part.* | wc -l\"");
  app->callback([options, &chosen] { chosen = [options] { return cmd_submit(*options); }; });
}

void add_tasks(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<TasksOptions>();
  CLI::App* app = root.add_subcommand("tasks", "List tasks: running, waiting (and why), ended");
  app->add_flag("--json", options->json, "An array of objects instead of a table");
  app->add_flag("--open", options->open_only, "Only those that have not ended");
  app->add_option("--job", options->job, "Only those of this job");
  app->add_option("--limit", options->limit, "Of ended ones, at most the latest so many")
      ->capture_default_str();
  add_client(*app, options->client);
  app->footer("Examples:\n  cluster tasks --open\n  cluster tasks --job web-1f0c9a3b --json");
  app->callback([options, &chosen] { chosen = [options] { return cmd_tasks(*options); }; });
}

void add_logs(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<LogsOptions>();
  CLI::App* app = root.add_subcommand("logs", "Print what a task has written");
  app->add_option("task", options->task, "The task's id, from `cluster tasks`")->required();
  app->add_flag("-f,--follow", options->follow, "Go on until the task ends");
  app->add_flag("--stderr", options->standard_error, "Its standard error instead of its output");
  add_client(*app, options->client);
  app->footer(
      "Examples:\n  cluster logs web-1f0c9a3b.main.0.1\n"
      "  cluster logs -f --stderr web-1f0c9a3b.main.0.1");
  app->callback([options, &chosen] { chosen = [options] { return cmd_logs(*options); }; });
}

void add_kill(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<KillOptions>();
  CLI::App* app = root.add_subcommand("kill", "End a task, or stop a job and all its tasks");
  app->add_option("target", options->target, "A task's or a job's id")->required();
  app->add_flag("--wait", options->wait, "Return when the job has stopped");
  add_client(*app, options->client);
  app->footer(
      "Examples:\n"
      "  cluster kill web-1f0c9a3b            # the job: its tasks end, none is started again\n"
      "  cluster kill --wait web-1f0c9a3b     # return when all of them have ended\n"
      "  cluster kill web-1f0c9a3b.main.0.1   # one task: a service starts it again");
  app->callback([options, &chosen] { chosen = [options] { return cmd_kill(*options); }; });
}

void add_status(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* app = root.add_subcommand("status", "The whole cluster in a few lines");
  app->add_flag("--json", options->json, "An object instead of text");
  add_duration(*app, "--wait", options->wait, "Wait so long for a master to lead");
  add_client(*app, options->client);
  app->footer(
      "Examples:\n  cluster status\n  cluster status --wait 10s --json\n"
      "  cluster status --master 127.0.0.1:7001\n\n"
      "While a majority of masters answers but none leads yet, it waits up to 5 s for their "
      "election.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_status(*options); }; });
}

void add_metrics(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<MetricsOptions>();
  CLI::App* app =
      root.add_subcommand("metrics", "Print what masters and agents count, for Prometheus");
  add_client(*app, options->client);
  app->footer(
      "Examples:\n"
      "  cluster metrics\n"
      "  cluster metrics | grep cluster_log_sync\n"
      "  cluster metrics > /var/lib/node_exporter/cluster.prom.new &&\n"
      "    mv /var/lib/node_exporter/cluster.prom.new /var/lib/node_exporter/cluster.prom\n\n"
      "Each value says of which process it is: process=\"master-1\". Those that do not answer are\n"
      "left out, which standard error tells.");
  app->callback([options, &chosen] { chosen = [options] { return cmd_metrics(*options); }; });
}

void add_sim(CLI::App& root, Chosen& chosen) {
  auto options = std::make_shared<SimOptions>();
  CLI::App* app = root.add_subcommand("sim", "Simulate the log under faults, seed by seed");
  app->add_option("--seeds", options->seeds, "A..B, both ends included, or one seed")
      ->capture_default_str();
  app->add_option("--jobs", options->jobs, "Processes that share the seeds")->capture_default_str();
  app->add_option(
         "--workload", options->workload,
         "What the log is used for: log (registers on the bare log) or keys (the registry)")
      ->capture_default_str();
  app->add_flag("--verbose", options->verbose, "The log lines of every simulated member");
  app->footer(
      "Examples:\n"
      "  cluster sim --seeds 1..2000\n"
      "  cluster sim --seeds 1234 --verbose    # one history again, with all that was logged\n\n"
      "Each seed is one history of lost messages, crashes and failing disks, the same on every\n"
      "machine. A failure prints the line that replays it, and the exit code is 1.");
  auto history = std::make_shared<CheckHistoryOptions>();
  CLI::App* check = app->add_subcommand(
      "check-history", "Say whether clients' operations in a file are linearizable");
  check->add_option("FILE", history->file, "JSON lines; - for standard input")->required();
  check->footer(
      "Each line is an object: "
      "{\"type\":\"invoke\",\"client\":\"a\",\"call\":\"put\",\"key\":\"x\",\n"
      "\"value\":\"1\",\"time\":17}, then \"return\", \"unknown\" or \"failed\" of that client. "
      "Calls are\n"
      "put, get (returns \"value\"), cas (\"expected\"; returns \"swapped\"), append (returns\n"
      "\"position\"), read (returns \"entries\") and catch_up (returns \"end\").\n\n"
      "The exit code is 0 for linearizable, 1 for not, 3 when the search grew too large.");
  app->callback([app, check, options, history, &chosen] {
    if (app->got_subcommand(check)) {
      chosen = [history] { return cmd_check_history(*history); };
    } else {
      chosen = [options] { return cmd_sim(*options); };
    }
  });
}

}  // namespace

void add_client_commands(CLI::App& root, Chosen& chosen) {
  add_run(root, chosen);
  add_submit(root, chosen);
  add_status(root, chosen);
  add_tasks(root, chosen);
  add_list(root, chosen, "jobs", "List jobs and how far they are", cmd_jobs, "");
  add_list(root, chosen, "agents", "List agents: what they have, use, and how tasks are limited",
           cmd_agents, "");
  add_list(root, chosen, "masters", "List masters: who leads, and how far each is", cmd_masters,
           "");
  add_list(root, chosen, "frameworks", "List frameworks: who schedules, and what each uses",
           cmd_frameworks, "");
  add_logs(root, chosen);
  add_kill(root, chosen);
  add_metrics(root, chosen);
  add_sim(root, chosen);
}

}  // namespace cluster::app
