// The replicated log: one ordered history that a majority of its members keeps on disk.
//
// A `Log` is this process' replica. Any member may append and read; appends travel to the leader by
// themselves. At most one `Writer` in the whole cluster is current: starting a newer one fences
// every older one, whose next append fails with `Errc::fenced`. That single rule is the project's
// only leader election.
//
// Threads: every method may be called from any thread and returns at once. Continuations and
// observers run where the runtime delivers. Every call waits for as long as its `CallOptions` say,
// and can be cancelled by them. Destroying the log completes what is open with `Errc::closed`.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cluster/call.hpp"
#include "cluster/members.hpp"
#include "cluster/metrics.hpp"
#include "cluster/op.hpp"
#include "cluster/result.hpp"
#include "cluster/runtime.hpp"
#include "cluster/state_machine.hpp"
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

// When a log with a state machine takes a snapshot by itself, and what it keeps of the entries that
// the snapshot covers, for members that are a little behind. 0: not for this reason.
struct SnapshotPolicy {
  std::size_t after_bytes = 64 << 20;
  std::uint64_t after_entries = 1'000'000;
  std::size_t keep_bytes = 16 << 20;
};

// What the replica is kept in. A directory is of one kind for ever.
enum class StoreKind : std::uint8_t {
  journal = 0,  // Preallocated segments, one sync for each group.
  lmdb = 1,     // An LMDB environment: two syncs for each group.
};

struct LogOptions {
  std::string directory;  // Holds this replica and its identity; created when missing.

  // How an empty directory becomes a member; a directory that is one already needs none of these
  // (where they are given they must agree with it).
  // Founders: every one is started with the same `cluster` and `members`, and once all of them are
  // up with empty directories they agree on the list. A newcomer: `join` alone, a token.
  ClusterUid cluster;
  NodeId self;
  std::vector<Peer> members;
  std::string join;

  Endpoint listen;                       // Empty host: the endpoint that the members know.
  bool serve_clients = false;            // `LogClient`s, on the endpoint that members know.
  std::size_t entry_size_max = 1 << 20;  // Bytes, to 16 MiB; larger appends fail with `too_large`.
  std::size_t queue_bytes_max = 64 << 20;  // Appends beyond it fail with `overloaded`.
  Duration request_timeout = std::chrono::seconds(10);
  Duration election_timeout = std::chrono::milliseconds(600);  // At least; up to twice as long.
  Duration heartbeat_interval = std::chrono::milliseconds(60);
  std::uint64_t seed = 0;  // Of the election's randomness; 0: taken from the system.

  // Applied from the newest snapshot on; nothing else may `follow` then, and `truncate` is refused.
  // Must outlive the log.
  StateMachine* state_machine = nullptr;
  SnapshotPolicy snapshots;
  std::size_t catch_up_bytes_per_second = 64 << 20;  // To all members that are behind; 0: no limit.

  // A leader answers reads by its lease, without a round of messages, as long as no member's clock
  // runs faster or slower than another's by more than the bound. All members must allow it.
  bool lease_reads = false;
  std::uint32_t clock_drift_permille_max = 10;

  StoreKind store = StoreKind::journal;
  std::size_t store_bytes_max = std::size_t{64} << 30;  // Writes beyond it fail this replica.
  // A leader whose disk finishes no sync for so long steps down, and does not stand again before
  // one has finished.
  Duration disk_stall_timeout = std::chrono::seconds(2);
  // The store is read through at this rate, held against other members', and repaired; 0: never.
  std::size_t scrub_bytes_per_second = 4 << 20;
  std::size_t compress_min = 0;  // Entries of so many bytes travel and rest compressed; 0: none.
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

// Whether this replica can be used, for the host's own health checks.
struct Health {
  bool is_live = true;    // False: it has stopped for good, and only a restart of it may help.
  bool is_ready = false;  // It is a member, follows a leader, lags little, and its disk is sound.
  std::string reason;     // Why it is not ready, for a person; empty when it is.

  friend bool operator==(const Health&, const Health&) = default;
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
  Health health() const;  // As of the last that happened here: cheap, and never waits.

