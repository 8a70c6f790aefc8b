// One replica's durable memory.
//
// Threads: `commit` on the disk thread (or wherever the driver performs changes), one at a time;
// `read`, `check` and `usage` on any thread, at the same time.
#pragma once

#include <cstdint>
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

struct StoredEntries {
  std::vector<LogEntry> entries;  // In order.
  // Where reading stopped because what stands there cannot be vouched for; none when it did not.
  Position damaged;
};

// What a look at a stretch of the store found.
struct RangeCheck {
  Position end;  // Looked at up to here.
  std::vector<Position> damaged;
  std::vector<PositionRange> missing;  // Where nothing stands; no error but among chosen entries.
  std::uint64_t bytes = 0;             // That were read.
  // Of the values (kind, term, data) of all sound entries, position by position: equal on members
  // that hold the same chosen entries, whatever their ballots.
  std::uint32_t checksum = 0;
};

struct StoreUsage {
  std::uint64_t bytes = 0;  // On disk, with what is kept ready.
  std::uint64_t bytes_max = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual const Identity& identity() const = 0;

  // Everything of `changes` is durable when it returns, or (crash, error) nothing is. After an
  // error the store must not be used again: what the disk holds then is known only after a restart.
  // `storage`: the disk failed, is full (the context says so), or the stated limit is reached.
  virtual Result<void> commit(const std::vector<Change>& changes) = 0;

  // The durable entries at [first, end), in order, until `bytes_max` is passed, at least one where
  // there is one. A gap is not an error.
  virtual Result<StoredEntries> read(Position first, Position end, std::size_t bytes_max) const = 0;

  // Reads what stands at [first, end) from the disk itself, until `bytes_max` is passed.
  virtual Result<RangeCheck> check(Position first, Position end, std::size_t bytes_max) const = 0;

  // Before the first commit: what was durable, with the newest `window_bytes` of chosen entries and
  // all open ones. `corrupt` when the promise, the configuration or the identity is damaged: this
  // replica must not go on; the context says what to do.
  virtual Result<Recovered> recover(std::size_t window_bytes) = 0;

  virtual StoreUsage usage() const = 0;
};

// The part of a range's checksum that one entry is.
std::uint32_t checksum_value(std::uint32_t before, const LogEntry&);

}  // namespace cluster::replog
