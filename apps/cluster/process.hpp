// The daemons of a local cluster as processes of this machine: started apart from us, recognised
// again later, and ended.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/result.hpp"

namespace cluster::app {

// A process, told apart from a later one with the same number by when it started.
struct Process {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // Field 22 of /proc/PID/stat.
};

// The start time of a living process; none when there is none, or only a zombie.
std::optional<std::uint64_t> start_time_of(pid_t pid);
bool is_alive(const Process&);

// Starts this program again with `arguments`, in a session of its own, with its output appended to
// `log_file`.
Result<Process> spawn_detached(const std::vector<std::string>& arguments,
                               const std::string& log_file);

// Never reaches a later process with the same number. Processes that are gone are no error.
void send_signal(const Process&, int signal);

// Waits until all have ended, or until `until`; gives back those that have not.
std::vector<Process> wait_for_end(std::vector<Process>,
                                  std::chrono::steady_clock::time_point until);

}  // namespace cluster::app
