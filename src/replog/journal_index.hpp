// Where each position's entry lies: pieces of consecutive positions, the newest for each position.
//
// Memory: 32 bytes for each group at most (a piece), and none for a group that continues the one
// before it as lone appends do. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "replog/types.hpp"

namespace cluster::replog::journal {

// Stored in catalogs: never change.
struct Piece {
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t segment = 0;
  std::uint32_t block = 0;   // Of the first position's group.
  std::uint32_t blocks = 0;  // Of each group.
  std::uint32_t record = 0;  // Of the first position: its row in the group.
  std::uint32_t shape = 0;

  static constexpr std::uint32_t one_group = 0;   // Row after row of one group.
  static constexpr std::uint32_t one_each = 1;    // The same row of group after group.
  static constexpr std::uint32_t is_damaged = 2;  // The positions may have been there, no more.

  std::uint64_t end() const { return first + count; }
  bool damaged() const { return shape == is_damaged; }
  friend bool operator==(const Piece&, const Piece&) = default;
};
static_assert(sizeof(Piece) == 32);

class Index {
 public:
  // What is put later counts.
  void put(const Piece&);
  void put_damaged(PositionRange, std::uint32_t segment, std::uint32_t block, std::uint32_t blocks);
  void drop_before(Position);

  // The part of a piece that begins at `at` or at the first position after it that is there; an
  // empty one when there is none. `end` bounds it.
  Piece find(Position at, Position end) const;
  // The part of a piece that lies just before `end`.
  Piece find_before(Position end) const;
  bool uses(std::uint32_t segment) const { return uses_.contains(segment); }
  // What lies in the segment, with positions in the range.
  std::vector<Piece> in_segment(std::uint32_t segment, PositionRange) const;
  std::vector<PositionRange> damaged() const;
  // Of [first, end): what no entry is known for.
  std::vector<PositionRange> gaps(PositionRange) const;
  std::size_t pieces() const { return pieces_.size(); }

 private:
  using Pieces = std::deque<Piece>;
  Pieces::const_iterator at_or_after(std::uint64_t position) const;
  bool extend_last(const Piece&);
  void replace(const Piece&);
  void count(std::uint32_t segment, int by);

  Pieces pieces_;  // In order, without overlaps.
  std::map<std::uint32_t, std::int64_t> uses_;
};

}  // namespace cluster::replog::journal
