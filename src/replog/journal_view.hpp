// Reads a journal's entries: for its store, and for a person who looks at one from outside.
//
// Threads: `read` and `check` on any, while a store changes the contents under their mutex.
#pragma once

#include <map>
#include <optional>
#include <shared_mutex>

#include "replog/journal_reader.hpp"
#include "replog/journal_recovery.hpp"

namespace cluster::replog::journal {

struct Contents {
  explicit Contents(Recovery&& recovery)
      : segments(std::move(recovery.segments)),
        index(std::move(recovery.index)),
        state(recovery.state),
        configuration(recovery.configuration) {}
  Contents() = default;
  Contents& operator=(Recovery&& recovery) {
    segments = std::move(recovery.segments);
    index = std::move(recovery.index);
    state = recovery.state;
    configuration = recovery.configuration;
    return *this;
  }

  mutable std::shared_mutex mutex;
  std::map<std::uint64_t, Segment> segments;  // Guarded, as all below.
  Index index;
  State state;
  Bytes configuration;  // Encoded.
};

class View {
 public:
  explicit View(Contents& contents) : contents_(contents) {}

  // As in `Store`. `recover` only while nobody else uses the contents.
  Result<StoredEntries> read(Position first, Position end, std::size_t bytes_max) const;
  Result<RangeCheck> check(Position first, Position end, std::size_t bytes_max) const;
  Result<Recovered> recover(std::size_t window_bytes);

 private:
  // A place in a segment that stays readable while this is held.
  struct Spot {
    Piece piece;
    std::shared_ptr<const File> file;
    std::uint64_t nonce = 0;
    std::uint32_t blocks = 0;
  };
  // Reads entry after entry, keeping what was read of the present group.
  struct Cursor {
    explicit Cursor(ReadFrom f) : from(f) {}
    ReadFrom from;
    std::uint32_t segment = 0;
    std::optional<EntryReader> reader;
  };

  Spot find(Position at, Position end) const;
  Result<LogEntry> entry_at(const Spot&, Position, Cursor&) const;
  const EntryReader* reader_at(const Spot&, Position, Cursor&) const;
  bool is_still_at(const Spot&, Position) const;
  Position window_start(Position chosen_end, std::size_t window_bytes) const;
  Result<void> read_from(Position first, Recovered&);

  Contents& contents_;
};

}  // namespace cluster::replog::journal
