// `cluster sim check-history FILE`: whether clients' operations, as a file tells them, could have
// been done one at a time.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "history_file.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {

int cmd_check_history(const CheckHistoryOptions& options) {
  std::string text;
  if (options.file == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream in(options.file, std::ios::binary);
    if (!in) return fail(Error{Errc::invalid_argument, "'" + options.file + "' cannot be read"});
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  Result<HistoryFile> file = parse_history(text);
  if (!file) {
    return fail(Error{file.error().code, "'" + options.file + "': " + file.error().context});
  }
  std::size_t operations = file->registers.size() + file->logs.size();
  HistoryReport report = check_history(*file);
  switch (report.verdict) {
    case sim::HistoryVerdict::Kind::linearizable:
      std::printf("linearizable: %s\n", count_of(operations, "operation").c_str());
      return 0;
    case sim::HistoryVerdict::Kind::too_hard:
      std::printf("no verdict: the search grew too large; let values differ\n");
      return 3;
    case sim::HistoryVerdict::Kind::not_linearizable: break;
  }
  std::printf("not linearizable; the shortest beginning of which that is so:\n");
  for (const std::string& line : report.lines) std::printf("  %s\n", line.c_str());
  return 1;
}

}  // namespace cluster::app
