// What a master refuses before it looks further, each with a sentence for a person.
#pragma once

#include <string>

#include "cluster/resources.hpp"
#include "cluster/task.hpp"
#include "master/options.hpp"
#include "wire/agent_messages.hpp"
#include "wire/scheduler_messages.hpp"

namespace cluster::master {

// The framework of the cluster's own job scheduler: the one whose tasks are pieces of jobs.
const FrameworkId& jobs_framework();

// 1 to 255 of [A-Za-z0-9._-]: what ids and names that appear in paths are made of.
bool is_plain_name(const std::string& text);

// Empty when right.
std::string problem_of(const wire::RegisterAgentRequest&, const MasterLimits&);
std::string problem_of(const wire::Subscribe&);
// Of a task that would run on what is left of the offers.
std::string problem_of_launch(const TaskSpec&, const FrameworkId&, const Resources& pool);

}  // namespace cluster::master
