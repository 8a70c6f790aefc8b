// Positions whose entries the disk had and cannot give back, as far as nothing has taken their
// place.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "replog/types.hpp"

namespace cluster::replog {

class Damage {
 public:
  void add(PositionRange range) {
    if (!(range.first < range.end)) return;
    remove(range);
    auto after = ranges_.lower_bound(range.end);
    if (after != ranges_.end() && after->first == range.end) {
      range.end = after->second;
      after = ranges_.erase(after);
    }
    if (after != ranges_.begin() && std::prev(after)->second == range.first) {
      std::prev(after)->second = range.end;
    } else {
      ranges_.emplace(range.first, range.end);
    }
  }

  void remove(PositionRange range) {
    auto at = ranges_.upper_bound(range.first);
    if (at != ranges_.begin()) --at;
    while (at != ranges_.end() && at->first < range.end) {
      auto [first, end] = *at;
      if (end <= range.first) {
        ++at;
        continue;
      }
      at = ranges_.erase(at);
      if (first < range.first) ranges_.emplace(first, range.first);
      if (range.end < end) ranges_.emplace(range.end, end);
    }
  }

  bool empty() const { return ranges_.empty(); }
  bool contains(Position at) const { return first_in(at, at.next()) == at; }
  bool has_from(Position from) const { return !ranges_.empty() && ranges_.rbegin()->second > from; }

  // The first of [from, to) that is damaged; `to` when none is.
  Position first_in(Position from, Position to) const {
    auto at = ranges_.upper_bound(from);
    if (at != ranges_.begin() && std::prev(at)->second > from) return std::min(from, to);
    return at == ranges_.end() ? to : std::min(at->first, to);
  }

  // `at`, or where the damaged stretch that it lies in ends.
  Position end_at(Position at) const {
    auto next = ranges_.upper_bound(at);
    if (next == ranges_.begin()) return at;
    return std::max(at, std::prev(next)->second);
  }

  // The first damaged stretch, as far as it lies before `limit`.
  std::optional<PositionRange> first_before(Position limit) const {
    if (ranges_.empty() || ranges_.begin()->first >= limit) return std::nullopt;
    return PositionRange{ranges_.begin()->first, std::min(ranges_.begin()->second, limit)};
  }

  // What to ask for at once: from the first that is damaged before `limit` on, and over what is
  // sound in between as long as that is no more than `gap_max` positions.
  std::optional<PositionRange> cluster_before(Position limit, std::uint64_t gap_max) const {
    auto found = first_before(limit);
    if (!found) return std::nullopt;
    for (const auto& [first, end] : ranges_) {
      if (first >= limit || distance(found->end, std::max(first, found->end)) > gap_max) break;
      found->end = std::max(found->end, std::min(end, limit));
    }
    return found;
  }

  std::uint64_t count_in(PositionRange range) const {
    std::uint64_t count = 0;
    for (const auto& [first, end] : ranges_) {
      Position from = std::max(first, range.first);
      Position to = std::min(end, range.end);
      if (from < to) count += distance(from, to);
    }
    return count;
  }

  std::uint64_t count() const {
    std::uint64_t count = 0;
    for (const auto& [first, end] : ranges_) count += distance(first, end);
    return count;
  }

 private:
  std::map<Position, Position> ranges_;  // Disjoint: first -> end.
};

}  // namespace cluster::replog
