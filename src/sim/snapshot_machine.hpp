// A state machine that knows at each position what every state machine must be there, and its
// snapshots on a simulated disk.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "replog/snapshot_files.hpp"
#include "sim/coverage.hpp"
#include "sim/log_checker.hpp"

namespace cluster::sim {

// What a member's disk holds beside its log.
struct SnapshotDisk {
  struct Stored {
    replog::SnapshotOffered about;
    std::string bytes;
  };
  std::vector<Stored> stored;  // In the order in which they were finished.
};

class SimSnapshotFiles final : public replog::SnapshotFiles {
 public:
  explicit SimSnapshotFiles(SnapshotDisk& disk) : disk_(disk) {}

  Result<std::vector<replog::SnapshotOffered>> recover() override;
  Result<std::unique_ptr<replog::SnapshotSink>> create(const replog::SnapshotOffered&) override;
  Result<std::unique_ptr<SnapshotReader>> open(std::uint64_t id) const override;
  Result<Bytes> read(std::uint64_t id, std::uint64_t offset, std::size_t bytes_max) const override;
  void keep_newest(std::size_t count, const std::vector<std::uint64_t>& wanted) override;

 private:
  const SnapshotDisk::Stored* find(std::uint64_t id) const;

  SnapshotDisk& disk_;
};

// Its state is a sum of everything that it applied: by whatever path it came to a position, it must
// be the sum of what is chosen up to there. Another state machine may go along: its snapshots are
// parts of this one's.
class SumMachine final : public StateMachine {
 public:
  SumMachine(NodeId member, LogChecker& checker, Coverage& coverage, StateMachine* other = nullptr)
      : member_(member), checker_(checker), coverage_(coverage), other_(other) {}

  void apply(const std::vector<Entry>&) override;
  Result<SnapshotJob> begin_snapshot() override;
  Result<void> restore(SnapshotReader&) override;

 private:
  NodeId member_;
  LogChecker& checker_;
  Coverage& coverage_;
  StateMachine* other_;
  Position last_;
  std::uint64_t sum_ = 0;
};

}  // namespace cluster::sim
