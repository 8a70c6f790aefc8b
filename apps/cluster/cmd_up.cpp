// `cluster up`: a whole cluster on this machine, from nothing, from a kept directory, or from what
// is left of a running one.
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/random.hpp"
#include "client.hpp"
#include "cluster/agent.hpp"
#include "local_cluster.hpp"
#include "options.hpp"
#include "secure_cluster.hpp"
#include "stop_cluster.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr Duration poll_pause = std::chrono::milliseconds(50);

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

std::string log_file_of(const LocalCluster& cluster, const LocalDaemon& daemon) {
  return cluster.directory + "/log/" + daemon.name + ".log";
}

std::string members_of(const LocalCluster& cluster) {
  std::string text;
  for (const auto& master : cluster.masters) {
    text += (text.empty() ? "" : ",") + std::to_string(master.number) + "=" +
            to_string(master.endpoint);
  }
  return text;
}

std::string masters_of(const LocalCluster& cluster) {
  std::string text;
  for (const auto& endpoint : cluster.master_endpoints()) {
    text += (text.empty() ? "" : ",") + to_string(endpoint);
  }
  return text;
}

// What each of the agents offers: an equal share of the machine, and ports of its own.
std::string resources_of(const UpOptions& options, std::uint32_t number) {
  Resources machine = detect_resources();
  auto share = [&](double wanted, Scalar total) {
    return wanted > 0 ? Scalar::from_double(wanted)
                      : Scalar::thousandths(total.in_thousandths() / options.agents);
  };
  Resources part;
  part.set("cpus", share(options.agent_cpus, machine.cpus()));
  Scalar mem = share(options.agent_mem, machine.mem());
  if (options.agent_mem <= 0) {  // Whole MiB: nobody wants to read 7693.666 in every table.
    mem = Scalar::thousandths(mem.in_thousandths() / 1000 * 1000);
  }
  part.set("mem", mem);
  std::uint64_t ports = 1000 / options.agents;
  std::uint64_t first = 31'000 + (number - 1) * ports;
  part.set("ports", Ranges{{.first = first, .end = first + ports}});
  return part.to_string();
}

Result<LocalCluster> new_cluster(const UpOptions& options, const std::string& directory) {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(directory, failure)) {
    if (entry.path().filename() == ".lock") continue;
    return Error{Errc::already_exists, directory +
                                           " is not empty and holds no cluster; choose another "
                                           "directory with --dir"};
  }
  LocalCluster cluster;
  cluster.directory = directory;
  cluster.keep = options.keep;
  cluster.insecure = options.insecure;
  std::uint64_t uid = 0;
  while (uid == 0) uid = system_random();
  cluster.cluster = ClusterUid(uid);
  std::vector<std::uint16_t> taken;
  auto add = [&](std::vector<LocalDaemon>& list, const char* kind,
                 std::uint32_t n) -> Result<void> {
    for (std::uint32_t number = 1; number <= n; ++number) {
      auto port = free_port(taken);
      if (!port) return std::move(port).error();
      taken.push_back(*port);
      list.push_back({.name = std::string(kind) + "-" + std::to_string(number),
                      .number = number,
                      .endpoint = {.host = "127.0.0.1", .port = *port}});
    }
    return {};
  };
  if (auto added = add(cluster.masters, "master", options.masters); !added) {
    return std::move(added).error();
  }
  if (auto added = add(cluster.agents, "agent", options.agents); !added) {
    return std::move(added).error();
  }
  auto text_of = [](LogLevel level) { return std::string(to_string(level)); };
  for (auto& master : cluster.masters) {
    master.arguments = {"master",
                        "--id",
                        std::to_string(master.number),
                        "--cluster-id",
                        to_hex(cluster.cluster),
                        "--dir",
                        directory + "/" + master.name,
                        "--agent-timeout",
                        to_text(options.agent_timeout),
                        "--log-level",
                        text_of(options.log_level),
                        "--members",
                        members_of(cluster)};
  }
  for (auto& agent : cluster.agents) {
    agent.arguments = {"agent",
                       "--dir",
                       directory + "/" + agent.name,
                       "--hostname",
                       agent.name,
                       "--resources",
                       resources_of(options, static_cast<std::uint32_t>(agent.number)),
                       "--no-cpu-quota",
                       "--log-level",
                       text_of(options.log_level),
                       "--listen",
                       to_string(agent.endpoint),
                       "--masters",
                       masters_of(cluster)};
  }
  return cluster;
}

