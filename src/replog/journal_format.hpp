// What stands in a journal's segments, byte by byte: docs/journal.md has the tables.
//
// A segment is a file of blocks. Block 0 says whose it is; groups follow. A group is what one
// commit made durable: a header, a row for each record, the payloads, and the header once more at
// its end. The header repeats the state that all groups so far add up to, and says what the group
// before it held, so that damage to one place never leaves open what was lost there.
//
// Pure: bytes in, values out. Integers are the machine's own (little endian on all that we build
// for).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "cluster/types.hpp"
#include "replog/store.hpp"

namespace cluster::replog::journal {

inline constexpr std::size_t block_bytes = 4096;  // Written whole; never written twice.
inline constexpr std::size_t sector_bytes = 512;  // Reaches the disk whole or not at all.
inline constexpr std::uint32_t format_version = 1;

// What all changes up to a group add up to, apart from the entries. Part of every group's header.
struct State {
  std::uint64_t promised_round = 0;
  std::uint64_t promised_member = 0;
  std::uint64_t chosen_end = 1;
  std::uint64_t chosen_term = 0;
  std::uint64_t kept_from = 1;
  std::uint64_t kept_term = 0;
  std::uint64_t entries_end = 1;     // After the last position that an entry was ever put at.
  std::uint64_t oldest_segment = 1;  // Segments before this one are not needed.
  std::uint64_t configuration_since = 0;
  std::uint32_t configuration_checksum = 0;  // Of the encoded configuration.
  std::uint32_t configuration_bytes = 0;     // 0: none was set.
  friend bool operator==(const State&, const State&) = default;
};

struct SegmentHeader {
  std::uint32_t checksum = 0;  // crc32c of everything after it, as in all that follow.
  std::uint32_t magic = 0;
  std::uint32_t version = format_version;
  std::uint32_t blocks = 0;    // Of the whole segment.
  std::uint64_t sequence = 0;  // Segments are numbered from 1 as they are put to use.
  std::uint64_t nonce = 0;     // Drawn for this use of the file: older bytes in it never match.
  std::uint64_t cluster = 0;
  std::uint64_t member = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t first_group = 0;     // Number of its first group.
  std::uint32_t previous_group = 0;  // Checksum of the header of the last group before.
  std::uint32_t groups_at_once = 1;  // So many groups were written in one with this header.
};

struct GroupHeader {
  std::uint32_t checksum = 0;
  std::uint32_t magic = 0;
  std::uint64_t nonce = 0;   // The segment's.
  std::uint64_t number = 0;  // Groups are counted from 1, over all segments.
  std::uint32_t block = 0;   // Where in its segment it begins.
  std::uint32_t blocks = 0;
  std::uint32_t rows = 0;
  std::uint32_t rows_checksum = 0;
  std::uint32_t zeros_at = 0;  // Byte offset of the list of sectors that are all zero on purpose.
  std::uint32_t zeros = 0;     // How many those are.
  std::uint32_t zeros_checksum = 0;
  std::uint32_t previous_checksum = 0;  // Of the header of the group before.
  std::uint32_t previous_blocks = 0;    // 0: it is in another segment.
  std::uint32_t unused = 0;
  std::uint64_t first = 0;  // The entries' positions lie in [first, end); 0, 0 without entries.
  std::uint64_t end = 0;
  std::uint64_t previous_first = 0;  // Those of the group before.
  std::uint64_t previous_end = 0;
  State state;
  std::array<std::uint64_t, 10> reserved{};
};
inline constexpr std::size_t group_header_bytes = 256;
static_assert(sizeof(GroupHeader) == group_header_bytes);
static_assert(sizeof(SegmentHeader) <= sector_bytes);

// Stored: never renumber.
enum class RecordKind : std::uint8_t {
  entry = 0,
  configuration = 1,  // The payload is the encoded configuration.
  catalog = 2,        // The payload is the index of the segment before (`Piece`s).
};

struct Row {
  std::uint64_t position = 0;  // Of an entry; of a catalog: which segment's; else 0.
  std::uint64_t round = 0;
  std::uint64_t term = 0;
  std::uint16_t member = 0;
  std::uint8_t record = 0;
  std::uint8_t kind = 0;  // The low 7 bits; the highest: the value is bare.
  std::uint32_t bytes = 0;
  std::uint32_t offset = 0;    // Of the payload, from the beginning of the group.
  std::uint32_t checksum = 0;  // Of the payload, begun with the row up to here.
};
static_assert(sizeof(Row) == 40);

// Bytes for direct I/O: aligned to blocks, in whole blocks, zeroed.
class BlockBuffer {
 public:
  BlockBuffer() = default;
  explicit BlockBuffer(std::size_t blocks) { resize(blocks); }
  BlockBuffer(BlockBuffer&&) noexcept = default;
  BlockBuffer& operator=(BlockBuffer&&) noexcept = default;

