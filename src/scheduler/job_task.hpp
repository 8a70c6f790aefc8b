// How a piece of a job becomes a task: its id, command, environment, labels.
#pragma once

#include "cluster/job.hpp"
#include "cluster/task.hpp"

namespace cluster::scheduler {

// "<job>.<stage>.<index>.<attempt>": the same attempt of the same piece has the same id whoever
// leads, which is what makes a launch happen at most once.
TaskId task_id_of(const JobSpec&, const JobRef&);

TaskSpec task_of(const JobSpec&, const JobRef&);

}  // namespace cluster::scheduler
