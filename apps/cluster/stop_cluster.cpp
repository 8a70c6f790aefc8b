#include "stop_cluster.hpp"

#include <csignal>
#include <filesystem>

#include "agentlib/run_files.hpp"
#include "agentlib/task_directory.hpp"
#include "client.hpp"

namespace cluster::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Supervisors that still run a task of this agent, by the marks in the tasks' directories.
std::vector<Process> supervisors_of(const LocalCluster& cluster, const LocalDaemon& agent) {
  std::vector<Process> found;
  std::error_code failure;
  fs::path tasks = agentlib::tasks_directory(cluster.directory + "/" + agent.name);
  for (const auto& framework : fs::directory_iterator(tasks, failure)) {
    std::error_code inner;
    for (const auto& task : fs::directory_iterator(framework.path(), inner)) {
      auto text = agentlib::read_file((task.path() / "run" / agentlib::supervisor_file).string());
      auto mark = text ? agentlib::decode_mark(*text) : std::nullopt;
      if (!mark || !agentlib::is_alive(*mark)) continue;
      Process process{.pid = mark->pid, .start_time = mark->start_time};
      if (is_alive(process)) found.push_back(process);
    }
  }
  return found;
}

// Ends those that have not ended by themselves in time.
std::size_t end_all(const std::vector<Process>& processes, Duration timeout) {
  auto left = wait_for_end(processes, Clock::now() + timeout);
  for (const Process& process : left) send_signal(process, SIGKILL);
  wait_for_end(left, Clock::now() + timeout);
  return left.size();
}

// The agents end their tasks and then themselves.
void stop_agents(const LocalCluster& cluster, Duration timeout, Stopped& stopped) {
  std::vector<Process> agents;
  std::vector<Endpoint> endpoints;
  for (const LocalDaemon& agent : cluster.agents) {
    Process process = agent.process;
    if (!is_alive(process)) {
      if (supervisors_of(cluster, agent).empty()) continue;
      auto again =
          spawn_detached(agent.arguments, cluster.directory + "/log/" + agent.name + ".log");
      if (!again) continue;
      process = *again;
    } else {
      ++stopped.agents;
    }
    agents.push_back(process);
    endpoints.push_back(agent.endpoint);
  }
  if (agents.empty()) return;
  Client client({.masters = cluster.master_endpoints(), .security = cluster.security()}, timeout);
  auto until = Clock::now() + timeout;
  for (std::size_t i = 0; i < agents.size(); ++i) {
    // One that was only just started does not listen yet.
    while (is_alive(agents[i]) && Clock::now() < until) {
      auto asked = node::expect<wire::Done>(
          client.admin()
              .ask_at(endpoints[i], wire::StopAgent{.kill_tasks = true}, std::chrono::seconds(5))
              .get());
      if (asked || asked.error().code == Errc::timed_out) break;
      wait_for_end({agents[i]}, Clock::now() + std::chrono::milliseconds(50));
    }
  }
  stopped.killed += end_all(agents, timeout);
}

void stop_masters(const LocalCluster& cluster, Duration timeout, Stopped& stopped) {
  std::vector<Process> masters;
  for (const LocalDaemon& master : cluster.masters) {
    if (!is_alive(master.process)) continue;
    ++stopped.masters;
    masters.push_back(master.process);
    send_signal(master.process, SIGTERM);
  }
  stopped.killed += end_all(masters, timeout);
}

}  // namespace

Stopped stop_cluster(const LocalCluster& cluster, Duration timeout) {
  Stopped stopped;
  stop_agents(cluster, timeout, stopped);
  stop_masters(cluster, timeout, stopped);
  for (const LocalDaemon& agent : cluster.agents) {
    auto left = supervisors_of(cluster, agent);
    for (const Process& process : left) send_signal(process, agentlib::destroy_signal);
    end_all(left, timeout);
    stopped.swept += left.size();
  }
  return stopped;
}

}  // namespace cluster::app