  void resize(std::size_t blocks);  // Keeps what is there; what is new is zeroed.
  void clear(std::size_t blocks);   // So many blocks, what was used of them before zeroed.
  char* data() { return data_.get(); }
  const char* data() const { return data_.get(); }
  std::size_t blocks() const { return blocks_; }
  std::size_t bytes() const { return blocks_ * block_bytes; }
  ByteView view() const { return {data_.get(), bytes()}; }
  ByteView view(std::size_t offset, std::size_t size) const { return view().substr(offset, size); }

 private:
  struct Free {
    void operator()(char* data) const;
  };
  std::unique_ptr<char, Free> data_;
  std::size_t blocks_ = 0;
  std::size_t capacity_ = 0;
};

// Lays a group out in a buffer. The header comes last, when its place is known.
class GroupWriter {
 public:
  void begin();
  void add(const LogEntry&);
  void add(RecordKind, std::uint64_t number, ByteView payload);
  // After the last record: the number of blocks that the group takes.
  std::uint32_t lay_out();
  // `header` brings number, nonce, block, previous and state; the rest is filled in.
  void finish(GroupHeader& header);

  const std::vector<Row>& rows() const { return rows_; }
  const BlockBuffer& buffer() const { return buffer_; }

 private:
  void fill(std::size_t blocks);
  void list_zero_sectors();

  std::vector<Row> rows_;
  std::vector<ByteView> payloads_;
  std::vector<std::uint32_t> zeros_;
  std::uint32_t payload_end_ = 0;
  BlockBuffer buffer_;
};

void finish(SegmentHeader&, char* block);  // Both copies of it, into a zeroed block.
std::optional<SegmentHeader> parse_segment_header(ByteView block);

// The header that begins, or (`at_end`) ends, what is given; only when it is sound, of this nonce,
// and consistent in itself for a segment of `segment_blocks`.
std::optional<GroupHeader> parse_group_header(ByteView bytes, std::uint64_t nonce,
                                              std::uint32_t segment_blocks);
std::optional<GroupHeader> parse_group_copy(ByteView last_block, std::uint64_t nonce,
                                            std::uint32_t segment_blocks);
// Of the newest group whose header, or its copy, stands sound anywhere in a segment of which block
// 0 says nothing; 0 when there is none. Ready segments hold zeros, so it was written there in its
// use.
std::uint64_t newest_group_in(ByteView segment);
// `group`: at least header and rows. Nothing when the rows are damaged.
std::optional<std::vector<Row>> parse_rows(const GroupHeader&, ByteView group);
bool is_sound(const Row&, ByteView payload);
Result<LogEntry> entry_of(const Row&, ByteView payload);  // `corrupt` when it is not sound.

inline std::size_t rows_end(const GroupHeader& header) {
  return group_header_bytes + header.rows * sizeof(Row);
}

// Whether a sector of the group is all zero that would hold something: it was never written, so the
// sync that the group waited for was never done, and nobody was told that it is durable.
bool has_unwritten_sector(const GroupHeader&, ByteView group);
bool is_zero(ByteView);

}  // namespace cluster::replog::journal
