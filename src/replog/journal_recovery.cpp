#include "replog/journal_recovery.hpp"

#include <algorithm>
#include <cstring>

#include "base/crc32c.hpp"
#include "replog/journal_keeper.hpp"

namespace cluster::replog::journal {
namespace {

// Stands for bytes that cannot be read: not zero, and no header.
constexpr char unreadable = '\x5a';

struct Opened {
  std::shared_ptr<File> file;
  BlockBuffer head;  // Block 0.
  std::optional<SegmentHeader> header;
};

class Reader {
 public:
  Reader(Folder& folder, const RecoveryOptions& options) : folder_(folder), options_(options) {}

  Result<Recovery> run() {
    if (auto listed = list(); !listed) return std::move(listed).error();
    if (auto found = find_last(); !found) return std::move(found).error();
    if (!last_) return std::move(recovery_);
    take_state();
    if (recovery_.fatal && !options_.reads_everything) return std::move(recovery_);
    if (auto read = read_sealed(); !read) return std::move(read).error();
    put_groups(recovery_.segments.at(last_), last_scan_);
    recovery_.index.drop_before(Position(recovery_.state.kept_from));
    if (recovery_.state.configuration_bytes != 0 && recovery_.configuration.empty()) {
      fail("the newest list of members cannot be read", segment_name(last_), 0);
    }
    if (auto looked = look_at_next(); !looked) return std::move(looked).error();
    return std::move(recovery_);
  }

 private:
  Result<void> list() {
    auto names = folder_.list();
    if (!names) return std::move(names).error();
    for (const std::string& name : *names) {
      if (is_spare_name(name)) recovery_.spares.push_back(name);
      auto sequence = sequence_of(name);
      if (!sequence && !is_spare_name(name)) continue;
      auto file = folder_.open(name);
      if (!file) return std::move(file).error();
      recovery_.bytes += (*file)->size();
      if (!sequence) continue;
      Opened opened{.file = *std::move(file), .head = {}, .header = {}};
      opened.head.resize(1);
      auto got = opened.file->read_disk(0, opened.head.data(), block_bytes);
      if (!got) return std::move(got).error();
      opened.header = parse_segment_header(opened.head.view());
      if (opened.header) {
        if (auto checked = check_header(*sequence, *opened.header); !checked) return checked;
      }
      recovery_.last_file = std::max(recovery_.last_file, *sequence);
      opened_.emplace(*sequence, std::move(opened));
    }
    return {};
  }

  Result<void> check_header(std::uint64_t sequence, const SegmentHeader& header) const {
    const std::string path = folder_.path(segment_name(sequence));
    if (header.version != format_version) {
      return Error{Errc::unsupported, path + " is of format " + std::to_string(header.version) +
                                          "; this program knows format " +
                                          std::to_string(format_version)};
    }
    const Identity& mine = options_.identity;
    bool is_ours = !mine.cluster ||
                   (header.cluster == mine.cluster.value() &&
                    header.member == mine.member.value() && header.incarnation == mine.incarnation);
    if (is_ours && header.sequence == sequence) return {};
    return Error{Errc::corrupt,
                 path +
                     (is_ours ? " says that it is segment " + std::to_string(header.sequence)
                              : std::string(" belongs to another directory")) +
                     "; the files of a journal must not be renamed, copied or exchanged"};
  }

  // The last segment that holds anything durable.
  Result<void> find_last() {
    std::uint64_t next_group = 0;
    for (auto at = opened_.rbegin(); at != opened_.rend(); ++at) {
      auto& [sequence, opened] = *at;
      ByteView head = opened.head.view();
      if (!opened.header) {
        if (is_zero(head)) continue;
        // Written halfway: nothing in it was ever durable.
        bool is_torn = is_zero(head.substr(0, sector_bytes)) ||
                       is_zero(head.substr(block_bytes - sector_bytes));
        if (!is_torn) {
          fail("both headers of the segment are damaged", segment_name(sequence), 0);
          return {};
        }
      } else {
        if (auto read = read_whole(opened, *opened.header); !read) return read;
        last_scan_ = scan_segment(bytes_.view(), *opened.header, next_group);
        if (last_scan_.ending != Ending::unused) {
          last_ = sequence;
          add_segment(sequence, opened);
          return {};
        }
      }
      recovery_.dirty_segments.push_back(sequence);
      next_group = some_group;
    }
    return {};
  }

