// The cluster's state, and users' keys, as they were at any position that a master's directory can
// still tell: from a snapshot that it keeps, or from the beginning, and the entries after it.
// Changes nothing there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/registry.hpp"
#include "registry/shared_snapshot.hpp"
#include "replog/inspection.hpp"
#include "replog/messages.hpp"

namespace cluster::app {

class Replay {
 public:
  // `address_in_use` while a master has the directory open: its end may be seen in the middle of a
  // write.
  static Result<Replay> open(const std::string& directory);

  // Positions [first, end) can be told. What is at or after `decided_end` was heard of, and settled
  // here as if this master were all that is left; the cluster may have decided otherwise.
  Position first() const { return first_; }
  Position end() const { return end_; }
  Position decided_end() const { return decided_end_; }

  struct At {
    registry::SharedState state;
    Position snapshot_end;  // It began with the snapshot to there; none: with nothing.
    std::uint64_t entries = 0;
    std::uint64_t refused = 0;  // Of these: they did not fit the cluster's state, or the keys', and
                                // changed nothing.
    std::uint64_t skipped = 0;  // Of these: they could not be decoded.
  };
  // With everything up to `position`, that included.
  Result<At> at(Position position) const;

 private:
  Replay(std::string directory, replog::Inspection found)
      : directory_(std::move(directory)), found_(std::move(found)) {}
  Result<At> begin(Position position) const;
  static Result<void> apply(const std::vector<Entry>&, At&);
  Result<std::vector<Entry>> read(Position from, Position to, Position& next) const;

  std::string directory_;
  replog::Inspection found_;
  std::vector<replog::SnapshotOffered> snapshots_;  // The newest first.
  std::vector<replog::LogEntry> open_;              // From `decided_end_` on.
  Position first_{1};
  Position end_{1};
  Position decided_end_{1};
};

}  // namespace cluster::app
