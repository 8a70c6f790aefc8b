// A backup: everything that a log held before a position, as one stream of bytes that a new cluster
// can be made from (backup_restore.hpp), by this version or a later one.
//
// The stream is eight bytes that say what it is, then frames: size and crc32c of the body (four
// bytes each, the lowest first), then the body, an encoded part. First the head; then the bytes of
// the state machine's snapshot, where there is one; then the entries after it, as an application
// sees them; last the end, which counts and sums up what was before it. So damage, and a file that
// was cut off, are seen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cluster/log.hpp"
#include "cluster/state_machine.hpp"
#include "cluster/types.hpp"

namespace cluster::replog {

struct BackupHead {
  struct Snapshot {
    std::uint64_t size = 0;
    std::uint32_t checksum = 0;  // crc32c of all its bytes.
    friend bool operator==(const Snapshot&, const Snapshot&) = default;
  };

  ClusterUid cluster;
  NodeId member;      // Whose replica it was taken from.
  Position first{1};  // Of the entries. What was before it is in the snapshot.
  Position end{1};    // Everything before it is in the backup.
  // Everything before it was decided, as that replica knew. What is at or after it may have been.
  Position decided_end{1};
  std::uint64_t term = 0;  // Of the newest of it.
  WallTime taken_at{};
  std::optional<Snapshot> snapshot;

  friend bool operator==(const BackupHead&, const BackupHead&) = default;
};

struct BackupEnd {
  std::uint64_t entries = 0;
  std::uint32_t checksum = 0;
  friend bool operator==(const BackupEnd&, const BackupEnd&) = default;
};

// `Bytes`: the next of the snapshot.
using BackupPart = std::variant<BackupHead, Bytes, std::vector<Entry>, BackupEnd>;

Bytes encode(const BackupPart&);
Result<BackupPart> decode_backup_part(ByteView);

// Calls in this order: `begin`, `put_snapshot` until its size is reached, `put_entries`, `finish`.
class BackupWriter {
 public:
  explicit BackupWriter(SnapshotWriter& out) : out_(out) {}

  Result<void> begin(const BackupHead&);
  Result<void> put_snapshot(ByteView);
  Result<void> put_entries(const std::vector<Entry>&);  // In order, in [first, end).
  Result<void> finish();

 private:
  Result<void> put(const BackupPart&);

  SnapshotWriter& out_;
  std::uint64_t entries_ = 0;
  std::uint32_t checksum_ = 0;
};

// Takes any bytes. After an error nothing more can be read; what was given before it was sound as
// far as its frame goes, and only the end says that the whole is.
class BackupReader {
 public:
  explicit BackupReader(SnapshotReader& in) : in_(in) {}

  // First of all. `corrupt` where it is no backup, `unsupported` where it is a later version's.
  Result<BackupHead> begin();
  // The next bytes of the snapshot or entries; `BackupEnd` once, when all of it was sound.
  Result<BackupPart> next();

 private:
  Result<std::string> read_exactly(std::size_t);
  Result<BackupPart> read_part();
  Result<void> check(const Bytes& snapshot);
  Result<void> check(const std::vector<Entry>&);
  Result<void> check(const BackupEnd&);

  SnapshotReader& in_;
  std::string rest_;  // Read from `in_` and not taken yet.
  std::uint64_t offset_ = 0;
  BackupHead head_;
  std::uint64_t snapshot_bytes_ = 0;
  std::uint32_t snapshot_checksum_ = 0;
  std::uint64_t entries_ = 0;
  Position next_;
  std::uint32_t checksum_ = 0;         // Of all bodies before the present one.
  std::uint32_t checksum_before_ = 0;  // The same, without the last one.
};

// Reads a backup to its end and gives its head.
struct CheckedBackup {
  BackupHead head;
  std::uint64_t entries = 0;
};
Result<CheckedBackup> check_backup(SnapshotReader&);

// Backs up the directory of a member that is stopped, with everything that it has heard of, decided
// or not. `address_in_use` where a process has it open, `corrupt` where what is needed is damaged.
Result<BackupHead> back_up_directory(const std::string& directory, WallTime now, SnapshotWriter&);

}  // namespace cluster::replog