  Result<void> read_whole(const Opened& opened, const SegmentHeader& header) {
    std::uint64_t size =
        std::min<std::uint64_t>(std::uint64_t{header.blocks} * block_bytes, opened.file->size());
    bytes_.clear(size / block_bytes);
    auto got = opened.file->read_disk(0, bytes_.data(), bytes_.bytes());
    if (got && *got == bytes_.bytes()) return {};
    // What the disk cannot read is damaged, and no more than that.
    for (std::size_t at = 0; at < bytes_.bytes(); at += block_bytes) {
      got = opened.file->read_disk(at, bytes_.data() + at, block_bytes);
      if (!got || *got != block_bytes) std::fill_n(bytes_.data() + at, block_bytes, unreadable);
    }
    return {};
  }

  void add_segment(std::uint64_t sequence, const Opened& opened) {
    recovery_.segments[sequence] = {.sequence = sequence,
                                    .nonce = opened.header ? opened.header->nonce : 0,
                                    .blocks = opened.header ? opened.header->blocks : 0,
                                    .file = opened.file,
                                    .positions = {}};
  }

  void take_state() {
    recovery_.end_block = last_scan_.end_block;
    recovery_.dirty_end = last_scan_.dirty_end;
    const std::uint64_t end = std::uint64_t{last_scan_.end_block} * block_bytes;
    for (const FoundGroup& group : last_scan_.groups) {
      if (!group.is_known) continue;
      const GroupHeader& header = group.header;
      recovery_.state = header.state;
      recovery_.last = {header.number, header.checksum, header.blocks, header.first, header.end};
    }
    if (last_scan_.ending == Ending::uncertain) {
      fail("the last group cannot be read", segment_name(last_), end);
    } else if (last_scan_.groups.empty() || !last_scan_.groups.back().is_known) {
      fail("the last group's headers are damaged", segment_name(last_), end);
    }
    find_configuration(last_scan_, bytes_.view());
  }

  void fail(const std::string& what, const std::string& file, std::uint64_t offset) {
    recovery_.findings.push_back({file, offset, block_bytes, {}, what});
    if (recovery_.fatal) return;
    recovery_.fatal =
        Error{Errc::corrupt,
              folder_.path(file) + ", offset " + std::to_string(offset) + ": " + what +
                  ". A promise may have been lost with it, so this replica must not vote again: "
                  "remove this member and add a new one with an empty directory (`cluster members "
                  "remove`, `cluster members add`). `cluster log verify` shows all of the damage"};
  }

  void find_configuration(const SegmentScan& scan, ByteView segment) {
    if (recovery_.state.configuration_bytes == 0 || !recovery_.configuration.empty()) return;
    for (auto group = scan.groups.rbegin(); group != scan.groups.rend(); ++group) {
      for (const Row& row : group->rows) {
        if (row.record != static_cast<std::uint8_t>(RecordKind::configuration)) continue;
        ByteView payload = segment.substr(group->block * block_bytes + row.offset, row.bytes);
        if (payload.size() == recovery_.state.configuration_bytes &&
            crc32c(payload) == recovery_.state.configuration_checksum) {
          recovery_.configuration = Bytes(payload);
          return;
        }
      }
    }
  }

  // From the oldest that is needed to the last but one: by the catalog that the segment after it
  // begins with, or by itself.
  Result<void> read_sealed() {
    const std::uint64_t oldest = recovery_.state.oldest_segment;
    for (const auto& [sequence, opened] : opened_) {
      if (sequence < oldest) recovery_.old_segments.push_back(sequence);
    }
    for (std::uint64_t sequence = oldest; sequence < last_; ++sequence) {
      auto catalog = catalog_of(sequence);
      if (!catalog) return std::move(catalog).error();
      auto at = opened_.find(sequence);
      if (at == opened_.end() || !at->second.header) {
        lose(sequence, *catalog);
        continue;
      }
      add_segment(sequence, at->second);
      if (*catalog) {
        for (const Piece& piece : **catalog) recovery_.index.put(piece);
      }
      if (*catalog && !options_.reads_everything) continue;
      if (auto read = scan_sealed(sequence, at->second, catalog->has_value()); !read) return read;
    }
    return {};
  }

