// A new cluster from a backup: one member, to which others are added as to any other.
#pragma once

#include "cluster/state_machine.hpp"
#include "replog/backup.hpp"
#include "replog/new_cluster.hpp"

namespace cluster::replog {

struct RestoredCluster {
  Identity identity;
  BackupHead from;
  std::uint64_t entries = 0;
  Position end;  // Where the new log goes on.
};

// Makes the directory that `options` name. Where the backup is damaged nothing can be started from
// what was made until then: read it once with `check_backup` before. Errors as of `NewCluster`.
Result<RestoredCluster> restore_backup(SnapshotReader& backup, const NewClusterOptions& options);

}  // namespace cluster::replog
