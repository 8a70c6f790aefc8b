// Users' keys as a pure function of the log's entries: see cluster/keys.hpp for what it means to
// them.
//
// The newest version of each key is in its namespace's `live` tree. The past is the list of
// changes, oldest first: each knows what it took the place of, so an older version of a key is
// found by going back from its newest through its changes. Keys whose newest version is a deletion
// are in `dead` until that deletion is forgotten. Forgetting is gradual: each command forgets a few
// changes more than it makes, so no command stops the others for long.
//
// Everything here decides what entries do: a change of behaviour is a change of the format.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cluster/keys.hpp"
#include "cluster/state_machine.hpp"
#include "registry/key_history.hpp"
#include "registry/key_tree.hpp"
#include "registry/keys_command.hpp"

namespace cluster::registry {

// What a session keeps for retries.
struct KeySession {
  std::uint64_t acknowledged_below = 1;
  std::map<std::uint64_t, std::shared_ptr<const Result<KeyAnswer>>> answers;
};

struct KeyLease {
  LeaseId id;
  Duration ttl{};
  std::uint64_t renewals = 0;  // Grows with each keep-alive.
  std::set<std::pair<SpaceId, std::string>> keys;
  std::unique_ptr<KeySession> session;  // Once it has stamped a command.
};

struct KeySpace {
  SpaceId id;
  std::string name;
  KeyQuota quota;
  std::uint64_t bytes = 0;    // Of what is live.
  std::uint64_t changes = 0;  // That are kept.
  bool is_removed = false;    // Only its changes are still there.
  KeyTree live;
  KeyTree dead;
};

// What one command did. Its changes are [first_change, end_change) of the history.
struct KeysApplied {
  Result<KeyAnswer> answer;
  std::uint64_t first_change = 0;
  std::uint64_t end_change = 0;
};

class KeysState {
 public:
  explicit KeysState(KeyLimits limits = {});
  KeysState(KeysState&&) noexcept = default;
  KeysState& operator=(KeysState&&) noexcept = default;

  // Positions grow; commands of one entry have the same.
  KeysApplied apply(Position at, const KeyCommand&);

  Position applied() const { return applied_; }
  Revision revision() const { return revision_; }
  // The oldest revision that can be read. Watches can start from the next one.
  Revision compacted() const { return compacted_; }
  const KeyLimits& limits() const { return limits_; }
  const HistoryPolicy& history_policy() const { return policy_; }
  const KeyHistory& history() const { return history_; }
  // Changes that are forgotten and still take memory: the next commands let go of them.
  bool has_garbage() const;

  // `truncated` for a revision that is not kept, `invalid_argument` for one that is yet to come,
  // `not_found` without the namespace.
  Result<RangeResult> range(std::string_view space, const KeyRange&,
                            const RangeOptions& = {}) const;
  // A transaction that only reads, as if it were applied now.
  static bool is_read_only(const Transaction&);
  Result<KeyAnswer> read(std::string_view space, const Transaction&) const;

  const KeySpace* find_space(std::string_view name) const;
  const KeySpace* find_space(SpaceId) const;
  std::vector<NamespaceInfo> namespaces() const;
  // Removed ones whose changes are kept too, oldest first.
  template <class Visit>
  void each_space(Visit visit) const {
    for (const auto& [id, space] : spaces_) visit(space);
  }
  const KeyLease* find_lease(LeaseId) const;
  const std::unordered_map<LeaseId, KeyLease>& leases() const { return leases_; }

  // Of all that commands can ever see, and of what is forgotten and still there.
  Digest digest() const;
  const Digest& tables_digest() const { return tables_; }

  // A view of this state for another thread; cheap, however large the state.
  SnapshotJob begin_snapshot() const;
  // The state that a snapshot was taken of. `corrupt` when its digest is not what the snapshot
  // says.
  static Result<KeysState> restore(SnapshotReader&, KeyLimits limits = {});

 private:
  friend struct KeysApply;
  friend struct KeysRead;
  friend struct KeysSnapshot;

  KeySpace* space_named(std::string_view name);

  KeyLimits limits_;
  HistoryPolicy policy_;
  Position applied_;
  Revision revision_;
  Revision compacted_;
  std::uint64_t spaces_made_ = 1;
  Digest tables_{};  // The sum of the rows; what is not in a table comes with `digest()`.
  KeyHistory history_;
  std::uint64_t history_bytes_ = 0;
  std::map<SpaceId, KeySpace> spaces_;
  std::map<std::string, SpaceId, std::less<>> space_names_;
  std::unordered_map<LeaseId, KeyLease> leases_;
};

// The rows of the digest that are not a record's.
Digest change_row_of(std::uint64_t number, const KeyRecord& now);
Digest row_of(const KeyLease&);
Digest session_row_of(LeaseId, std::uint64_t acknowledged_below);
Digest answer_row_of(LeaseId, std::uint64_t sequence, const Result<KeyAnswer>&);
Digest row_of(const KeySpace&);

// The digest from nothing: for tests, and for a state that was restored.
Digest recompute_tables_digest(const KeysState&);

}  // namespace cluster::registry