  Result<void> scan_sealed(std::uint64_t sequence, const Opened& opened, bool has_catalog) {
    auto next = opened_.find(sequence + 1);
    std::uint64_t next_group = next != opened_.end() && next->second.header
                                   ? next->second.header->first_group
                                   : some_group;
    // The last segment's bytes are no longer needed: its configuration was looked for.
    if (auto read = read_whole(opened, *opened.header); !read) return read;
    SegmentScan scan = scan_segment(bytes_.view(), *opened.header, next_group);
    find_configuration(scan, bytes_.view());
    Segment& segment = recovery_.segments.at(sequence);
    if (has_catalog) {
      for (const FoundGroup& group : scan.groups) note(segment, group, held_in(segment, group));
    } else {
      put_groups(segment, scan);
    }
    return {};
  }

  // What the index says lies in a damaged group, and cannot be read.
  std::vector<PositionRange> held_in(const Segment& segment, const FoundGroup& group) {
    std::vector<PositionRange> held;
    if (group.is_sound()) return held;
    auto is_in = [&](const Piece& piece) {
      return piece.segment == segment.sequence && piece.block >= group.block &&
             piece.block < group.block + group.blocks && !piece.damaged();
    };
    PositionRange range = group.has_rows || !group.is_exact ? anything() : group.positions;
    std::vector<std::uint64_t> damaged;
    for (std::uint32_t i : group.damaged_rows) damaged.push_back(group.rows[i].position);
    for (Position at = range.first; at < range.end;) {
      Piece piece = recovery_.index.find(at, range.end);
      if (piece.count == 0) break;
      if (piece.segment != segment.sequence) {
        at = Position(piece.end());
        continue;
      }
      if (piece.shape == Piece::one_each) piece.count = 1;
      at = Position(piece.end());
      if (!is_in(piece)) continue;
      for (Position each(piece.first); each < at; each = each.next()) {
        bool is_lost = !group.has_rows ||
                       std::find(damaged.begin(), damaged.end(), each.value()) != damaged.end();
        if (is_lost) held.push_back({each, each.next()});
      }
    }
    for (const PositionRange& lost : held) {
      recovery_.index.put_damaged(lost, static_cast<std::uint32_t>(segment.sequence), group.block,
                                  group.blocks);
    }
    return held;
  }

  // Nothing when it is damaged. The first group of a segment also repeats the members.
  Result<std::optional<std::vector<Piece>>> catalog_of(std::uint64_t sequence) {
    std::optional<std::vector<Piece>> none;
    auto next = opened_.find(sequence + 1);
    if (next == opened_.end() || !next->second.header) return none;
    const SegmentHeader& segment = *next->second.header;
    BlockBuffer group(1);
    auto got = next->second.file->read_disk(block_bytes, group.data(), block_bytes);
    if (!got) return std::move(got).error();
    auto header = parse_group_header(group.view(), segment.nonce, segment.blocks);
    if (!header || header->block != 1) return none;
    group.resize(header->blocks);
    got = next->second.file->read_disk(block_bytes, group.data(), group.bytes());
    if (!got) return std::move(got).error();
    auto rows = parse_rows(*header, group.view());
    if (!rows) return none;
    std::optional<std::vector<Piece>> pieces;
    for (const Row& row : *rows) {
      ByteView payload = group.view(row.offset, row.bytes);
      if (!is_sound(row, payload)) continue;
      if (row.record == static_cast<std::uint8_t>(RecordKind::catalog) &&
          row.position == sequence && payload.size() % sizeof(Piece) == 0) {
        pieces.emplace(payload.size() / sizeof(Piece));
        if (!payload.empty()) std::memcpy(pieces->data(), payload.data(), payload.size());
      }
      if (row.record == static_cast<std::uint8_t>(RecordKind::configuration) &&
          recovery_.configuration.empty() &&
          payload.size() == recovery_.state.configuration_bytes &&
          crc32c(payload) == recovery_.state.configuration_checksum) {
        recovery_.configuration = Bytes(payload);
      }
    }
    return pieces;
  }

