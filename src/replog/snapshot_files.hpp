// Where a member's snapshots are: whole or not there at all, each block of them checksummed.
//
// What is known of one is what is offered of it: up to where it reaches, the term and the members
// as of there, its size and checksum. `id` names it; two with one id have the same bytes.
//
// Threads: one call at a time; `read` and `open` on any thread, at any time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cluster/state_machine.hpp"
#include "replog/messages.hpp"

namespace cluster::replog {

// One that is being written. Destroyed before it is finished, it never was.
class SnapshotSink : public SnapshotWriter {
 public:
  // Durable when it returns. Where the size or checksum was given, and it came out otherwise, it is
  // `corrupt`.
  virtual Result<SnapshotOffered> finish() = 0;
};

class SnapshotFiles {
 public:
  virtual ~SnapshotFiles() = default;

  // Those that are whole to the last byte, the newest first; removes what was never finished.
  virtual Result<std::vector<SnapshotOffered>> recover() = 0;
  // `size` and `checksum` 0: whatever comes. Replaces one of the same id.
  virtual Result<std::unique_ptr<SnapshotSink>> create(const SnapshotOffered&) = 0;
  virtual Result<std::unique_ptr<SnapshotReader>> open(std::uint64_t id) const = 0;
  // Up to `bytes_max` from `offset` on; nothing at the end. `not_found`: there is none of this id.
  virtual Result<Bytes> read(std::uint64_t id, std::uint64_t offset,
                             std::size_t bytes_max) const = 0;
  // Removes all but the newest `count` and those that are `wanted`, by id.
  virtual void keep_newest(std::size_t count, const std::vector<std::uint64_t>& wanted) = 0;
};

// Files in `directory`, which is made when missing.
Result<std::unique_ptr<SnapshotFiles>> open_snapshot_files(const std::string& directory);

// Those in `directory` that are whole to the last byte, the newest first; none where there is no
// such directory. Changes nothing.
Result<std::vector<SnapshotOffered>> list_snapshots(const std::string& directory);

}  // namespace cluster::replog
