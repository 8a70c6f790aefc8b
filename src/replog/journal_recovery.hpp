// What a journal's files say after a restart, or to a person who looks at them. Reads only.
#pragma once

#include <map>

#include "replog/journal_files.hpp"
#include "replog/journal_scan.hpp"

namespace cluster::replog::journal {

struct Segment {
  std::uint64_t sequence = 0;
  std::uint64_t nonce = 0;
  std::uint32_t blocks = 0;
  std::shared_ptr<File> file;
  PositionRange positions{};  // All entries in it lie within; none: not known.
};

// Something that is not as it was written.
struct Finding {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::vector<PositionRange> positions;  // Of entries that it may have held.
  std::string what;
};

// The last group: what the next one's header says of it.
struct LastGroup {
  std::uint64_t number = 0;
  std::uint32_t checksum = 0;
  std::uint32_t blocks = 0;
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};

struct Recovery {
  std::map<std::uint64_t, Segment> segments;  // In use, by sequence; empty: the journal is new.
  State state;
  Bytes configuration;  // Encoded; empty when none was set.
  Index index;
  LastGroup last;
  std::uint32_t end_block = 1;  // In the last segment: where the next group goes,
  std::uint32_t dirty_end = 0;  // and to where there is something that was never durable.
  std::vector<std::uint64_t> dirty_segments;  // Ready ones that are not all zero.
  std::vector<std::uint64_t> old_segments;    // No longer needed.
  std::vector<std::string> spares;
  std::uint64_t last_file = 0;  // The highest sequence there is a file for.
  std::uint64_t bytes = 0;      // Of all files.
  std::vector<Finding> findings;
  // Set when this replica must not go on: what was lost may have been a promise.
  std::optional<Error> fatal;
  std::uint64_t groups = 0;  // As far as they were looked at.
};

struct RecoveryOptions {
  Identity identity;              // Segments of another one are an error; all 0: any.
  bool reads_everything = false;  // Every group and payload, where an index would do.
};

Result<Recovery> recover_journal(Folder&, const RecoveryOptions&);

}  // namespace cluster::replog::journal
