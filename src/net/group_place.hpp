// Where groups are made durable: on the disk thread, or, while the disk is fast, on the node thread
// itself. Two hand-overs between threads cost more than a fast sync; a slow sync would keep the
// node thread from its peers.
//
// Pure; one thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cluster/types.hpp"

namespace cluster::net {

class GroupPlace {
 public:
  bool is_inline() const { return fast_in_row_ >= needed_; }

  // A group took so long, wherever it was written. A slow one sends all that follow to the disk
  // thread, until some in a row were fast: few where a busy processor explains it, more and more
  // where the disk stalled and does so again.
  void took(Duration time) {
    if (time <= fast_max) {
      fast_in_row_ += 1;
      if (fast_in_row_ >= forgive_after) needed_ = needed_min;
      return;
    }
    if (is_inline() && time >= stall_min) needed_ = std::min(needed_ * 4, needed_max);
    fast_in_row_ = 0;
  }

  static constexpr Duration fast_max = std::chrono::milliseconds(1);
  static constexpr Duration stall_min = std::chrono::milliseconds(20);
  static constexpr std::uint64_t needed_min = 16;
  static constexpr std::uint64_t needed_max = 1024;
  static constexpr std::uint64_t forgive_after = 4 * needed_max;

 private:
  std::uint64_t fast_in_row_ = 0;
  std::uint64_t needed_ = needed_min;
};

}  // namespace cluster::net
