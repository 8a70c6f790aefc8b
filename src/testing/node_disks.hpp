// What one simulated node keeps over its crashes: replicas and snapshots, by directory.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "replog/disks.hpp"
#include "sim/disk.hpp"
#include "sim/snapshot_machine.hpp"

namespace cluster::testing {

class NodeDisks final : public replog::Disks {
 public:
  Result<std::unique_ptr<replog::Store>> open_store(const std::string& directory,
                                                    const replog::Identity& expected) override;
  Result<std::unique_ptr<replog::SnapshotFiles>> open_snapshots(
      const std::string& directory) override;

  // What the last process had open is not in use any more.
  void release();
  void wipe();

  bool fails = false;       // Every sync does.
  bool has_failed = false;  // One has, since the process began.

 private:
  class Store;
  struct Directory {
    replog::Identity identity;
    sim::Disk disk;
    std::weak_ptr<const char> in_use;
  };

  std::map<std::string, Directory> directories_;
  std::map<std::string, sim::SnapshotDisk> snapshots_;
};

}  // namespace cluster::testing