  // Appends from any member; yields the position once a majority has the entry on disk. Appends of
  // one caller are not ordered among each other while in flight: use a `Writer` for that.
  // `no_leader`, `timed_out`: with `Outcome::maybe` the entry may yet appear.
  Op<Position> append(Bytes data, const CallOptions& options = default_call);

  // Appends all, as one: one hop to the leader and one group on the disks as far as their limits
  // allow. Yields the positions in the order of `entries`; they grow, and others' entries may stand
  // between them. Refused as a whole (`too_large`, `overloaded`) or not at all; after a later error
  // with `Outcome::maybe` any of them may appear.
  Op<std::vector<Position>> append(std::vector<Bytes> entries,
                                   const CallOptions& options = default_call);
  Op<std::vector<Position>> append(std::span<const Bytes> entries,
                                   const CallOptions& options = default_call);

  // Reads from [from, to), at most `bytes_max` but at least one entry where there is one. An entry
  // may be newer elsewhere: call `catch_up` first where that matters. `truncated` when `from` is
  // before `range().first`, `invalid_argument` when `to` is after `range().end`.
  Op<std::vector<Entry>> read(Position from, Position to, std::size_t bytes_max = 1 << 20,
                              const CallOptions& options = default_call) const;

  // Waits until this replica has everything that was chosen when the call was made, as the leader
  // confirms with a quorum.
  Op<LogRange> catch_up(const CallOptions& options = default_call);

  // Calls `observer` with batches of entries from `from` on, in order and without omission, each
  // once. The next batch is read when the observer has returned. One observer per call; all end
  // with the log.
  void follow(Position from, std::function<void(const std::vector<Entry>&)> observer);

  // Calls `observer` with the present leadership and then with each change; changes that come
  // faster than they are taken are merged into the latest.
  void watch_leadership(std::function<void(const Leadership&)> observer);
  // The same for `health()`. Why a leader stepped down is an event of the runtime's log sink:
  // "steps down", with "why".
  void watch_health(std::function<void(const Health&)> observer);

  // Everything before `to` is forgotten, in every member, by way of an entry. Yields the first
  // position that is kept, which is not after `to`. `unsupported` with a state machine.
  Op<Position> truncate(Position to, const CallOptions& options = default_call);

  // With a state machine: takes a snapshot now, whatever the policy says; yields the position that
  // it reaches to.
  Op<Position> take_snapshot(const CallOptions& options = default_call);
  // With a state machine: waits until it has applied everything that was chosen, anywhere, when the
  // call was made. Reads of it are linearizable then.
  Op<Position> read_barrier(const CallOptions& options = default_call);

  Members members() const;
  // Changes the members by one entry, through any member, and yields them. `invalid_argument`: the
  // result could not decide anything (it would lose the quorum, a newcomer has not caught up);
  // the context says why. One change at a time: `overloaded` while another is under way.
  Op<Members> change_members(std::vector<MemberEdit> edits,
                             const CallOptions& options = default_call);
  // Adds a learner or witness and yields the token to start it with.
  Op<JoinToken> add_member(AddMember newcomer, const CallOptions& options = default_call);
  // Makes `to` the leader: a voter that is up. The present leader takes no appends meanwhile; they
  // wait.
  Op<Leadership> transfer_leadership(NodeId to, const CallOptions& options = default_call);

  // Takes over as the only writer: makes this member the leader where it is not. Succeeds after
  // every earlier write is settled and learned here, so the new writer starts from a complete
  // history. Given up once it had begun (`Outcome::maybe`), it may yet end the present term.
  Op<Writer> start_writer(const CallOptions& options = default_call);

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
  Op<Position> append(Bytes data, const CallOptions& options = default_call);

  // As `Log::append` of several, in call order too.
  Op<std::vector<Position>> append(std::vector<Bytes> entries,
                                   const CallOptions& options = default_call);
  Op<std::vector<Position>> append(std::span<const Bytes> entries,
                                   const CallOptions& options = default_call);

 private:
  friend class Log;
  struct Impl;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cluster
