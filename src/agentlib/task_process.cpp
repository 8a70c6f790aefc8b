#include "agentlib/task_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <thread>

namespace cluster::agentlib {

namespace {

constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

std::map<std::string, std::string> make_environment(const TaskKey& key, const AgentId& agent,
                                                    const TaskSpec& spec,
                                                    const std::string& sandbox) {
  std::map<std::string, std::string> environment{
      {"PATH", default_path},
      {"HOME", sandbox},
      {"CLUSTER_SANDBOX", sandbox},
      {"CLUSTER_AGENT", agent.value()},
      {"CLUSTER_FRAMEWORK", key.framework.value()},
      {"CLUSTER_TASK", key.task.value()},
  };
  Resources resources = spec.resources;
  if (resources.cpus() > Scalar()) environment["CLUSTER_CPUS"] = resources.cpus().to_string();
  if (resources.mem() > Scalar()) environment["CLUSTER_MEM"] = resources.mem().to_string();
  auto ports = resources.values().find("ports");
  if (ports != resources.values().end()) {
    if (const auto* ranges = std::get_if<Ranges>(&ports->second)) {
      std::string text;
      for (const Interval& range : *ranges) {
        text += (text.empty() ? "" : ",") + std::to_string(range.first);
        if (range.end - range.first > 1) text += "-" + std::to_string(range.end - 1);
      }
      environment["CLUSTER_PORTS"] = text;
    }
  }
  for (const auto& [name, value] : spec.command.environment) environment[name] = value;
  return environment;
}

// True when a process is of the task that `started` and `sandbox` tell of.
bool is_of_task(const ProcessStat& stat, const std::optional<ProcessMark>& started,
                const std::string& sandbox_variable) {
  if (started && stat.session == started->pid && stat.start_time >= started->start_time) {
    return true;
  }
  auto environment = read_file("/proc/" + std::to_string(stat.pid) + "/environ");
  if (!environment) return false;
  std::string text = '\0' + *environment;
  return text.find(sandbox_variable) != std::string::npos;
}

}  // namespace

Result<LaunchOrder> make_order(const TaskKey& key, const AgentId& agent, const TaskSpec& spec,
                               const std::string& sandbox) {
  LaunchOrder order{.sandbox = sandbox};
  if (spec.command.argv.empty()) {
    order.arguments = {"/bin/sh", "-c", spec.command.shell};
  } else {
    order.arguments = spec.command.argv;
  }
  for (const auto& [name, value] : make_environment(key, agent, spec, sandbox)) {
    order.environment.push_back(name + "=" + value);
  }
  for (const auto* list : {&order.arguments, &order.environment}) {
    for (const std::string& text : *list) {
      if (!has_nul(text)) continue;
      return Error{Errc::invalid_argument, "its command or environment holds a NUL byte"};
    }
  }
  return order;
}

std::string cgroup_name(const TaskKey& key) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (char c : key.framework.value() + "/" + key.task.value()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  static constexpr char digits[] = "0123456789abcdef";
  std::string name = key.task.value().substr(0, 100) + "-";
  for (int shift = 60; shift >= 0; shift -= 4) name += digits[(hash >> shift) & 15];
  return name;
}

Result<pid_t> start_supervisor(const std::string& supervisor, const std::string& run_directory) {
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  for (int file = 0; file < 3; ++file) {
    ::posix_spawn_file_actions_addopen(&files, file, "/dev/null", O_RDWR, 0);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t all;
  ::sigfillset(&all);
  // Blocked from its first instruction on: a signal that comes early waits for it.
  ::posix_spawnattr_setsigmask(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  char* arguments[] = {const_cast<char*>(supervisor.c_str()),
                       const_cast<char*>(run_directory.c_str()), nullptr};
  char* environment[] = {nullptr};
  pid_t pid = 0;
  int error = ::posix_spawn(&pid, supervisor.c_str(), &files, &attributes, arguments, environment);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error == 0) return pid;
  return Error{Errc::failed, "cannot start " + supervisor + ": " + std::strerror(error)};
}

int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0u)); }

void send_signal(int pidfd, int number) {
  ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0u);
}

std::optional<ProcessMark> read_mark(const std::string& run_directory, const char* file) {
  auto text = read_file(run_directory + "/" + file);
  return text ? decode_mark(*text) : std::nullopt;
}

std::optional<TaskEnd> read_end(const std::string& run_directory) {
  auto text = read_file(run_directory + "/" + exit_file);
  auto record = text ? decode_exit(*text) : std::nullopt;
  if (!record) return std::nullopt;
  TaskEnd end;
  switch (record->kind) {
    case ExitRecord::Kind::exited: end.exit = TaskExit{.code = record->number}; break;
    case ExitRecord::Kind::signaled: end.exit = TaskExit{.signal = record->number}; break;
    case ExitRecord::Kind::launch_failed:
      end.reason = "launch_failed";
      end.message = std::move(record->message);
      break;
  }
  // A task that coped with the death of a part of it has not failed for it.
  if (record->out_of_memory && end.exit && end.exit != TaskExit{}) {
    end.reason = "memory_limit";
    end.message = "it used more memory than its limit";
  }
  return end;
}

void kill_leftovers(const std::string& run_directory, const std::string& sandbox,
                    const TaskCgroup& cgroup) {
  auto started = read_mark(run_directory, started_file);
  // After a reboot nothing is left, and the numbers mean others.
  if (started && started->boot != mark_of(::getpid()).boot) return;
  std::string variable = '\0' + std::string("CLUSTER_SANDBOX=") + sandbox + '\0';
  for (int round = 0; round < 50; ++round) {
    bool is_empty = kill_cgroups(cgroup.directories);
    for (pid_t pid : all_processes()) {
      auto stat = stat_of(pid);
      if (!stat || stat->state == 'Z' || pid == ::getpid()) continue;
      if (!is_of_task(*stat, started, variable)) continue;
      is_empty = false;
      ::kill(pid, SIGKILL);
    }
    if (is_empty) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace cluster::agentlib
