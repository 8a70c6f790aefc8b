// A task: what a framework asks an agent to run, and what becomes of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/resources.hpp"
#include "cluster/types.hpp"

namespace cluster {

// The life of a task. Numbers are those of Mesos' TaskState.
//
//   staging -> starting -> running -> (killing) -> finished | failed | killed | lost
//
// `error`: refused before launch. `dropped`: the launch never happened.
enum class TaskState : std::uint8_t {
  starting = 0,
  running = 1,
  finished = 2,  // Exited with code 0.
  failed = 3,    // Exited with another code, died of a signal nobody here sent, or could not start.
  killed = 4,    // Ended because it was told to.
  lost = 5,      // Its agent was lost; what became of it is not known.
  staging = 6,   // Committed; the agent may not have heard of it yet.
  error = 7,
  killing = 8,
  dropped = 9,
};

std::string_view to_string(TaskState);  // "running"
bool is_terminal(TaskState);

// Either `argv` (run as it is), or `shell` (run by /bin/sh -c). Exactly one is set.
struct Command {
  std::vector<std::string> argv;
  std::string shell;
  std::map<std::string, std::string>
      environment;  // Added to a minimal one (PATH, HOME, and CLUSTER_*).

  friend bool operator==(const Command&, const Command&) = default;
};

// Which piece of which job a task is. Tasks of other frameworks have none.
struct JobRef {
  JobId job;
  std::uint32_t stage = 0;    // Index into the job's stages.
  std::uint32_t index = 0;    // Index within the stage.
  std::uint32_t attempt = 0;  // 1, 2, ...

  friend bool operator==(const JobRef&, const JobRef&) = default;
  friend auto operator<=>(const JobRef&, const JobRef&) = default;
};

// What a framework hands in. It is encoded once (wire/spec_codec.hpp) and travels as those bytes.
struct TaskSpec {
  TaskId id;  // 1 to 255 of [A-Za-z0-9._-].
  std::string name;
  Command command;
  Resources resources;
  Duration kill_grace = std::chrono::seconds(5);  // From SIGTERM to SIGKILL.
  std::map<std::string, std::string> labels;
  std::optional<JobRef> job;

  friend bool operator==(const TaskSpec&, const TaskSpec&) = default;
};

// How a task ended.
struct TaskExit {
  std::int32_t code = 0;    // Exit code, when it exited.
  std::int32_t signal = 0;  // The signal it died of; 0: it exited.

  friend bool operator==(const TaskExit&, const TaskExit&) = default;
};

// One step of a task's life, as agents report it and frameworks hear it.
struct TaskStatus {
  TaskId task;
  TaskState state = TaskState::staging;
  std::uint64_t sequence = 0;  // Grows by one with each update of the task; what is acknowledged.
  std::optional<TaskExit> exit;
  std::string reason;   // One word: "agent_lost", "launch_failed", "memory_limit" ...
  std::string message;  // A sentence for a person.
  AgentId agent;
  WallTime at{};

  friend bool operator==(const TaskStatus&, const TaskStatus&) = default;
};

}  // namespace cluster
