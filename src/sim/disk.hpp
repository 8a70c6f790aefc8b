// A simulated disk for one replica, and the store on it. What was committed stays; nothing else
// does.
#pragma once

#include <map>

#include "replog/store.hpp"

namespace cluster::sim {

struct Disk {
  replog::Ballot promised;
  Position chosen_end{1};
  std::map<Position, replog::LogEntry> entries;
  bool fails = false;  // The next commit fails.
};

class SimStore final : public replog::Store {
 public:
  explicit SimStore(Disk& disk) : disk_(disk) {}

  Result<void> commit(const std::vector<replog::Change>& changes) override;
  Result<std::vector<replog::LogEntry>> read(Position first, Position end,
                                             std::size_t bytes_max) const override;
  Result<replog::Recovered> recover(std::size_t window_bytes) override;

 private:
  Disk& disk_;
};

}  // namespace cluster::sim
