// How several logs stand in one journal. Each commit is a row of the journal's entries:
//
//   summary | the logs' own entries, log by log | the summary again
//
// and the journal sees to it that all of it is durable or nothing. A summary says of each log that
// the commit touched what its state is now and which positions follow; and it repeats what the
// commit before said, so that a commit that is lost as a whole can still be told whose it was.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cluster/log_host.hpp"
#include "replog/types.hpp"

namespace cluster::replog {

// What all of a log's changes so far come to, but for its entries and its members.
struct LogState {
  Ballot promised;
  Position chosen_end{1};
  std::uint64_t chosen_term = 0;
  Position kept_from{1};
  std::uint64_t kept_term = 0;
  Position entries_end{1};       // Of all positions ever written.
  Position configuration_since;  // The entry that set the members.
  friend bool operator==(const LogState&, const LogState&) = default;
};

// Of one log, in one commit.
struct LogRecord {
  LogId log;
  LogState state;
  // Encoded; where the commit sets them, or repeats them to be found later.
  std::optional<Bytes> configuration;
  std::vector<PositionRange> damaged;  // What is lost of it, and not written again yet.
  std::vector<PositionRange> runs;     // Its entries here, in the order in which they stand.
  friend bool operator==(const LogRecord&, const LogRecord&) = default;
};

struct CommitRecord {
  std::uint64_t start = 0;  // The journal's position of its summary.
  std::vector<LogRecord> logs;

  std::uint64_t entries() const;
  std::uint64_t end() const { return start + entries() + 2; }
  friend bool operator==(const CommitRecord&, const CommitRecord&) = default;
};

struct Summary {
  CommitRecord commit;
  std::optional<CommitRecord> previous;
};

Bytes encode(const CommitRecord&);
// `previous`: as encoded; empty where there was none.
Bytes encode_summary(const Bytes& commit, const Bytes& previous);
// Nothing where it is no summary, or makes no sense.
std::optional<Summary> decode_summary(ByteView);

// A summary's place in the journal is taken by an entry of a ballot that no member can have.
LogEntry summary_entry(std::uint64_t at, Bytes summary);
bool is_summary(const LogEntry&);

}  // namespace cluster::replog
