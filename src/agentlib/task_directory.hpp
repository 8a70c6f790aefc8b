// Where a task's files are: <agent's directory>/tasks/<framework>/<task>/{sandbox,run}. Keys are
// safe names (`is_safe`).
#pragma once

#include <string>

#include "cluster/registry.hpp"

namespace cluster::agentlib {

inline std::string tasks_directory(const std::string& agent_directory) {
  return agent_directory + "/tasks";
}
inline std::string task_directory(const std::string& agent_directory, const TaskKey& key) {
  return tasks_directory(agent_directory) + "/" + key.framework.value() + "/" + key.task.value();
}
inline std::string sandbox_directory(const std::string& agent_directory, const TaskKey& key) {
  return task_directory(agent_directory, key) + "/sandbox";
}
inline std::string run_directory(const std::string& agent_directory, const TaskKey& key) {
  return task_directory(agent_directory, key) + "/run";
}

}  // namespace cluster::agentlib
