// A history of clients' operations as a file, for the checker of linearizability. One JSON object a
// line; a client does one thing at a time, and many clients at once.
//
//   {"type":"invoke","client":"a","call":"put","key":"x","value":"1","time":17}
//   {"type":"return","client":"a","time":19}
//
//   type    invoke   the client asks
//           return   it has its answer
//           unknown  it has none and never will: what it asked for may take effect at any later
//           time,
//                    or never. The same as no further line of it. The client may go on.
//           failed   it knows that what it asked for never takes effect
//   call    put      `key`, `value`; its return says nothing more
//           get      `key`; its return has `value`: what the register holds, or null
//           cas      `key`, `expected` (null: nothing), `value`; its return has `swapped`, true or
//           false append   `value`; its return has `position` read     its return has `entries`:
//           all values of the log, in order catch_up its return has `end`: everything appended
//           before the question lies before it
//   client  text or number; any
//   key     text. Of a log's calls: which log; none means the only one
//   time    a number of any unit, of one clock for all lines. Lines may stand in any order that
//   keeps
//           each client's; what is of one time overlaps. Where no line has a time, the order of
//           lines is the time.
//
// Values should differ from each other: the search is quick then, and the verdict is sharp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cluster/result.hpp"
#include "sim/models.hpp"

namespace cluster::app {

struct HistoryFile {
  std::vector<sim::Operation<sim::RegisterModel>> registers;
  std::vector<sim::Operation<sim::LogModel>> logs;
  // Line numbers, from 1, of each operation's invoke.
  std::vector<std::size_t> register_lines;
  std::vector<std::size_t> log_lines;
};

Result<HistoryFile> parse_history(std::string_view text);

// The operations of the shortest beginning that is not linearizable, a line each; empty when the
// whole history is.
struct HistoryReport {
  sim::HistoryVerdict::Kind verdict = sim::HistoryVerdict::Kind::linearizable;
  std::vector<std::string> lines;
};
HistoryReport check_history(const HistoryFile&);

}  // namespace cluster::app
