// A set of positions kept as disjoint half-open intervals, for what arrives out of order.
#pragma once

#include <map>

#include "cluster/types.hpp"

namespace cluster {

class IntervalSet {
 public:
  // Adds [first, end), merging what touches it.
  void add(Position first, Position end) {
    if (!(first < end)) return;
    auto at = intervals_.upper_bound(first);
    if (at != intervals_.begin()) {
      auto before = std::prev(at);
      if (before->second >= first) {
        first = before->first;
        end = std::max(end, before->second);
        at = intervals_.erase(before);
      }
    }
    while (at != intervals_.end() && at->first <= end) {
      end = std::max(end, at->second);
      at = intervals_.erase(at);
    }
    intervals_.emplace(first, end);
  }

  // The end of the interval that holds `from`; `from` itself when none does.
  Position contiguous_end(Position from) const {
    auto at = intervals_.upper_bound(from);
    if (at == intervals_.begin()) return from;
    auto before = std::prev(at);
    return std::max(from, before->second);
  }

  bool contains(Position at) const { return contiguous_end(at) > at; }

  // Forgets everything before `to`.
  void remove_before(Position to) {
    while (!intervals_.empty() && intervals_.begin()->first < to) {
      Position end = intervals_.begin()->second;
      intervals_.erase(intervals_.begin());
      if (end > to) intervals_.emplace(to, end);
    }
  }

  void clear() { intervals_.clear(); }
  bool empty() const { return intervals_.empty(); }
  std::size_t intervals() const { return intervals_.size(); }

 private:
  std::map<Position, Position> intervals_;  // first -> end
};

}  // namespace cluster
