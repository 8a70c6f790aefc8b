// Specs as bytes: encoded once where they enter the system, decoded once where they are carried
// out.
#pragma once

#include "cluster/job.hpp"
#include "cluster/result.hpp"
#include "cluster/task.hpp"

namespace cluster::wire {

Bytes encode(const TaskSpec&);
Result<TaskSpec> decode_task_spec(ByteView);

Bytes encode(const JobSpec&);
Result<JobSpec> decode_job_spec(ByteView);

// Empty when the spec can be run; else one line that says what is wrong and what would be right.
std::string problem_of(const TaskSpec&);

}  // namespace cluster::wire
