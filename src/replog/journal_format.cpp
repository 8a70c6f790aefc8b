#include "replog/journal_format.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/check.hpp"
#include "base/crc32c.hpp"

namespace cluster::replog::journal {
namespace {

constexpr std::uint32_t segment_magic = 0x4753'4a43;  // "CJSG"
constexpr std::uint32_t group_magic = 0x5247'4a43;    // "CJGR"
constexpr std::size_t payload_alignment = 8;
constexpr std::uint8_t bare_bit = 0x80;

template <class T>
std::uint32_t checksum_of(const T& record) {
  const char* at = reinterpret_cast<const char*>(&record) + sizeof(record.checksum);
  return crc32c(ByteView(at, sizeof(T) - sizeof(record.checksum)));
}

std::uint32_t checksum_of(const Row& row, ByteView payload) {
  ByteView head(reinterpret_cast<const char*>(&row), sizeof(row) - sizeof(row.checksum));
  return crc32c(payload, crc32c(head));
}

std::size_t aligned(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

// Blocks of a group whose list of zero sectors ends at `bytes`.
std::size_t blocks_for(std::size_t bytes) {
  return aligned(bytes + group_header_bytes, block_bytes) / block_bytes;
}

std::optional<GroupHeader> checked(const char* at, std::uint64_t nonce,
                                   std::uint32_t segment_blocks) {
  GroupHeader header;
  std::memcpy(&header, at, sizeof(header));
  if (header.magic != group_magic || header.nonce != nonce) return std::nullopt;
  if (header.checksum != checksum_of(header)) return std::nullopt;
  std::uint64_t copy_at = std::uint64_t{header.blocks} * block_bytes - group_header_bytes;
  bool fits =
      header.block > 0 && header.blocks > 0 && header.block < segment_blocks &&
      header.blocks <= segment_blocks - header.block && rows_end(header) <= header.zeros_at &&
      header.zeros_at + std::uint64_t{header.zeros} * 4 <= copy_at && header.first <= header.end;
  return fits ? std::optional(header) : std::nullopt;
}

}  // namespace

void BlockBuffer::Free::operator()(char* data) const { std::free(data); }

void BlockBuffer::resize(std::size_t blocks) {
  if (blocks > capacity_) {
    std::size_t capacity = std::max(blocks, capacity_ * 2);
    auto* data = static_cast<char*>(std::aligned_alloc(block_bytes, capacity * block_bytes));
    CLUSTER_CHECK(data != nullptr, "there is memory for a group", capacity);
    if (blocks_ > 0) std::memcpy(data, data_.get(), bytes());
    std::memset(data + bytes(), 0, (capacity - blocks_) * block_bytes);
    data_.reset(data);
    capacity_ = capacity;
  }
  if (blocks < blocks_)
    std::memset(data_.get() + blocks * block_bytes, 0, (blocks_ - blocks) * block_bytes);
  blocks_ = blocks;
}

void BlockBuffer::clear(std::size_t blocks) {
  resize(0);
  resize(blocks);
}

void GroupWriter::begin() {
  rows_.clear();
  payloads_.clear();
  zeros_.clear();
}

void GroupWriter::add(const LogEntry& entry) {
  Row row{.position = entry.position.value(),
          .round = entry.ballot.round,
          .term = entry.value.term,
          .member = static_cast<std::uint16_t>(entry.ballot.member.value()),
          .record = static_cast<std::uint8_t>(RecordKind::entry),
          .kind = static_cast<std::uint8_t>(static_cast<std::uint8_t>(entry.value.kind) |
                                            (entry.value.is_bare ? bare_bit : 0))};
  rows_.push_back(row);
  payloads_.push_back(entry.value.data.view());
}

void GroupWriter::add(RecordKind kind, std::uint64_t number, ByteView payload) {
  rows_.push_back(Row{.position = number, .record = static_cast<std::uint8_t>(kind)});
  payloads_.push_back(payload);
}

std::uint32_t GroupWriter::lay_out() {
  std::size_t at = group_header_bytes + rows_.size() * sizeof(Row);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    rows_[i].bytes = static_cast<std::uint32_t>(payloads_[i].size());
    rows_[i].offset = static_cast<std::uint32_t>(at);
    rows_[i].checksum = checksum_of(rows_[i], payloads_[i]);
    at = aligned(at + payloads_[i].size(), payload_alignment);
  }
  CLUSTER_CHECK(at < std::numeric_limits<std::uint32_t>::max() / 2, "a group has a sane size", at);
  payload_end_ = static_cast<std::uint32_t>(at);
  fill(blocks_for(at));
  list_zero_sectors();
  buffer_.resize(blocks_for(payload_end_ + zeros_.size() * sizeof(std::uint32_t)));
  return static_cast<std::uint32_t>(buffer_.blocks());
}

// What the last group left in the buffer is overwritten, by zeros where nothing is laid.
void GroupWriter::fill(std::size_t blocks) {
  buffer_.resize(blocks);
  char* const begin = buffer_.data();
  std::memset(begin, 0, group_header_bytes);
  char* at = begin + group_header_bytes;
  auto lay = [&](const void* from, std::size_t size) {
    if (size > 0) std::memcpy(at, from, size);
    at += size;
  };
  lay(rows_.data(), rows_.size() * sizeof(Row));
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    lay(payloads_[i].data(), payloads_[i].size());
    auto end = static_cast<std::size_t>(at - begin);
    std::memset(at, 0, aligned(end, payload_alignment) - end);
    at = begin + aligned(end, payload_alignment);
  }
  CLUSTER_CHECK(at == begin + payload_end_, "payloads lie where their rows say");
  std::memset(at, 0, buffer_.bytes() - payload_end_);
}

