// Where one log's entries stand in the journal that it shares.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cluster/result.hpp"
#include "replog/shared_format.hpp"

namespace cluster::replog {

// Positions [first, first + count) stand one after another from `at` on.
struct Run {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint64_t at = 0;
  std::uint64_t start = 0;  // Of the commit that wrote them.
  std::uint64_t bytes = 0;  // About.

  std::uint64_t end() const { return first + count; }
};

class SharedIndex {
 public:
  // What comes later counts. Positions that were lost are no longer.
  void put(Run run);
  void put_damaged(PositionRange);
  void drop_before(Position);

  // What stands at or after `from`, and before `end`: a part of a run, from `from` on where it
  // holds that. A count of 0: nothing.
  Run find(Position from, Position end) const;
  const std::vector<Run>& runs() const { return runs_; }
  const std::vector<PositionRange>& damaged() const { return damaged_; }
  // Positions of [first, end) at which nothing stands, lost or not.
  std::vector<PositionRange> gaps(PositionRange) const;

  std::uint64_t bytes() const { return bytes_; }
  // The first commit that is needed to read what stands here; `none` where nothing does.
  std::uint64_t oldest_start(std::uint64_t none) const;

 private:
  void cut(std::uint64_t first, std::uint64_t end);
  void forget_damage(std::uint64_t first, std::uint64_t end);

  std::vector<Run> runs_;  // In order of positions, apart.
  std::vector<PositionRange> damaged_;
  std::uint64_t bytes_ = 0;
};

}  // namespace cluster::replog
