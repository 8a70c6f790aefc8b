// What a registry of keys needs of the log under it: `Log` itself, a log that others' entries
// share, or a simulated one. The log calls the registry's `StateMachine`, and tells it who leads.
#pragma once

#include "cluster/call.hpp"
#include "cluster/op.hpp"
#include "cluster/types.hpp"

namespace cluster::registry {

class KeyLog {
 public:
  virtual ~KeyLog() = default;
  // As `Log::append` and `Log::read_barrier`: any thread; nothing is called back inside the call.
  virtual Op<Position> append(Bytes entry, const CallOptions&) = 0;
  virtual Op<Position> read_barrier(const CallOptions&) = 0;
};

}  // namespace cluster::registry
