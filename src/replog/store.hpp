// One replica's durable memory.
//
// Threads: `commit` on the disk thread, one at a time; `read` on the node thread, at the same time.
#pragma once

#include <vector>

#include "cluster/result.hpp"
#include "replog/acceptor.hpp"
#include "replog/effects.hpp"

namespace cluster::replog {

// Whose directory this is: made with it, never changed, never used again elsewhere.
struct Identity {
  ClusterUid cluster;
  NodeId member;
  std::uint64_t incarnation = 0;  // Random, made with the disk.
  friend bool operator==(const Identity&, const Identity&) = default;
};

class Store {
 public:
  virtual ~Store() = default;

  // Everything of `changes` is durable when it returns, or (crash, error) nothing is. After an
  // error the store must not be used again: what the disk holds then is known only after a restart.
  virtual Result<void> commit(const std::vector<Change>& changes) = 0;

  // The entries at [first, end) that are durable, in order, until `bytes_max` is passed, at least
  // one where there is one. `corrupt` when an entry does not match its checksum.
  virtual Result<std::vector<LogEntry>> read(Position first, Position end,
                                             std::size_t bytes_max) const = 0;

  // Before the first commit: what was durable, with the newest `window_bytes` of chosen entries and
  // all open ones.
  virtual Result<Recovered> recover(std::size_t window_bytes) = 0;
};

}  // namespace cluster::replog
