#include "replog/journal_view.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

namespace cluster::replog::journal {
namespace {

constexpr Position no_end(std::numeric_limits<std::uint64_t>::max());

std::uint32_t row_of(const Piece& piece, Position at) {
  if (piece.shape == Piece::one_each) return piece.record;
  return piece.record + static_cast<std::uint32_t>(at.value() - piece.first);
}

}  // namespace

View::Spot View::find(Position at, Position end) const {
  std::shared_lock lock(contents_.mutex);
  Spot spot{.piece = contents_.index.find(at, end), .file = nullptr};
  if (spot.piece.count == 0 || spot.piece.damaged()) return spot;
  const Segment& segment = contents_.segments.at(spot.piece.segment);
  spot.file = segment.file;
  spot.nonce = segment.nonce;
  spot.blocks = segment.blocks;
  return spot;
}

const EntryReader* View::reader_at(const Spot& spot, Position at, Cursor& cursor) const {
  if (!cursor.reader || cursor.segment != spot.piece.segment) {
    cursor.reader.emplace(spot.file, spot.nonce, spot.blocks, cursor.from);
    cursor.segment = spot.piece.segment;
  }
  auto index = static_cast<std::uint32_t>(at.value() - spot.piece.first);
  std::uint32_t block = spot.piece.block;
  if (spot.piece.shape == Piece::one_each) block += index * spot.piece.blocks;
  return cursor.reader->load(block, spot.piece.blocks) ? &*cursor.reader : nullptr;
}

Result<LogEntry> View::entry_at(const Spot& spot, Position at, Cursor& cursor) const {
  if (reader_at(spot, at, cursor) == nullptr) {
    return Error{Errc::corrupt,
                 "the group of log entry " + std::to_string(at.value()) + " cannot be read"};
  }
  return cursor.reader->entry(row_of(spot.piece, at), at);
}

// Whether the entry is to be read from there still: the segment may have been retired meanwhile.
bool View::is_still_at(const Spot& spot, Position at) const {
  Spot now = find(at, at.next());
  return now.piece.count != 0 && now.file == spot.file;
}

Result<StoredEntries> View::read(Position first, Position end, std::size_t bytes_max) const {
  StoredEntries found;
  Cursor cursor(ReadFrom::cache);
  std::size_t bytes = 0;
  for (Position at = first; at < end && (bytes < bytes_max || found.entries.empty());) {
    Spot spot = find(at, end);
    if (spot.piece.count == 0) break;
    at = Position(spot.piece.first);
    if (spot.piece.damaged()) {
      found.damaged = at;
      return found;
    }
    for (; at.value() < spot.piece.end() && (bytes < bytes_max || found.entries.empty());
         at = at.next()) {
      auto entry = entry_at(spot, at, cursor);
      if (!entry) {
        if (!is_still_at(spot, at)) break;
        found.damaged = at;
        return found;
      }
      bytes += entry->value.cost();
      found.entries.push_back(*std::move(entry));
    }
  }
  return found;
}

Result<RangeCheck> View::check(Position first, Position end, std::size_t bytes_max) const {
  RangeCheck checked{.end = end, .damaged = {}, .missing = {}};
  Cursor cursor(ReadFrom::disk);
  std::uint64_t& bytes = checked.bytes;
  for (Position at = first; at < end;) {
    Spot spot = find(at, end);
    Position next = spot.piece.count == 0 ? end : Position(spot.piece.first);
    if (at < next) checked.missing.push_back({at, next});
    if (spot.piece.count == 0) break;
    at = next;
    bool is_retired = false;
    for (; at.value() < spot.piece.end() && !is_retired; at = at.next()) {
      if (bytes >= bytes_max) {
        checked.end = at;
        return checked;
      }
      auto entry = spot.piece.damaged() ? Result<LogEntry>(Error{Errc::corrupt, {}})
                                        : entry_at(spot, at, cursor);
      bytes += sizeof(Row) + (entry ? entry->value.data.size() : 0);
      if (entry) {
        checked.checksum = checksum_value(checked.checksum, *entry);
      } else if (spot.piece.damaged() || is_still_at(spot, at)) {
        checked.damaged.push_back(at);
      } else {
        is_retired = true;
        break;
      }
    }
  }
  return checked;
}

// Backwards from the chosen end, until the entries from here on are as large as the window.
Position View::window_start(Position chosen_end, std::size_t window_bytes) const {
  Cursor cursor(ReadFrom::disk);
  Position first = chosen_end;
  std::size_t bytes = 0;
  while (bytes < window_bytes) {
    Piece piece = contents_.index.find_before(first);
    if (piece.count == 0) break;
    if (piece.damaged()) {
      first = Position(piece.first);
      continue;
    }
    Spot spot = find(Position(piece.first), first);
    for (Position at(piece.end()); at.value() > piece.first && bytes < window_bytes;) {
      at = Position(at.value() - 1);
      first = at;
      const EntryReader* reader = reader_at(spot, at, cursor);
      const Row* row = reader != nullptr ? reader->row(row_of(piece, at), at) : nullptr;
      bytes += (row != nullptr ? row->bytes : 0) + 64;
    }
  }
  return first;
}

// What is sound from `first` on; the index learns what is not.
Result<void> View::read_from(Position first, Recovered& recovered) {
  for (Position at = first;;) {
    auto read = this->read(at, no_end, std::numeric_limits<std::size_t>::max());
    if (!read) return std::move(read).error();
    for (LogEntry& entry : read->entries) recovered.entries.push_back(std::move(entry));
    if (!read->damaged) return {};
    // Of the rest of a stretch that is known to be damaged nothing is read.
    Piece piece = contents_.index.find(read->damaged, no_end);
    if (!piece.damaged()) {
      contents_.index.put_damaged({read->damaged, read->damaged.next()}, piece.segment, piece.block,
                                  piece.blocks);
      piece.count = 1;
    }
    at = Position(piece.end());
  }
}

Result<Recovered> View::recover(std::size_t window_bytes) {
  Recovered recovered{
      .promised = {.round = contents_.state.promised_round,
                   .member = NodeId(contents_.state.promised_member)},
      .chosen_end = Position(std::max(contents_.state.chosen_end, contents_.state.kept_from)),
      .entries = {},
      .chosen_term = std::max(contents_.state.chosen_term, contents_.state.kept_term),
      .configuration = {},
      .kept_from = Position(contents_.state.kept_from),
      .kept_term = contents_.state.kept_term,
      .damaged = {}};
  if (!contents_.configuration.empty()) {
    auto decoded = decode_configuration(contents_.configuration.view(),
                                        Position(contents_.state.configuration_since));
    if (!decoded) return std::move(decoded).error();
    recovered.configuration = *std::move(decoded);
  }
  recovered.first = window_start(recovered.chosen_end, window_bytes);
  if (auto read = read_from(recovered.first, recovered); !read) return std::move(read).error();
  // Chosen entries have no gaps.
  recovered.damaged = contents_.index.damaged();
  if (recovered.kept_from < recovered.chosen_end) {
    auto gaps = contents_.index.gaps({recovered.kept_from, recovered.chosen_end});
    recovered.damaged.insert(recovered.damaged.end(), gaps.begin(), gaps.end());
  }
  std::sort(recovered.damaged.begin(), recovered.damaged.end(),
            [](const PositionRange& a, const PositionRange& b) { return a.first < b.first; });
  return recovered;
}

}  // namespace cluster::replog::journal
