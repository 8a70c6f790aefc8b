#include "replog/shared_index.hpp"

#include <algorithm>

namespace cluster::replog {
namespace {

// The part [first, end) of a run that holds it.
Run part_of(const Run& run, std::uint64_t first, std::uint64_t end) {
  return {.first = first,
          .count = end - first,
          .at = run.at + (first - run.first),
          .start = run.start,
          .bytes = run.bytes * (end - first) / run.count};
}

bool ends_before(const Run& run, std::uint64_t position) { return run.end() <= position; }

}  // namespace

void SharedIndex::put(Run run) {
  cut(run.first, run.end());
  forget_damage(run.first, run.end());
  auto at = std::lower_bound(runs_.begin(), runs_.end(), run.first, ends_before);
  bytes_ += run.bytes;
  runs_.insert(at, run);
}

void SharedIndex::put_damaged(PositionRange range) {
  cut(range.first.value(), range.end.value());
  forget_damage(range.first.value(), range.end.value());
  auto at = std::lower_bound(
      damaged_.begin(), damaged_.end(), range,
      [](const PositionRange& a, const PositionRange& b) { return a.first < b.first; });
  damaged_.insert(at, range);
}

void SharedIndex::drop_before(Position position) {
  cut(0, position.value());
  forget_damage(0, position.value());
}

// As a rule there is nothing to do: entries come at the end.
void SharedIndex::cut(std::uint64_t first, std::uint64_t end) {
  auto from = std::lower_bound(runs_.begin(), runs_.end(), first, ends_before);
  auto to = from;
  std::vector<Run> left;
  for (; to != runs_.end() && to->first < end; ++to) {
    bytes_ -= to->bytes;
    if (to->first < first) left.push_back(part_of(*to, to->first, first));
    if (to->end() > end) left.push_back(part_of(*to, end, to->end()));
  }
  if (from == to) return;
  for (const Run& run : left) bytes_ += run.bytes;
  from = runs_.erase(from, to);
  runs_.insert(from, left.begin(), left.end());
}

void SharedIndex::forget_damage(std::uint64_t first, std::uint64_t end) {
  if (damaged_.empty()) return;
  std::vector<PositionRange> left;
  for (const PositionRange& range : damaged_) {
    Position before = std::min(range.end, Position(first));
    Position after = std::max(range.first, Position(end));
    if (range.first < before) left.push_back({range.first, before});
    if (after < range.end) left.push_back({after, range.end});
  }
  damaged_ = std::move(left);
}

Run SharedIndex::find(Position from, Position end) const {
  auto at = std::lower_bound(runs_.begin(), runs_.end(), from.value(), ends_before);
  if (at == runs_.end() || at->first >= end.value()) return {};
  return part_of(*at, std::max(at->first, from.value()), std::min(at->end(), end.value()));
}

std::vector<PositionRange> SharedIndex::gaps(PositionRange range) const {
  std::vector<PositionRange> found;
  Position at = range.first;
  auto covered = [&](Position first, Position end) {
    if (at < std::min(first, range.end)) found.push_back({at, std::min(first, range.end)});
    at = std::max(at, end);
  };
  auto damaged = damaged_.begin();
  for (const Run& run : runs_) {
    for (; damaged != damaged_.end() && damaged->first.value() < run.first; ++damaged) {
      covered(damaged->first, damaged->end);
    }
    covered(Position(run.first), Position(run.end()));
  }
  for (; damaged != damaged_.end(); ++damaged) covered(damaged->first, damaged->end);
  if (at < range.end) found.push_back({at, range.end});
  return found;
}

std::uint64_t SharedIndex::oldest_start(std::uint64_t none) const {
  std::uint64_t oldest = none;
  for (const Run& run : runs_) oldest = std::min(oldest, run.start);
  return oldest;
}

}  // namespace cluster::replog
