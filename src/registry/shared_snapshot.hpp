// One snapshot of two states that share a log: the cluster's, and users' keys beside it.
//
// As long as there are no keys it is the cluster's own snapshot, byte for byte, which every version
// reads. Else it is eight bytes that say what it is, then blocks: whose (a byte), the size (four
// bytes, the lowest first), and so many bytes of that state's own snapshot: first all of the
// cluster's, then all of the keys', then an empty block of nobody's.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "cluster/registry.hpp"
#include "cluster/state_machine.hpp"
#include "registry/keys_state.hpp"

namespace cluster::registry {

struct SharedState {
  RegistryState cluster = RegistryState();
  KeysState keys = KeysState();

  // Of both; that of the cluster's state alone while no command of the keys has come.
  Digest digest() const { return shared_digest(cluster, keys); }
  Position applied() const { return std::max(cluster.applied(), keys.applied()); }

  static Digest shared_digest(const RegistryState& cluster, const KeysState& keys) {
    Digest both = cluster.digest();
    if (keys.applied()) add(both, keys.digest());
    return both;
  }
};

SnapshotJob join_snapshots(SnapshotJob cluster, std::optional<SnapshotJob> keys);
Result<SharedState> restore_shared(SnapshotReader&, RegistryLimits limits = {});

// As `first_difference` of the cluster's states (registry/difference.hpp), the keys after it.
std::string first_difference(const SharedState& here, const SharedState& there);

}  // namespace cluster::registry
