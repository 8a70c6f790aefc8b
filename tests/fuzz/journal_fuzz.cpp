// link: cluster::replog
// A segment of a journal may hold anything: it is read without harm, and what it calls sound is.
//
// Inputs are changes of a good segment (three bytes each: where, and what is flipped), since random
// bytes do not come past the first checksum.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "replog/journal_scan.hpp"

namespace {

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::journal;

constexpr std::uint32_t segment_blocks = 8;

std::string good_segment() {
  BlockBuffer segment(segment_blocks);
  SegmentHeader header{.blocks = segment_blocks, .sequence = 3, .nonce = 77, .first_group = 10};
  finish(header, segment.data());
  std::uint32_t block = 1;
  std::uint64_t position = 100;
  for (std::uint64_t number = 10; number < 14; ++number) {
    std::vector<LogEntry> entries;  // A group has only views of what they hold.
    for (std::uint64_t i = 0; i < number - 9; ++i) {
      Bytes data(std::string(number == 12 ? 1500 : 20, i == 1 ? '\0' : 'x'));
      entries.push_back({Position(position++), {number, NodeId(1)}, {Kind::data, data, number}});
    }
    GroupWriter group;
    group.begin();
    for (const LogEntry& entry : entries) group.add(entry);
    group.lay_out();
    GroupHeader made{.nonce = 77, .number = number, .block = block};
    made.state.entries_end = position;
    group.finish(made);
    std::copy_n(group.buffer().data(), group.buffer().bytes(),
                segment.data() + block * block_bytes);
    block += made.blocks;
  }
  return std::string(segment.view());
}

void read_through(const std::string& bytes) {
  auto header = parse_segment_header(bytes);
  if (!header) return;
  for (std::uint64_t next_group : {std::uint64_t{0}, std::uint64_t{14}, some_group}) {
    SegmentScan scan = scan_segment(bytes, *header, next_group);
    Index index;
    for (const FoundGroup& group : scan.groups) {
      CLUSTER_CHECK(group.block + group.blocks <= segment_blocks, "a group lies in its segment");
      if (group.is_sound()) {
        ByteView view = ByteView(bytes).substr(group.block * block_bytes);
        for (const Row& row : group.rows) {
          CLUSTER_CHECK(entry_of(row, view.substr(row.offset, row.bytes)).has_value(),
                        "what is called sound is");
          CLUSTER_CHECK(row.position >= 100 && row.position < 110, "nothing is made up");
        }
      }
      put_group(index, group, 3, {Position(1), Position(200)});
    }
    CLUSTER_CHECK(scan.end_block <= segment_blocks, "the end lies in the segment");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string good = good_segment();
  std::string bytes = good;
  for (std::size_t at = 0; at + 2 < size && at < 300; at += 3) {
    std::size_t offset = (std::size_t{data[at]} << 8 | data[at + 1]) % bytes.size();
    // A flip of nothing makes the sector one that was never written.
    if (data[at + 2] == 0) {
      std::size_t sector = offset / sector_bytes * sector_bytes;
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(sector), sector_bytes, '\0');
    } else {
      bytes[offset] = static_cast<char>(bytes[offset] ^ data[at + 2]);
    }
  }
  read_through(bytes);
  read_through(bytes.substr(0, bytes.size() - (size % segment_blocks) * block_bytes));
  return 0;
}
