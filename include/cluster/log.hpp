// The replicated log: one ordered history that a majority of its members keeps on disk.
//
// A `Log` is this process' replica. Any member may append and read; appends travel to the leader by
// themselves. At most one `Writer` in the whole cluster is current: starting a newer one fences
// every older one, whose next append fails with `Errc::fenced`. That single rule is the project's
// only leader election.
//
// Threads: every method may be called from any thread and returns at once. Continuations and
// observers run where the runtime delivers. Destroying the log completes what is open with
// `Errc::closed`.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/metrics.hpp"
#include "cluster/op.hpp"
#include "cluster/result.hpp"
#include "cluster/runtime.hpp"
#include "cluster/types.hpp"

namespace cluster {

namespace replog {
struct LogAccess;  // Inside the library only.
}

// An entry whose value is settled for ever. Positions that the log used for itself (a leader's
// first entry, a hole that it closed) are not shown: positions of what an application reads grow,
// with gaps.
struct Entry {
  Position position;
  Bytes data;

  friend bool operator==(const Entry&, const Entry&) = default;
};

// Positions [first, end) are chosen and readable here. Both only grow.
struct LogRange {
  Position first;
  Position end;

  friend bool operator==(const LogRange&, const LogRange&) = default;
};

struct Peer {
  NodeId id;
  Endpoint endpoint;

  friend bool operator==(const Peer&, const Peer&) = default;
};

struct LogOptions {
  std::string directory;      // Holds this replica and its identity; created when missing.
  NodeId self;                // Must be one of `members`, and the one the directory was made for.
  std::vector<Peer> members;  // All voters, `self` included; a majority decides.
  ClusterUid cluster;         // Every member's must be the same.
  Endpoint listen;            // Empty host: the endpoint of `self` in `members`.
  std::size_t entry_size_max = 1 << 20;  // Bytes, to 16 MiB; larger appends fail with `too_large`.
  std::size_t queue_bytes_max = 64 << 20;  // Appends beyond it fail with `overloaded`.
  Duration request_timeout = std::chrono::seconds(10);
  Duration election_timeout = std::chrono::milliseconds(600);  // At least; up to twice as long.
  Duration heartbeat_interval = std::chrono::milliseconds(60);
  std::uint64_t seed = 0;  // Of the election's randomness; 0: taken from the system.
};

// Who leads. A term has one leader; terms only grow. `is_self` becomes true once this member has
// everything any earlier leader could have got chosen.
struct Leadership {
  std::uint64_t term = 0;
  NodeId leader;  // None while nobody is known to lead.
  bool is_self = false;
  Position since;  // Of the first entry of the term, where known.

  friend bool operator==(const Leadership&, const Leadership&) = default;
};

class Log {
 public:
  class Writer;

  // Opens the replica and recovers what the disk holds. Fails with `corrupt` when the disk
  // contradicts itself, `wrong_cluster` when the directory is another member's or another
  // cluster's, `address_in_use` when it cannot listen; it never repairs by forgetting.
  static Result<Log> open(Runtime&, LogOptions);

  Log(Log&&) noexcept;
  ~Log();

  NodeId self() const;
  LogRange range() const;
  Leadership leadership() const;

  // Appends from any member; yields the position once a majority has the entry on disk. Appends of
  // one caller are not ordered among each other while in flight: use a `Writer` for that.
  // `no_leader`, `timed_out`: with `Outcome::maybe` the entry may yet appear.
  Op<Position> append(Bytes data);

  // Reads from [from, to), at most `bytes_max` but at least one entry where there is one. An entry
  // may be newer elsewhere: call `catch_up` first where that matters. `truncated` when `from` is
  // before `range().first`, `invalid_argument` when `to` is after `range().end`.
  Op<std::vector<Entry>> read(Position from, Position to, std::size_t bytes_max = 1 << 20) const;

  // Waits until this replica has everything that was chosen when the call was made, as the leader
  // confirms with a quorum.
  Op<LogRange> catch_up();

  // Calls `observer` with batches of entries from `from` on, in order and without omission, each
  // once. The next batch is read when the observer has returned. One observer per call; all end
  // with the log.
  void follow(Position from, std::function<void(const std::vector<Entry>&)> observer);

  // Calls `observer` with the present leadership and then with each change; changes that come
  // faster than they are taken are merged into the latest.
  void watch_leadership(std::function<void(const Leadership&)> observer);

  // Takes over as the only writer: makes this member the leader where it is not. Succeeds after
  // every earlier write is settled and learned here, so the new writer starts from a complete
  // history.
  Op<Writer> start_writer();

  // The writer of the term that this member leads now, without an election; `fenced` when it leads
  // none.
  Result<Writer> current_writer();

  Metrics metrics() const;

 private:
  friend struct replog::LogAccess;
  struct Impl;
  explicit Log(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

class Log::Writer {
 public:
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  ~Writer();  // Entries already appended stay; the member goes on leading.

  std::uint64_t term() const;

  // Appends; yields the position once a majority has the entry on disk. Appends may overlap and are
  // chosen in call order. `fenced` when another term has begun; after any error start a new writer,
  // whose history tells whether the entry made it.
  Op<Position> append(Bytes data);

 private:
  friend class Log;
  struct Impl;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cluster
