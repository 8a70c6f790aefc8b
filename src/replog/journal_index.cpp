#include "replog/journal_index.hpp"

#include <algorithm>
#include <limits>

#include "base/check.hpp"

namespace cluster::replog::journal {
namespace {

// The positions of `piece` in [first, end), which overlap it.
Piece part(Piece piece, std::uint64_t first, std::uint64_t end) {
  first = std::max(first, piece.first);
  end = std::min(end, piece.end());
  CLUSTER_CHECK(first < end, "a part of a piece is not empty", first, end);
  auto skipped = static_cast<std::uint32_t>(first - piece.first);
  if (piece.shape == Piece::one_group) piece.record += skipped;
  if (piece.shape == Piece::one_each) piece.block += skipped * piece.blocks;
  piece.first = first;
  piece.count = static_cast<std::uint32_t>(end - first);
  return piece;
}

void append_range(std::vector<PositionRange>& ranges, std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  if (!ranges.empty() && ranges.back().end == Position(first)) {
    ranges.back().end = Position(end);
  } else {
    ranges.push_back({Position(first), Position(end)});
  }
}

}  // namespace

void Index::count(std::uint32_t segment, int by) {
  auto at = uses_.try_emplace(segment, 0).first;
  if ((at->second += by) == 0) uses_.erase(at);
}

void Index::put(const Piece& piece) {
  if (piece.count == 0) return;
  if (!pieces_.empty() && piece.first < pieces_.back().end()) return replace(piece);
  if (extend_last(piece)) return;
  count(piece.segment, 1);
  pieces_.push_back(piece);
}

bool Index::extend_last(const Piece& piece) {
  if (pieces_.empty()) return false;
  Piece& last = pieces_.back();
  if (last.end() != piece.first || last.segment != piece.segment || last.damaged() ||
      piece.damaged() || last.blocks != piece.blocks || last.record != 0 || piece.record != 0) {
    return false;
  }
  auto is_lone = [](const Piece& p) { return p.count == 1 || p.shape == Piece::one_each; };
  if (!is_lone(last) || !is_lone(piece)) return false;
  if (last.block + last.count * last.blocks != piece.block) return false;
  last.shape = Piece::one_each;
  last.count += piece.count;
  return true;
}

void Index::replace(const Piece& piece) {
  auto first = pieces_.begin() + (at_or_after(piece.first) - pieces_.cbegin());
  auto last = first;
  std::vector<Piece> kept;
  bool is_put = false;
  for (; last != pieces_.end() && last->first < piece.end(); ++last) {
    if (last->first < piece.first) kept.push_back(part(*last, last->first, piece.first));
    if (last->end() > piece.end()) {
      kept.push_back(piece);
      is_put = true;
      kept.push_back(part(*last, piece.end(), last->end()));
    }
    count(last->segment, -1);
  }
  if (!is_put) kept.push_back(piece);
  for (const Piece& each : kept) count(each.segment, 1);
  auto at = pieces_.erase(first, last);
  pieces_.insert(at, kept.begin(), kept.end());
}

void Index::put_damaged(PositionRange range, std::uint32_t segment, std::uint32_t block,
                        std::uint32_t blocks) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  for (std::uint64_t at = range.first.value(); at < range.end.value();) {
    std::uint64_t end = std::min(range.end.value(), at + most);
    put({.first = at,
         .count = static_cast<std::uint32_t>(end - at),
         .segment = segment,
         .block = block,
         .blocks = blocks,
         .record = 0,
         .shape = Piece::is_damaged});
    at = end;
  }
}

void Index::drop_before(Position to) {
  while (!pieces_.empty() && pieces_.front().first < to.value()) {
    Piece& front = pieces_.front();
    if (front.end() > to.value()) {
      front = part(front, to.value(), front.end());
      return;
    }
    count(front.segment, -1);
    pieces_.pop_front();
  }
}

Index::Pieces::const_iterator Index::at_or_after(std::uint64_t position) const {
  return std::upper_bound(pieces_.begin(), pieces_.end(), position,
                          [](std::uint64_t at, const Piece& piece) { return at < piece.end(); });
}

Piece Index::find(Position at, Position end) const {
  auto found = at_or_after(at.value());
  if (found == pieces_.end() || found->first >= end.value()) return {};
  return part(*found, at.value(), end.value());
}

Piece Index::find_before(Position end) const {
  auto after =
      std::lower_bound(pieces_.begin(), pieces_.end(), end.value(),
                       [](const Piece& piece, std::uint64_t at) { return piece.first < at; });
  if (after == pieces_.begin()) return {};
  const Piece& found = *std::prev(after);
  return part(found, found.first, end.value());
}

std::vector<Piece> Index::in_segment(std::uint32_t segment, PositionRange range) const {
  std::vector<Piece> found;
  for (auto at = at_or_after(range.first.value());
       at != pieces_.end() && at->first < range.end.value(); ++at) {
    if (at->segment == segment) found.push_back(*at);
  }
  return found;
}

std::vector<PositionRange> Index::damaged() const {
  std::vector<PositionRange> ranges;
  for (const Piece& piece : pieces_) {
    if (piece.damaged()) append_range(ranges, piece.first, piece.end());
  }
  return ranges;
}

std::vector<PositionRange> Index::gaps(PositionRange range) const {
  std::vector<PositionRange> ranges;
  std::uint64_t expected = range.first.value();
  for (auto at = at_or_after(expected); at != pieces_.end() && at->first < range.end.value();
       ++at) {
    append_range(ranges, expected, at->first);
    expected = at->end();
  }
  append_range(ranges, expected, range.end.value());
  return ranges;
}

}  // namespace cluster::replog::journal
