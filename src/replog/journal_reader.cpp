#include "replog/journal_reader.hpp"

#include <algorithm>

namespace cluster::replog::journal {
namespace {

constexpr std::size_t window_blocks = 64;

}  // namespace

bool EntryReader::fill(std::size_t first_block, std::size_t count) {
  count = std::min(std::max(count, window_blocks), group_blocks_ - first_block);
  window_.clear(count);
  window_first_ = first_block;
  std::uint64_t offset = (group_block_ + first_block) * block_bytes;
  auto got = from_ == ReadFrom::disk ? file_->read_disk(offset, window_.data(), window_.bytes())
                                     : file_->read(offset, window_.data(), window_.bytes());
  if (got && *got == window_.bytes()) return true;
  window_.clear(0);
  return false;
}

std::optional<ByteView> EntryReader::bytes(std::size_t offset, std::size_t size) {
  std::size_t first = offset / block_bytes;
  std::size_t end = (offset + size + block_bytes - 1) / block_bytes;
  if (end > group_blocks_) return std::nullopt;
  bool has_it = first >= window_first_ && end <= window_first_ + window_.blocks();
  if (!has_it && !fill(first, std::max<std::size_t>(end - first, 1))) return std::nullopt;
  return window_.view(offset - window_first_ * block_bytes, size);
}

bool EntryReader::load(std::uint32_t block, std::uint32_t blocks) {
  if (block != 0 && block == group_block_ && blocks == group_blocks_) return true;
  group_block_ = block;
  group_blocks_ = blocks;
  rows_.clear();
  window_.clear(0);
  window_first_ = 0;
  std::optional<GroupHeader> header;
  if (block != 0 && blocks != 0 && block < blocks_ && blocks <= blocks_ - block) {
    if (auto begin = bytes(0, block_bytes)) header = parse_group_header(*begin, nonce_, blocks_);
    if (!header) {
      auto end = bytes((blocks - 1) * block_bytes, block_bytes);
      if (end) header = parse_group_copy(*end, nonce_, blocks_);
    }
  }
  if (header && header->block == block && header->blocks == blocks) {
    auto head = bytes(0, rows_end(*header));
    auto rows = head ? parse_rows(*header, *head) : std::nullopt;
    if (rows) {
      rows_ = *std::move(rows);
      return true;
    }
  }
  group_block_ = 0;
  return false;
}

const Row* EntryReader::row(std::uint32_t index, Position at) const {
  if (index >= rows_.size() || rows_[index].position != at.value() ||
      rows_[index].record != static_cast<std::uint8_t>(RecordKind::entry)) {
    return nullptr;
  }
  return &rows_[index];
}

Result<LogEntry> EntryReader::entry(std::uint32_t index, Position at) {
  const Row* found = row(index, at);
  auto payload = found != nullptr ? bytes(found->offset, found->bytes) : std::nullopt;
  if (!payload) {
    return Error{Errc::corrupt, "log entry " + std::to_string(at.value()) + " cannot be read"};
  }
  return entry_of(*found, *payload);
}

}  // namespace cluster::replog::journal
