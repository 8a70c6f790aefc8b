// When most members are gone for good: a new cluster from what one survivor has.
//
// LOUD: this may lose entries that were acknowledged. What the survivor does not hold is lost; what
// it holds and nobody had chosen counts as chosen from then on. A quorum that is only away must not
// be given up: two clusters would go on from one history. Nothing of this can be undone but by
// throwing the new directory away: the old one is only read.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/log.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

struct ForcedCluster {
  Identity
      identity;  // Of the new directory; the cluster is a new one, so that no old member heeds it.
  Position chosen_end;  // As the survivor knew it: everything before it had been chosen.
  Position end;         // Where the new log goes on.
};

// Reads the directory `from`, which nobody may have open, and makes `to` the directory of the only
// member, a voter at `endpoint`, of the cluster `cluster`, with the survivor's id. Others join by
// tokens. `seed` draws the incarnation. `corrupt` where the survivor has damage or gaps,
// `invalid_argument` where it was no member or a witness, `already_exists` where `to` is in use.
Result<ForcedCluster> force_new_cluster(const std::string& from, const std::string& to,
                                        ClusterUid cluster, const Endpoint& endpoint,
                                        std::uint64_t seed, std::uint64_t store_bytes_max);

}  // namespace cluster::replog
