// What survives the agent's process: its identity and its tasks.
#pragma once

#include <vector>

#include "agentlib/model.hpp"
#include "cluster/result.hpp"

namespace cluster::agentlib {

struct Saved {
  Identity identity;
  std::vector<TaskRow> tasks;  // In order of their keys.
};

// One thread at a time.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;
  // All of them or none, and durable on return. After a failure it must not be used again.
  virtual Result<void> commit(const std::vector<Change>&) = 0;
};

}  // namespace cluster::agentlib
