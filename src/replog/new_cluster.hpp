// The directory of the only member of a new cluster, made from what another cluster had: the part
// that `force_new_cluster` (from a survivor) and `restore_backup` share.
//
// The cluster's id is a new one, so that no member of the old one heeds it, and its terms begin
// beyond all that the old one can have used: agents and callers that have followed an old leader
// follow the new one, and heed no old one after it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cluster/log.hpp"
#include "replog/snapshot_files.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

struct NewClusterOptions {
  std::string directory;
  ClusterUid cluster;
  NodeId member;      // The only one: a voter.
  Endpoint endpoint;  // Its.
  StoreKind kind = StoreKind::journal;
  std::uint64_t seed = 0;  // Draws the incarnation.
  std::uint64_t store_bytes_max = 0;
};

// The ballot that a new cluster begins with where the old one is known to have come to `round`.
Ballot ballot_beyond(std::uint64_t round, NodeId member);

// What one replica had accepted at or after `first` and nobody had told it was chosen, settled as a
// candidate would that hears nobody but itself: holes are filled, and what an older leader left
// behind after a newer one's entries is not taken.
struct Settled {
  std::vector<LogEntry> entries;  // From `first` on, without gaps.
  Position end;
  std::uint64_t term = 0;  // Of the last entry before `end` that has one.
};
Result<Settled> settle_open(const std::vector<LogEntry>& entries, Position first,
                            std::uint64_t term_before, const Ballot&);

// The same of a directory that nobody has open: all that it has heard of from `first` on.
struct Inspection;
Result<Settled> settle_rest(const Inspection&, Position first);

class NewCluster {
 public:
  // `already_exists` where the directory is a member's, `invalid_argument` where the cluster's id
  // is that of the old one or none.
  static Result<NewCluster> begin(const NewClusterOptions&, ClusterUid old);

  const Identity& identity() const { return identity_; }
  Member self() const;

  // Everything before `first` is not kept; `term` is of the last of it that has one.
  Result<void> set_base(Position first, std::uint64_t term);
  Result<void> put(std::vector<LogEntry> entries);
  Result<void> put_snapshot(const SnapshotOffered&, SnapshotReader&);
  // The last call: from here on the directory is a member's. `since` sets the members, everything
  // before `end` is chosen, and ids from `ids_end` on were never used.
  Result<void> finish(const Ballot&, Position since, NodeId ids_end, Position end,
                      std::uint64_t term);

 private:
  NewCluster(const NewClusterOptions& options, Identity identity, std::unique_ptr<Store> store)
      : options_(options), identity_(identity), store_(std::move(store)) {}

  NewClusterOptions options_;
  Identity identity_;
  std::unique_ptr<Store> store_;
};

}  // namespace cluster::replog
