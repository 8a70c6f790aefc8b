// A simulated disk for one replica, and the store on it. What was committed stays; nothing else
// does.
#pragma once

#include <map>
#include <set>

#include "replog/store.hpp"

namespace cluster::sim {

struct Disk {
  replog::Ballot promised;
  Position chosen_end{1};
  std::uint64_t chosen_term = 0;
  replog::Configuration configuration;
  Position kept_from{1};
  std::uint64_t kept_term = 0;
  std::map<Position, replog::LogEntry> entries;
  // Entries whose bits have flipped. They still stand in `entries`, for the checker's eyes only.
  std::set<Position> damaged;
  bool fails = false;  // The next commit fails.
};

class SimStore final : public replog::Store {
 public:
  SimStore(Disk& disk, replog::Identity identity) : disk_(disk), identity_(identity) {}

  const replog::Identity& identity() const override { return identity_; }

  Result<void> commit(const std::vector<replog::Change>& changes) override;
  Result<replog::StoredEntries> read(Position first, Position end,
                                     std::size_t bytes_max) const override;
  Result<replog::RangeCheck> check(Position first, Position end,
                                   std::size_t bytes_max) const override;
  Result<replog::Recovered> recover(std::size_t window_bytes) override;
  replog::StoreUsage usage() const override { return {}; }

 private:
  Disk& disk_;
  replog::Identity identity_;
};

}  // namespace cluster::sim