// After a pause, ports may be others' now. Masters know each other by theirs, so all of them must
// be down for that.
Result<void> renew_ports(LocalCluster& cluster) {
  std::vector<std::uint16_t> taken;
  bool any_master_lives = false;
  for (auto* daemons : {&cluster.masters, &cluster.agents}) {
    for (const auto& daemon : *daemons) taken.push_back(daemon.endpoint.port);
  }
  for (const auto& master : cluster.masters) any_master_lives |= is_alive(master.process);
  for (auto* daemons : {&cluster.masters, &cluster.agents}) {
    for (auto& daemon : *daemons) {
      if (is_alive(daemon.process) || is_port_free(daemon.endpoint.port)) continue;
      if (daemons == &cluster.masters && any_master_lives) {
        return Error{Errc::address_in_use, daemon.name + " needs port " +
                                               std::to_string(daemon.endpoint.port) +
                                               ", where another process listens now"};
      }
      auto port = free_port(taken);
      if (!port) return std::move(port).error();
      daemon.endpoint.port = *port;
      taken.push_back(*port);
    }
  }
  for (auto& master : cluster.masters) master.arguments.back() = members_of(cluster);
  for (auto& agent : cluster.agents) {
    agent.arguments[agent.arguments.size() - 3] = to_string(agent.endpoint);
    agent.arguments.back() = masters_of(cluster);
  }
  return {};
}

// The last line that the daemon wrote: why it ended.
std::string last_line(const std::string& file_name) {
  std::ifstream file(file_name);
  std::string line, last;
  while (std::getline(file, line)) {
    if (!line.empty()) last = line;
  }
  return last.starts_with("cluster: ") ? last.substr(9) : last;
}

class Starter {
 public:
  Starter(LocalCluster& cluster, Duration timeout)
      : cluster_(cluster), started_(Clock::now()), until_(started_ + timeout) {}

  // Starts what does not run.
  Result<void> start() {
    std::error_code failure;
    fs::create_directories(cluster_.directory + "/log", failure);
    if (failure) return Error{Errc::permission, "cannot create " + cluster_.directory + "/log"};
    for (auto* daemons : {&cluster_.masters, &cluster_.agents}) {
      for (auto& daemon : *daemons) {
        if (is_alive(daemon.process)) continue;
        auto process = spawn_detached(daemon.arguments, log_file_of(cluster_, daemon));
        if (!process) return std::move(process).error();
        daemon.process = *process;
        fresh_.push_back(&daemon);
        // At once, so that `down` finds every process whatever happens to this one.
        auto saved = save_local_cluster(cluster_);
        if (!saved) return saved;
      }
    }
    return {};
  }

  Result<void> wait_for_leader(Client& client) {
    say("waiting for a leader");
    while (true) {
      auto answers = ask_all_masters(client, std::chrono::seconds(1));
      if (const auto* leader = leader_of(answers)) {
        say("  master " + std::to_string(leader->self.value()) + " leads (" + elapsed() + ")");
        return {};
      }
      if (auto ended = check("no master leads"); !ended) return ended;
    }
  }

  Result<void> wait_for_agents(Client& client) {
    if (cluster_.agents.empty()) return {};
    say("waiting for " + count_of(cluster_.agents.size(), "agent"));
    std::size_t said = 0;
    while (true) {
      auto rows = client.ask<wire::AgentRows>(wire::GetAgents{});
      std::size_t there = 0;
      for (const auto& agent : cluster_.agents) there += rows && is_there(*rows, agent) ? 1 : 0;
      if (there != said) {
        say("  " + std::to_string(there) + " of " + std::to_string(cluster_.agents.size()) +
            " registered (" + elapsed() + ")");
      }
      said = there;
      if (there == cluster_.agents.size()) return {};
      if (auto ended = check("not every agent has registered"); !ended) return ended;
    }
  }

  std::size_t started() const { return fresh_.size(); }
  std::string elapsed() const {
    return age_text(std::chrono::duration_cast<Duration>(Clock::now() - started_));
  }

 private:
  static bool is_there(const wire::AgentRows& rows, const LocalDaemon& agent) {
    for (const auto& row : rows.rows) {
      if (row.record.endpoint == agent.endpoint && row.connected) return true;
    }
    return false;
  }

  // A pause, which ends early and badly when one of the new processes does.
  Result<void> check(const std::string& what) {
    for (const LocalDaemon* daemon : fresh_) {
      if (is_alive(daemon->process)) continue;
      std::string file = log_file_of(cluster_, *daemon);
      return Error{Errc::failed,
                   daemon->name + " ended: " + last_line(file) + " (its log: " + file + ")"};
    }
    if (Clock::now() >= until_) {
      return Error{Errc::timed_out,
                   what + " after " + elapsed() + "; logs are in " + cluster_.directory + "/log"};
    }
    wait_for_end({fresh_.front()->process}, Clock::now() + poll_pause);
    return {};
  }

  LocalCluster& cluster_;
  Clock::time_point started_;
  Clock::time_point until_;
  std::vector<const LocalDaemon*> fresh_;
};

