// Entries out of the groups of one segment, each held against its checksum.
#pragma once

#include "replog/journal_files.hpp"
#include "replog/journal_format.hpp"

namespace cluster::replog::journal {

enum class ReadFrom : std::uint8_t { cache, disk };

class EntryReader {
 public:
  EntryReader(std::shared_ptr<const File> file, std::uint64_t nonce, std::uint32_t blocks,
              ReadFrom from)
      : file_(std::move(file)), nonce_(nonce), blocks_(blocks), from_(from) {}

  // Makes the group at `block` the present one. False: its header or rows cannot be read.
  bool load(std::uint32_t block, std::uint32_t blocks);
  // What the row says, when it is that position's entry.
  const Row* row(std::uint32_t index, Position) const;
  // `corrupt` when it cannot be vouched for. What the disk cannot read counts as damaged, too.
  Result<LogEntry> entry(std::uint32_t index, Position);

 private:
  // The bytes of the present group; nothing when the disk does not give them.
  std::optional<ByteView> bytes(std::size_t offset, std::size_t size);
  bool fill(std::size_t first_block, std::size_t count);

  std::shared_ptr<const File> file_;
  std::uint64_t nonce_;
  std::uint32_t blocks_;
  ReadFrom from_;

  std::uint32_t group_block_ = 0;  // 0: none.
  std::uint32_t group_blocks_ = 0;
  std::vector<Row> rows_;
  BlockBuffer window_;            // Some blocks of the group,
  std::size_t window_first_ = 0;  // from this one on.
};

}  // namespace cluster::replog::journal
