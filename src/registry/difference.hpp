// Where two states that should be the same begin to differ.
#pragma once

#include <string>

#include "cluster/registry.hpp"

namespace cluster::registry {

// The first row that is not the same in both, in the order of the tables (what the state says of
// itself, agents, frameworks, tasks, history, jobs) and of their keys: the row's name, and what
// stands in each, on a line of its own. "" where they are the same.
std::string first_difference(const RegistryState& here, const RegistryState& there);

// A row, or nothing, as text: every field by its name.
std::string row_text(const AgentRecord*);
std::string row_text(const FrameworkRecord*);
std::string row_text(const TaskRecord*);
std::string row_text(const JobRecord*);

}  // namespace cluster::registry
