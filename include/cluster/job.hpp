// A job: work that outlives its submitter. A service is kept running; a batch runs to its end,
// stage by stage. Spec and progress are registry state, so any leader's scheduler carries on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/task.hpp"

namespace cluster {

enum class JobKind : std::uint8_t { batch = 0, service = 1 };

// Tasks of one kind. With `commands` empty the stage is `instances` copies of `command`; otherwise
// one task per entry of `commands` (`instances` then equals their number), and `command` only gives
// the environment that they share. Each finds CLUSTER_JOB, CLUSTER_STAGE, CLUSTER_TASK,
// CLUSTER_INDEX (from 0), CLUSTER_INSTANCES and CLUSTER_ATTEMPT (from 1) in its environment.
struct StageSpec {
  std::string name;
  std::vector<std::string> after;  // Names of stages that must have succeeded before; batch only.
  Command command;
  std::vector<Command> commands;
  std::uint32_t instances = 1;
  Resources resources;  // Of each task.
  std::uint32_t attempts_max =
      1;  // Failures that a batch task may have before the job fails. Lost tasks
          // (an agent's death) run again without counting. Services: no limit.
  Duration kill_grace = std::chrono::seconds(5);

  friend bool operator==(const StageSpec&, const StageSpec&) = default;
};

struct JobSpec {
  JobId id;  // Chosen by the submitter, unique among kept jobs: submitting the same again is no
             // error.
  std::string name;
  JobKind kind = JobKind::batch;
  std::vector<StageSpec> stages;  // A service has exactly one.

  friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

enum class JobState : std::uint8_t {
  active = 0,    // Running, or waiting to.
  stopping = 1,  // Told to stop, or failed; its tasks are being killed.
  succeeded = 2,
  failed = 3,
  stopped = 4,
};

std::string_view to_string(JobState);
bool is_terminal(JobState);

// One line that says what is wrong with a spec and what would be right; empty when it is right.
std::string problem_of(const JobSpec&);

}  // namespace cluster