  // A whole segment that is gone or cannot be told from another.
  void lose(std::uint64_t sequence, const std::optional<std::vector<Piece>>& catalog) {
    Finding finding{.file = segment_name(sequence),
                    .positions = {},
                    .what = opened_.contains(sequence) ? "both headers of the segment are damaged"
                                                       : "the file is missing"};
    auto number = static_cast<std::uint32_t>(sequence);
    if (catalog) {
      for (const Piece& piece : *catalog) {
        finding.positions.push_back({Position(piece.first), Position(piece.end())});
      }
    } else {
      finding.positions.push_back(anything());
    }
    for (const PositionRange& range : finding.positions) {
      recovery_.index.put_damaged(range, number, 0, 0);
    }
    recovery_.findings.push_back(std::move(finding));
  }

  PositionRange anything() const {
    return {Position(recovery_.state.kept_from), Position(recovery_.state.entries_end)};
  }

  void put_groups(Segment& segment, const SegmentScan& scan) {
    for (const FoundGroup& group : scan.groups) {
      put_group(recovery_.index, group, static_cast<std::uint32_t>(segment.sequence), anything());
      widen(segment.positions, group);
      std::vector<PositionRange> held;
      for (std::uint32_t i : group.damaged_rows) {
        Position at(group.rows[i].position);
        if (at) held.push_back({at, at.next()});
      }
      if (!group.has_rows) held.push_back(group.is_exact ? group.positions : anything());
      note(segment, group, std::move(held));
    }
  }

  void note(const Segment& segment, const FoundGroup& group, std::vector<PositionRange> held) {
    recovery_.groups += 1;
    if (group.is_sound()) return;
    recovery_.findings.push_back({.file = segment_name(segment.sequence),
                                  .offset = std::uint64_t{group.block} * block_bytes,
                                  .bytes = std::uint64_t{group.blocks} * block_bytes,
                                  .positions = std::move(held),
                                  .what = group.damage});
  }

  void widen(PositionRange& positions, const FoundGroup& group) const {
    PositionRange held =
        group.is_known ? PositionRange{Position(group.header.first), Position(group.header.end)}
                       : anything();
    if (held.first == held.end) return;
    if (positions.first == positions.end) {
      positions = held;
    } else {
      positions.first = std::min(positions.first, held.first);
      positions.end = std::max(positions.end, held.end);
    }
  }

  // A torn write may have left something in the segment after the last, behind a header of zeros:
  // its first two groups at most, which are written with the header. Where more stand there the
  // header was durable, and what they hold may have been acknowledged.
  Result<void> look_at_next() {
    // Files get their numbers in order: one that is missing before another is lost.
    for (std::uint64_t sequence = last_ + 1; sequence < recovery_.last_file; ++sequence) {
      if (opened_.contains(sequence)) continue;
      fail("the file is missing", segment_name(sequence), 0);
      return {};
    }
    for (auto at = opened_.upper_bound(last_); at != opened_.end(); ++at) {
      auto& [sequence, opened] = *at;
      bytes_.clear(opened.file->size() / block_bytes);
      auto got = opened.file->read_disk(0, bytes_.data(), bytes_.bytes());
      if (!got) return std::move(got).error();
      if (is_zero(bytes_.view())) continue;
      const std::uint64_t torn_end = sequence == last_ + 1 ? recovery_.last.number + 2 : 0;
      if (newest_group_in(bytes_.view()) > torn_end) {
        fail("both headers of the segment are gone, and groups follow them", segment_name(sequence),
             0);
        return {};
      }
      auto& dirty = recovery_.dirty_segments;
      bool is_known = std::find(dirty.begin(), dirty.end(), sequence) != dirty.end();
      if (!is_known) dirty.push_back(sequence);
    }
    return {};
  }

  Folder& folder_;
  const RecoveryOptions& options_;
  std::map<std::uint64_t, Opened> opened_;
  std::uint64_t last_ = 0;
  SegmentScan last_scan_;
  BlockBuffer bytes_;
  Recovery recovery_;
};

}  // namespace

Result<Recovery> recover_journal(Folder& folder, const RecoveryOptions& options) {
  return Reader(folder, options).run();
}

}  // namespace cluster::replog::journal
