#include "replog/journal_scan.hpp"

#include <algorithm>

namespace cluster::replog::journal {
namespace {

class Scanner {
 public:
  Scanner(ByteView segment, const SegmentHeader& header)
      : segment_(segment), header_(header), expected_(header.first_group) {
    blocks_ = std::min<std::uint32_t>(header.blocks,
                                      static_cast<std::uint32_t>(segment.size() / block_bytes));
  }

  SegmentScan run(std::uint64_t next_group) {
    std::uint32_t block = 1;
    while (block < blocks_) {
      if (auto header = header_at(block)) {
        read_group(*header);
        block += header->blocks;
        continue;
      }
      std::uint32_t next = next_header(block);
      if (next == blocks_) break;
      add_lost(block, next);
      block = next;
    }
    scan_.end_block = block;
    find_dirt();
    if (next_group == 0) {
      find_ending();
    } else if (next_group == some_group ? scan_.dirty_end > block : expected_ != next_group) {
      add_lost(block, std::max(scan_.dirty_end, block));
    }
    return std::move(scan_);
  }

 private:
  ByteView block_view(std::uint32_t block, std::uint32_t count = 1) const {
    return segment_.substr(block * block_bytes, count * block_bytes);
  }

  // The header of the group that begins at `block`, from there or from its copy.
  std::optional<GroupHeader> header_at(std::uint32_t block) const {
    auto header = parse_group_header(block_view(block), header_.nonce, blocks_);
    if (header && header->block == block) return header;
    for (std::uint32_t last = block; last < blocks_; ++last) {
      auto copy = parse_group_copy(block_view(last), header_.nonce, blocks_);
      if (copy && copy->block == block && copy->block + copy->blocks == last + 1) return copy;
      if (copy && copy->block > block) break;
      auto next = parse_group_header(block_view(last), header_.nonce, blocks_);
      if (next && next->block == last) break;
    }
    return std::nullopt;
  }

  // The first block after `block` where a group is known to begin; `blocks_` when there is none.
  std::uint32_t next_header(std::uint32_t block) const {
    for (std::uint32_t at = block; at < blocks_; ++at) {
      auto header = parse_group_header(block_view(at), header_.nonce, blocks_);
      if (header && header->block == at && at > block) return at;
      auto copy = parse_group_copy(block_view(at), header_.nonce, blocks_);
      if (copy && copy->block > block && copy->block + copy->blocks == at + 1) return copy->block;
    }
    return blocks_;
  }

  void read_group(const GroupHeader& header) {
    FoundGroup found{.block = header.block,
                     .blocks = header.blocks,
                     .is_known = true,
                     .header = header,
                     .rows = {},
                     .damaged_rows = {},
                     .damage = {}};
    ByteView group = block_view(header.block, header.blocks);
    if (auto rows = parse_rows(header, group)) {
      found.has_rows = true;
      found.rows = *std::move(rows);
      for (std::uint32_t i = 0; i < found.rows.size(); ++i) {
        const Row& row = found.rows[i];
        if (!is_sound(row, group.substr(row.offset, row.bytes))) found.damaged_rows.push_back(i);
      }
      if (!found.damaged_rows.empty()) found.damage = "a payload does not match its checksum";
    } else {
      found.positions = {Position(header.first), Position(header.end)};
      found.is_exact = true;
      found.damage = "the table of its records does not match its checksum";
    }
    expected_ = header.number + 1;
    scan_.groups.push_back(std::move(found));
  }

  // Something lay at [block, next) that cannot be read; a group begins at `next`.
  void add_lost(std::uint32_t block, std::uint32_t next) {
    FoundGroup lost{.block = block,
                    .blocks = next - block,
                    .header = {},
                    .rows = {},
                    .damaged_rows = {},
                    .damage = "the header does not match its checksum, nor does its copy"};
    auto after = next < blocks_ ? header_at(next) : std::nullopt;
    if (after && after->number == expected_ + 1 && after->previous_blocks == lost.blocks) {
      lost.positions = {Position(after->previous_first), Position(after->previous_end)};
      lost.is_exact = true;
    }
    scan_.groups.push_back(std::move(lost));
  }

  // The write that puts a segment to use makes its header and its first groups durable at once:
  // where one of them is torn, none of them was.
  void find_ending() {
    std::size_t whole = scan_.groups.size();
    if (whole > 0 && scan_.dirty_end == 0 && is_torn(scan_.groups.back())) {
      scan_.ending = Ending::torn;
      scan_.end_block = scan_.groups.back().block;
      scan_.groups.pop_back();
      whole -= 1;
      find_dirt();
    } else if (scan_.dirty_end != 0) {
      bool was_begun = !is_zero(block_view(scan_.end_block).substr(0, sector_bytes));
      scan_.ending = was_begun ? Ending::uncertain : Ending::torn;
    }
    if (whole < header_.groups_at_once && scan_.ending != Ending::uncertain) {
      scan_.ending = Ending::unused;
    }
  }

  bool is_torn(const FoundGroup& group) const {
    return !group.is_sound() && group.is_known &&
           has_unwritten_sector(group.header, block_view(group.block, group.blocks));
  }

  void find_dirt() {
    for (std::uint32_t block = blocks_; block > scan_.end_block; --block) {
      if (is_zero(block_view(block - 1))) continue;
      scan_.dirty_end = block;
      return;
    }
    scan_.dirty_end = 0;
  }

  ByteView segment_;
  const SegmentHeader& header_;
  std::uint32_t blocks_ = 0;
  std::uint64_t expected_;  // Number of the next group.
  SegmentScan scan_;
};

}  // namespace

SegmentScan scan_segment(ByteView segment, const SegmentHeader& header, std::uint64_t next_group) {
  return Scanner(segment, header).run(next_group);
}

std::vector<Piece> pieces_of(const std::vector<Row>& rows, std::uint32_t segment,
                             std::uint32_t block, std::uint32_t blocks) {
  std::vector<Piece> pieces;
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    if (rows[i].record != static_cast<std::uint8_t>(RecordKind::entry)) continue;
    if (!pieces.empty() && pieces.back().end() == rows[i].position &&
        pieces.back().record + pieces.back().count == i) {
      pieces.back().count += 1;
    } else {
      pieces.push_back({.first = rows[i].position,
                        .count = 1,
                        .segment = segment,
                        .block = block,
                        .blocks = blocks,
                        .record = i});
    }
  }
  return pieces;
}

void put_group(Index& index, const FoundGroup& group, std::uint32_t segment, PositionRange all) {
  if (group.has_rows) {
    for (const Piece& piece : pieces_of(group.rows, segment, group.block, group.blocks)) {
      index.put(piece);
    }
    for (std::uint32_t i : group.damaged_rows) {
      Position at(group.rows[i].position);
      if (group.rows[i].record != static_cast<std::uint8_t>(RecordKind::entry)) continue;
      index.put_damaged({at, at.next()}, segment, group.block, group.blocks);
    }
    return;
  }
  index.put_damaged(group.is_exact ? group.positions : all, segment, group.block, group.blocks);
}

}  // namespace cluster::replog::journal