// A sector that also holds some of the list, or the copy of the header, may be named here and be
// none in the end; that costs nothing but a hint.
void GroupWriter::list_zero_sectors() {
  for (std::uint32_t sector = 1; sector * sector_bytes < payload_end_; ++sector) {
    if (is_zero(buffer_.view(sector * sector_bytes, sector_bytes))) zeros_.push_back(sector);
  }
}

void GroupWriter::finish(GroupHeader& header) {
  header.magic = group_magic;
  header.blocks = static_cast<std::uint32_t>(buffer_.blocks());
  header.rows = static_cast<std::uint32_t>(rows_.size());
  header.rows_checksum = crc32c(buffer_.view(group_header_bytes, rows_.size() * sizeof(Row)));
  header.zeros_at = payload_end_;
  header.zeros = static_cast<std::uint32_t>(zeros_.size());
  ByteView zeros(reinterpret_cast<const char*>(zeros_.data()), zeros_.size() * sizeof(zeros_[0]));
  header.zeros_checksum = crc32c(zeros);
  if (!zeros.empty()) std::memcpy(buffer_.data() + payload_end_, zeros.data(), zeros.size());
  header.first = 0;
  header.end = 0;
  for (const Row& row : rows_) {
    if (row.record != static_cast<std::uint8_t>(RecordKind::entry)) continue;
    header.first = header.end == 0 ? row.position : std::min(header.first, row.position);
    header.end = std::max(header.end, row.position + 1);
  }
  header.checksum = checksum_of(header);
  std::memcpy(buffer_.data(), &header, sizeof(header));
  std::memcpy(buffer_.data() + buffer_.bytes() - group_header_bytes, &header, sizeof(header));
}

void finish(SegmentHeader& header, char* block) {
  header.magic = segment_magic;
  header.checksum = checksum_of(header);
  std::memcpy(block, &header, sizeof(header));
  std::memcpy(block + block_bytes - sector_bytes, &header, sizeof(header));
}

std::optional<SegmentHeader> parse_segment_header(ByteView block) {
  if (block.size() < block_bytes) return std::nullopt;
  for (std::size_t at : {std::size_t{0}, block_bytes - sector_bytes}) {
    SegmentHeader header;
    std::memcpy(&header, block.data() + at, sizeof(header));
    if (header.magic == segment_magic && header.checksum == checksum_of(header)) return header;
  }
  return std::nullopt;
}

std::optional<GroupHeader> parse_group_header(ByteView bytes, std::uint64_t nonce,
                                              std::uint32_t segment_blocks) {
  if (bytes.size() < group_header_bytes) return std::nullopt;
  return checked(bytes.data(), nonce, segment_blocks);
}

