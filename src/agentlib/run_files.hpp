// The files through which an agent and a task's supervisor meet, in the task's `run` directory:
//
//   order       what to run; written by the agent
//   supervisor  who supervises; made once, exclusively, before the task is started: what has this
//               file is never started a second time
//   started     the task's own process; exec succeeded
//   exit        how it ended; once it is there, all that the task had started is dead
//
// Compiled into the supervisor too, so: the standard library and the system only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cluster::agentlib {

inline constexpr const char* order_file = "order";
inline constexpr const char* supervisor_file = "supervisor";
inline constexpr const char* started_file = "started";
inline constexpr const char* exit_file = "exit";

// Signals that the agent sends to a supervisor.
extern const int terminate_signal;  // SIGTERM to the task's process group.
extern const int destroy_signal;    // SIGKILL to all of it.

struct LaunchOrder {
  std::string sandbox;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<std::string> cgroups;      // Directories to enter.
  std::string oom_file;                  // Where the kernel counts "oom_kill"; empty: nowhere.

  friend bool operator==(const LaunchOrder&, const LaunchOrder&) = default;
};

// A process, told apart from later ones with the same number.
struct ProcessMark {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // In clock ticks since boot.
  std::string boot;              // The kernel's id of this boot.

  friend bool operator==(const ProcessMark&, const ProcessMark&) = default;
};

struct ExitRecord {
  enum class Kind { exited, signaled, launch_failed };
  Kind kind = Kind::exited;
  int number = 0;              // Exit code, signal, or errno.
  bool out_of_memory = false;  // The kernel killed some of it for its memory limit.
  std::string message;         // Of a failed launch.

  friend bool operator==(const ExitRecord&, const ExitRecord&) = default;
};

// Strings in these must not hold a NUL byte.
std::string encode(const LaunchOrder&);
std::string encode(const ProcessMark&);
std::string encode(const ExitRecord&);
std::optional<LaunchOrder> decode_order(std::string_view);
std::optional<ProcessMark> decode_mark(std::string_view);
std::optional<ExitRecord> decode_exit(std::string_view);

std::optional<std::string> read_file(const std::string& path);

// Makes `directory/name` with all of `content` or not at all. Returns 0 or an errno.
struct WriteMode {
  bool exclusive = false;  // EEXIST when it exists; otherwise it is replaced.
  bool durable = true;
};
int write_file(const std::string& directory, const std::string& name, std::string_view content,
               WriteMode mode);

ProcessMark mark_of(pid_t pid);          // start_time 0 when there is no such process.
bool is_alive(const ProcessMark& mark);  // The same process, zombie or not.

// A line of /proc/<pid>/stat, as far as we need it.
struct ProcessStat {
  pid_t pid = 0;
  char state = '?';
  pid_t parent = 0;
  pid_t session = 0;
  std::uint64_t start_time = 0;
};
std::optional<ProcessStat> stat_of(pid_t pid);
std::vector<pid_t> all_processes();

// Kills what is in these cgroups. True when nothing was.
bool kill_cgroups(const std::vector<std::string>& directories);

}  // namespace cluster::agentlib