Result<void> bring_up(LocalCluster& cluster, Starter& starter, const UpOptions& options) {
  if (auto started = starter.start(); !started) return started;
  Client client({.masters = cluster.master_endpoints(), .security = cluster.security()},
                std::min<Duration>(options.timeout, std::chrono::seconds(3)));
  if (auto led = starter.wait_for_leader(client); !led) return led;
  return starter.wait_for_agents(client);
}

std::string value_of(const std::vector<std::string>& arguments, const std::string& flag) {
  auto at = std::find(arguments.begin(), arguments.end(), flag);
  return at == arguments.end() || at + 1 == arguments.end() ? "" : *(at + 1);
}

// The options given now that differ from those with which the cluster was made.
std::vector<std::string> differing_options(const LocalCluster& cluster, const UpOptions& options) {
  std::vector<std::string> differing;
  UpOptions same_agents = options;
  same_agents.agents = static_cast<std::uint32_t>(cluster.agents.size());
  auto check = [&](const std::string& name, bool differs) {
    bool is_given =
        std::find(options.given.begin(), options.given.end(), name) != options.given.end();
    if (is_given && differs) differing.push_back(name);
  };
  auto differs_at = [](const std::vector<LocalDaemon>& daemons, const char* flag,
                       const std::string& wanted) {
    return !daemons.empty() && value_of(daemons.front().arguments, flag) != wanted;
  };
  check("--insecure", options.insecure != cluster.insecure);
  check("--masters", options.masters != cluster.masters.size());
  check("--agents", options.agents != cluster.agents.size());
  if (!cluster.agents.empty()) {
    auto has = Resources::parse(value_of(cluster.agents.front().arguments, "--resources"));
    auto wanted = Resources::parse(resources_of(same_agents, 1));
    check("--agent-cpus", has && wanted && has->cpus() != wanted->cpus());
    check("--agent-mem", has && wanted && has->mem() != wanted->mem());
  }
  check("--agent-timeout",
        differs_at(cluster.masters, "--agent-timeout", to_text(options.agent_timeout)));
  check("--log-level",
        differs_at(cluster.masters, "--log-level", std::string(to_string(options.log_level))));
  return differing;
}

std::string parts_of(const LocalCluster& cluster) {
  return count_of(cluster.masters.size(), "master") + " and " +
         count_of(cluster.agents.size(), "agent");
}

}  // namespace

int cmd_up(const UpOptions& options) {
  std::string directory = chosen_directory(options.directory);
  auto lock = DirectoryLock::take(directory);
  if (!lock) return fail(lock.error());
  auto known = load_local_cluster(directory);
  if (!known) return fail(known.error());
  bool is_new = !*known;
  auto made = is_new ? new_cluster(options, directory) : Result<LocalCluster>(**std::move(known));
  if (!made) return fail(made.error());
  LocalCluster& cluster = *made;

  if (auto differing = differing_options(cluster, options); !is_new && !differing.empty()) {
    std::string names;
    for (const auto& name : differing) names += (names.empty() ? "" : ", ") + name;
    complain("there is a cluster in " + directory + " already, of " + parts_of(cluster) + "; " +
             names + " cannot change it and " + (differing.size() == 1 ? "is" : "are") +
             " ignored. For another cluster: --dir DIRECTORY, or `cluster down` first" +
             (cluster.keep ? " and remove the directory" : ""));
  }

  std::size_t alive = 0;
  for (auto* daemons : {&cluster.masters, &cluster.agents}) {
    for (const auto& daemon : *daemons) alive += is_alive(daemon.process) ? 1 : 0;
  }
  if (alive == cluster.masters.size() + cluster.agents.size()) {
    say("the cluster in " + directory + " is running already: " + parts_of(cluster) +
        "; `cluster down` stops it");
    return 0;
  }
  if (alive > 0) {
    for (auto* daemons : {&cluster.masters, &cluster.agents}) {
      for (const auto& daemon : *daemons) {
        if (!is_alive(daemon.process)) say(daemon.name + " is not running: starting it again");
      }
    }
  } else {
    say((is_new ? "starting " : "starting again ") + parts_of(cluster) + " in " + directory);
  }
  cluster.keep = cluster.keep || options.keep;
  if (auto renewed = renew_ports(cluster); !renewed) return fail(renewed.error());

  if (auto secured = secure_cluster(cluster); !secured) return fail(secured.error());

  Starter starter(cluster, options.timeout);
  if (auto up = bring_up(cluster, starter, options); !up) {
    if (alive == 0) stop_cluster(cluster, std::chrono::seconds(5));
    return fail(up.error());
  }
  say("the cluster is up (" + starter.elapsed() + "): masters " + masters_of(cluster));
  bool is_default = directory == chosen_directory("");
  say("to name them: --master " + to_string(cluster.masters.front().endpoint) +
      (cluster.insecure ? " --insecure" : " --certs " + cluster.client_certificate()));
  say("try: cluster run" + (is_default ? "" : " --dir " + directory) + " -- echo hello");
  return 0;
}

}  // namespace cluster::app
