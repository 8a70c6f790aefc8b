// The checkpoint in an LMDB environment of the agent's directory. One process at a time.
#pragma once

#include <memory>
#include <string>

#include "agentlib/checkpoint.hpp"

namespace cluster::agentlib {

struct OpenedCheckpoint {
  std::unique_ptr<Checkpoint> checkpoint;
  Saved saved;
};

// Locks the directory for as long as the checkpoint lives. `already_exists` when another agent has
// it, `corrupt` when its contents contradict themselves, `storage`, `permission`. A new directory
// gets `fresh` as its agent's id.
Result<OpenedCheckpoint> open_lmdb_checkpoint(const std::string& directory, const AgentId& fresh);

}  // namespace cluster::agentlib
