// The cluster's state, and what differs between two of them, for programs and for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cluster/registry.hpp"
#include "registry/shared_snapshot.hpp"

namespace cluster::app {

using Json = nlohmann::ordered_json;

Json json_of(const AgentRecord&);
Json json_of(const FrameworkRecord&);
Json json_of(const TaskRecord&);
Json json_of(const JobRecord&);
// All tables, and what the state says of itself; `keys` where there ever was one.
Json json_of(const registry::SharedState&);

// One row that is in one state only, or in both and not the same.
struct RowChange {
  std::string table;  // "agents", "frameworks", "tasks", "history", "jobs", "keys", "leases"
  std::string row;    // Its key.
  Json before;        // None: it came.
  Json after;         // None: it went.
};
// In the order of tables and keys.
std::vector<RowChange> difference(const registry::SharedState& before,
                                  const registry::SharedState& after);

Json json_of(const RowChange&);
// "~ agents a1: state registered -> lost"
std::string text_of(const RowChange&);

}  // namespace cluster::app