std::optional<GroupHeader> parse_group_copy(ByteView last_block, std::uint64_t nonce,
                                            std::uint32_t segment_blocks) {
  if (last_block.size() < block_bytes) return std::nullopt;
  return checked(last_block.data() + block_bytes - group_header_bytes, nonce, segment_blocks);
}

std::uint64_t newest_group_in(ByteView segment) {
  const auto blocks = static_cast<std::uint32_t>(segment.size() / block_bytes);
  std::uint64_t newest = 0;
  for (std::uint32_t block = 1; block < blocks; ++block) {
    const char* begin = segment.data() + std::size_t{block} * block_bytes;
    for (const char* at : {begin, begin + block_bytes - group_header_bytes}) {
      GroupHeader seen;
      std::memcpy(&seen, at, sizeof(seen));
      if (seen.magic != group_magic) continue;
      auto header = checked(at, seen.nonce, blocks);
      std::uint32_t lies_in =
          header && at != begin ? header->block + header->blocks - 1 : (header ? header->block : 0);
      if (lies_in == block) newest = std::max(newest, header->number);
    }
  }
  return newest;
}

std::optional<std::vector<Row>> parse_rows(const GroupHeader& header, ByteView group) {
  if (group.size() < rows_end(header)) return std::nullopt;
  ByteView stored = group.substr(group_header_bytes, header.rows * sizeof(Row));
  if (crc32c(stored) != header.rows_checksum) return std::nullopt;
  std::vector<Row> rows(header.rows);
  if (!rows.empty()) std::memcpy(rows.data(), stored.data(), stored.size());
  for (const Row& row : rows) {
    bool fits = row.offset >= rows_end(header) && row.offset <= header.zeros_at &&
                row.bytes <= header.zeros_at - row.offset;
    if (!fits || (row.kind & ~bare_bit) > kind_max) return std::nullopt;
  }
  return rows;
}

bool is_sound(const Row& row, ByteView payload) {
  return payload.size() == row.bytes && row.checksum == checksum_of(row, payload);
}

Result<LogEntry> entry_of(const Row& row, ByteView payload) {
  if (!is_sound(row, payload)) {
    return Error{Errc::corrupt,
                 "log entry " + std::to_string(row.position) + ": its checksum does not match"};
  }
  return LogEntry{.position = Position(row.position),
                  .ballot = {.round = row.round, .member = NodeId(row.member)},
                  .value = {.kind = static_cast<Kind>(row.kind & ~bare_bit),
                            .data = Bytes(payload),
                            .term = row.term,
                            .is_bare = (row.kind & bare_bit) != 0}};
}

bool is_zero(ByteView bytes) {
  return bytes.empty() ||
         (bytes.front() == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

bool has_unwritten_sector(const GroupHeader& header, ByteView group) {
  std::size_t zeros_end = header.zeros_at + header.zeros * sizeof(std::uint32_t);
  CLUSTER_CHECK(group.size() == header.blocks * block_bytes, "the whole group is given");
  ByteView stored = group.substr(header.zeros_at, header.zeros * sizeof(std::uint32_t));
  std::vector<std::uint32_t> meant(header.zeros);
  if (!meant.empty()) std::memcpy(meant.data(), stored.data(), stored.size());
  const bool is_list_known = crc32c(stored) == header.zeros_checksum;

  for (std::size_t sector = 0; sector * sector_bytes < group.size(); ++sector) {
    std::size_t begin = sector * sector_bytes;
    std::size_t end = begin + sector_bytes;
    if (!is_zero(group.substr(begin, sector_bytes))) continue;
    bool is_padding = begin >= zeros_end && end <= group.size() - group_header_bytes;
    if (is_padding) continue;
    // Payload may be zero on purpose; which sectors are is known only where the list is.
    bool is_payload = begin >= rows_end(header) && end <= header.zeros_at;
    if (is_payload && !is_list_known) continue;
    if (is_list_known && std::binary_search(meant.begin(), meant.end(), sector)) continue;
    return true;
  }
  return false;
}

}  // namespace cluster::replog::journal
