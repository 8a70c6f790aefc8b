// Reads a whole segment, group by group, and says what is sound, what is damaged, and where the
// journal ends.
//
// The rule that keeps recovery safe (after Alagappan et al., Protocol-Aware Recovery for
// Consensus-Based Storage, FAST 2018): only what provably was never durable is cut off. Damage
// before a later group is damage. At the very end, a group counts as torn only where one of its
// sectors still holds the zeros that the segment was prepared with; otherwise it was written whole,
// may have been acknowledged, and what cannot be read of it is damage too.
//
// Pure: the fuzz target's way in.
#pragma once

#include <string>

#include "replog/journal_format.hpp"
#include "replog/journal_index.hpp"

namespace cluster::replog::journal {

struct FoundGroup {
  std::uint32_t block = 0;
  std::uint32_t blocks = 0;
  bool is_known = false;  // `header` is good; otherwise nothing is known but the extent.
  GroupHeader header;
  bool has_rows = false;  // `rows` are good.
  std::vector<Row> rows;
  std::vector<std::uint32_t> damaged_rows;  // Whose payload is damaged.
  // What a group whose rows are lost may have held; `is_exact` when no more than that.
  PositionRange positions{};
  bool is_exact = false;
  std::string damage;  // What is wrong, for a person; empty: it is sound.

  bool is_sound() const { return damage.empty(); }
};

enum class Ending : std::uint8_t {
  clean,      // Zeros follow.
  torn,       // What follows was never durable.
  unused,     // Nothing in this segment ever was: the write that put it to use was torn.
  uncertain,  // What follows may have been acknowledged, and cannot be read.
};

struct SegmentScan {
  std::vector<FoundGroup> groups;
  std::uint32_t end_block = 1;  // Where the next group goes.
  Ending ending = Ending::clean;
  std::uint32_t dirty_end = 0;  // Blocks from `end_block` to here are not all zero.
};

// Something followed a segment, and it is not known with which group.
inline constexpr std::uint64_t some_group = ~std::uint64_t{0};

// `segment` begins with block 0, which `header` was read from; it may be shorter than it says.
// `next_group`: the first group of the segment after this one; 0 when nothing was written after it.
SegmentScan scan_segment(ByteView segment, const SegmentHeader& header, std::uint64_t next_group);

// The pieces of the index that the entries among `rows` are.
std::vector<Piece> pieces_of(const std::vector<Row>& rows, std::uint32_t segment,
                             std::uint32_t block, std::uint32_t blocks);

// Puts what the group held, and what is damaged of it, into the index. `all`: the positions that a
// group may have held of which nothing is known.
void put_group(Index&, const FoundGroup&, std::uint32_t segment, PositionRange all);

}  // namespace cluster::replog::journal
