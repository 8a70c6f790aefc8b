// Users' keys: an ordered map from bytes to bytes that every replica computes from the log, with
// transactions, history, leases, sessions and watches.
//
// Revisions. The state has one revision, which grows by one with each transaction that changes
// something; every change of that transaction carries it. What a key was at an older revision can
// be read for as long as that revision is kept. Compaction forgets the oldest ones, and a read or
// watch that asks for one of them is told so (`truncated`) and from where to go on.
//
// Transactions. `when` is compared with the state; if all of it holds, `then` is carried out, else
// `otherwise`, all of it or, where it is refused, nothing. No transaction changes a key twice.
//
// Leases. A lease lives as long as it is renewed; a key that is put with a lease goes with it. The
// leader measures the time, on its own clock, from when it applied the last renewal, and a new
// leader from when it began: so no lease ends before its time to live has passed since its holder
// sent the last renewal that arrived, and each that is not renewed ends while somebody leads. That
// it has ended is an entry of the log, before which a renewal may still come: then it goes on.
//
// Sessions. A lease is also a session: a command that carries the lease, a number and what has been
// acknowledged is applied once, however often it is sent, and its answer is kept until it is
// acknowledged. The session ends with its lease, and so does every command that was not applied.
//
// Namespaces. Keys of one namespace are apart from those of all others; a transaction, a range and
// a watch are in one. "" is there from the beginning.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster {

// A state of the keys. The first is 0: nothing has ever been put.
class Revision {
 public:
  constexpr Revision() = default;
  constexpr explicit Revision(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }
  constexpr Revision next() const { return Revision(value_ + 1); }

  friend constexpr bool operator==(Revision, Revision) = default;
  friend constexpr auto operator<=>(Revision, Revision) = default;

 private:
  std::uint64_t value_ = 0;
};

using LeaseId = Id<struct LeaseTag>;  // Chosen at random by who asks for it; never used again.

struct KeyValue {
  std::string key;
  Bytes value;
  Revision created;           // Of the transaction that made the key, after it was last deleted.
  Revision modified;          // Of the transaction that put this value: grows with each change.
  std::uint64_t version = 0;  // How often it was put since it was made; 1 for the first time.
  LeaseId lease;              // None: it stays until it is deleted.

  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// Keys in the order of their bytes, taken as unsigned: [begin, end), or all from `begin` on.
struct KeyRange {
  std::string begin;
  std::string end;  // Unless `is_endless`.
  bool is_endless = false;

  static KeyRange key(std::string key);
  static KeyRange prefix(ByteView prefix);  // Keys that start so; all keys for "".
  static KeyRange from(std::string begin);
  static KeyRange between(std::string begin, std::string end);
  static KeyRange all() { return from({}); }

  bool contains(ByteView key) const { return key >= begin && (is_endless || key < end); }
  bool is_empty() const { return !is_endless && end <= begin; }
  bool is_single_key() const;
  // What of it comes after `key`: where to go on when a range gave a part.
  KeyRange after(ByteView key) const;

  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

struct RangeOptions {
  Revision at;                      // None: the newest.
  std::size_t limit = 0;            // Keys; 0: no limit.
  std::size_t bytes_max = 1 << 20;  // Of keys and values, at most 4 MiB; one key is always given.
  bool keys_only = false;           // Values are left empty.
  bool count_only = false;          // `keys` is left empty.

  friend bool operator==(const RangeOptions&, const RangeOptions&) = default;
};

struct RangeResult {
  std::vector<KeyValue> keys;  // In order.
  std::uint64_t count = 0;     // In the range, whatever the limits.
  bool has_more = false;  // A limit was met: go on with `range.after(keys.back().key)` and `at`
                          // this revision.
  Revision revision;      // That was read.

  friend bool operator==(const RangeResult&, const RangeResult&) = default;
};

// One condition. A key that is not there has version 0, revisions 0, no lease, and no value: a
// comparison of its value does not hold.
struct Compare {
  enum class Target : std::uint8_t {
    value = 0,
    version = 1,
    created = 2,
    modified = 3,
    lease = 4,
    exists = 5,  // `number` is 1 for "is there", 0 for "is not".
  };
  enum class Is : std::uint8_t { equal = 0, not_equal = 1, less = 2, greater = 3 };

  std::string key;
  Target target = Target::exists;
  Is is = Is::equal;
  std::uint64_t number = 0;  // For all targets but the value.
  Bytes value;

  static Compare exists(std::string key);
  static Compare missing(std::string key);
  static Compare to_value(std::string key, Is is, Bytes value);
  static Compare to_version(std::string key, Is is, std::uint64_t version);
  static Compare to_created(std::string key, Is is, Revision created);
  static Compare to_modified(std::string key, Is is, Revision modified);
  static Compare to_lease(std::string key, LeaseId lease);

  friend bool operator==(const Compare&, const Compare&) = default;
};

struct PutKey {
  std::string key;  // 1 to `KeyLimits::key_size_max` bytes.
  Bytes value;
  LeaseId lease;             // Takes the place of the one it had.
  bool keeps_lease = false;  // Keeps the one it had instead.
  bool wants_previous = false;

  friend bool operator==(const PutKey&, const PutKey&) = default;
};
struct DeleteKeys {
  KeyRange range;
  bool wants_previous = false;

