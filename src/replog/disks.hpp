// Where a host keeps replicas, by the names of their directories, when it is not the file system.
// The kit for tests has one that is simulated.
#pragma once

#include <memory>
#include <string>

#include "replog/snapshot_files.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

class Disks {
 public:
  virtual ~Disks() = default;

  // As `open_store` and `open_snapshot_files` do it with directories.
  virtual Result<std::unique_ptr<Store>> open_store(const std::string& directory,
                                                    const Identity& expected) = 0;
  virtual Result<std::unique_ptr<SnapshotFiles>> open_snapshots(const std::string& directory) = 0;
};

}  // namespace cluster::replog
