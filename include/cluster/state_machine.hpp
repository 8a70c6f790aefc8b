// What an application builds on the log: a state that every member computes from the same entries.
//
// `apply` must be deterministic: no clock, no randomness, nothing but the entries. With a state
// machine the log shortens itself: it keeps a snapshot of the state instead of the entries that
// made it, and a member that is too far behind gets that snapshot.
//
// Threads: `apply`, `begin_snapshot` and `restore` are called where the runtime delivers, one at a
// time. The job that `begin_snapshot` returns runs on a background thread, while `apply` goes on.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster {

struct Entry;

// A snapshot on its way to the disk: any number of bytes, in order.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  // After an error the job ends and returns it; the snapshot is then discarded.
  virtual Result<void> write(ByteView) = 0;
};

class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  // At most `bytes_max` of what comes next; nothing at the end.
  virtual Result<Bytes> read(std::size_t bytes_max) = 0;
};

// Writes one consistent view of the state. Owns what it reads.
using SnapshotJob = std::function<Result<void>(SnapshotWriter&)>;

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Entries in order, each once after the last `restore` (or the beginning).
  virtual void apply(const std::vector<Entry>&) = 0;

  // A view of the state after the last `apply`, taken without stopping for long: copy what is
  // small, share what is immutable, open a read transaction.
  virtual Result<SnapshotJob> begin_snapshot() = 0;

  // Replaces the state by the snapshot's. An error stops this replica.
  virtual Result<void> restore(SnapshotReader&) = 0;
};

}  // namespace cluster
