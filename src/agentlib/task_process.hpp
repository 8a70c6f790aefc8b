// What the process launcher does to one task: composes its order, starts its supervisor, reads how
// it ended, kills what a dead supervisor left. Any one thread; nothing here waits for long.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "agentlib/cgroup.hpp"
#include "agentlib/model.hpp"
#include "agentlib/run_files.hpp"

namespace cluster::agentlib {

// What a task is to run: its command with an environment of PATH, HOME, CLUSTER_* and its own.
// `invalid_argument` when it can't be said to the system.
Result<LaunchOrder> make_order(const TaskKey& key, const AgentId& agent, const TaskSpec& spec,
                               const std::string& sandbox);

// A name for its cgroups: unique, and not too long for a directory.
std::string cgroup_name(const TaskKey& key);

// Starts `supervisor` on a run directory, free of our descriptors and signals. The process that is
// given back ends once the task runs, or can't.
Result<pid_t> start_supervisor(const std::string& supervisor, const std::string& run_directory);

// A descriptor that becomes readable when the process ends; -1 when there is none.
int open_pidfd(pid_t pid);
void send_signal(int pidfd, int number);

std::optional<ProcessMark> read_mark(const std::string& run_directory, const char* file);
// None: there is no record of the end.
std::optional<TaskEnd> read_end(const std::string& run_directory);

// The supervisor died before its task: kills the task's processes by its cgroups, its session and
// the sandbox in their environment.
void kill_leftovers(const std::string& run_directory, const std::string& sandbox,
                    const TaskCgroup& cgroup);

}  // namespace cluster::agentlib