  friend bool operator==(const DeleteKeys&, const DeleteKeys&) = default;
};
// Sees what came before it in its transaction.
struct ReadKeys {
  KeyRange range;
  RangeOptions options;

  friend bool operator==(const ReadKeys&, const ReadKeys&) = default;
};
using KeyOperation = std::variant<PutKey, DeleteKeys, ReadKeys>;

struct Transaction {
  std::vector<Compare> when;
  std::vector<KeyOperation> then;
  std::vector<KeyOperation> otherwise;

  friend bool operator==(const Transaction&, const Transaction&) = default;
};

struct PutResult {
  std::optional<KeyValue> previous;  // Where it was wanted, and the key was there.

  friend bool operator==(const PutResult&, const PutResult&) = default;
};
struct DeleteResult {
  std::uint64_t deleted = 0;
  std::vector<KeyValue> previous;  // Where wanted, in order, as far as the answer's limit goes.

  friend bool operator==(const DeleteResult&, const DeleteResult&) = default;
};
using OperationResult = std::variant<PutResult, DeleteResult, RangeResult>;

struct TransactionResult {
  Revision revision;       // Of its changes; where it changed nothing, the one it found.
  bool succeeded = false;  // `then` was carried out.
  std::vector<OperationResult> results;  // One for each operation that was carried out, in order.

  friend bool operator==(const TransactionResult&, const TransactionResult&) = default;
};

struct LeaseInfo {
  LeaseId id;
  Duration ttl{};
  std::uint64_t keys = 0;  // That go with it.

  friend bool operator==(const LeaseInfo&, const LeaseInfo&) = default;
};

// What a namespace may hold. 0: no limit.
struct KeyQuota {
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;  // Of keys and values that are there, without their history.

  friend bool operator==(const KeyQuota&, const KeyQuota&) = default;
};

struct NamespaceInfo {
  std::string name;
  KeyQuota quota;
  KeyQuota used;

  friend bool operator==(const NamespaceInfo&, const NamespaceInfo&) = default;
};

// What is kept of the past: what any of these limits reaches is forgotten, oldest revision first.
struct HistoryPolicy {
  std::uint64_t revisions = 100'000;
  std::uint64_t bytes = 256 << 20;  // Of keys and values in changes.
  Duration age{};                   // By the leader's clock, and never less; 0: however old.

  friend bool operator==(const HistoryPolicy&, const HistoryPolicy&) = default;
};

// The limits of the state itself. They decide what an entry does, so they are the same on every
// replica, for ever: constants of this version of the state's format.
struct KeyLimits {
  std::size_t key_size_max = 4096;
  std::size_t value_size_max = 8 << 20;
  std::size_t operations_max = 128;        // Of each list of a transaction.
  std::uint64_t deletes_max = 10'000;      // Keys that one transaction deletes.
  std::size_t answer_bytes_max = 4 << 20;  // Keys and values read by one transaction.
  std::uint64_t lease_keys_max = 10'000;   // Keys that go with one lease.
  Duration lease_ttl_min = std::chrono::milliseconds(100);
  Duration lease_ttl_max = std::chrono::hours(24 * 365);
  std::uint64_t session_answers_max = 128;      // Unacknowledged commands of one session.
  std::size_t session_answer_bytes_max = 4096;  // What a kept answer may hold of keys and values:
                                                // of a larger one the keys and values are not kept.
  std::size_t namespace_size_max = 256;         // Bytes of a namespace's name.
};

// A key was put, or deleted: then `now` has its name and the revision of its deletion.
struct KeyEvent {
  enum class Kind : std::uint8_t { put = 0, deleted = 1 };

  Kind kind = Kind::put;
  KeyValue now;
  std::optional<KeyValue> before;  // Where the watcher wants it, and the key was there.

  friend bool operator==(const KeyEvent&, const KeyEvent&) = default;
};

struct WatchOptions {
  Revision from;  // The first revision whose changes are told; none: the next one.
  bool puts = true;
  bool deletes = true;
  bool wants_previous = false;
  bool wants_progress = false;          // Be told from time to time how far all is told.
  std::size_t queue_events_max = 4096;  // What may wait to be taken. More ends the watch.
  std::size_t queue_bytes_max = 16 << 20;

  friend bool operator==(const WatchOptions&, const WatchOptions&) = default;
};

// What a watcher takes at a time: whole revisions, in order, none left out, none twice.
struct WatchBatch {
  std::vector<KeyEvent> events;
  // Everything of the range up to this revision has been told now: to watch again `from` the next
  // one leaves nothing out and tells nothing twice.
  Revision upto;
  bool is_progress = false;  // Nothing has happened; `upto` has grown.

  friend bool operator==(const WatchBatch&, const WatchBatch&) = default;
};

// Why a watch has ended, after its last batch. `truncated`: what happened before `resume_from` is
// no longer kept: read the range, and watch from the revision after the one that was read.
// `overloaded`: the queue was full; watch again from `resume_from`, and nothing is left out.
struct WatchEnd {
  Error error;
  Revision resume_from;

  friend bool operator==(const WatchEnd&, const WatchEnd&) = default;
};

}  // namespace cluster
