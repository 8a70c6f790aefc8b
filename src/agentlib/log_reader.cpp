#include "agentlib/log_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "agentlib/output_file.hpp"

namespace cluster::agentlib {

namespace {

// One attempt. None: what was to be read was released meanwhile, and zeros may have been read.
std::optional<Result<LogPart>> read_once(const OutputFile& log, const char* file,
                                         std::uint64_t offset, std::size_t size_max) {
  auto size = static_cast<std::uint64_t>(log.size());
  if (offset >= size) return LogPart{.offset = offset, .reached_end = true};
  off_t first = log.first_data(static_cast<off_t>(offset));
  if (first < 0 || first >= log.size()) return LogPart{.offset = size, .reached_end = true};
  auto from = static_cast<std::uint64_t>(first);
  std::string data(static_cast<std::size_t>(std::min<std::uint64_t>(size_max, size - from)), '\0');
  ssize_t n = 0;
  do {
    n = ::pread(log.descriptor(), data.data(), data.size(), first);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return Error{Errc::storage,
                 std::string("cannot read its ") + file + ": " + std::strerror(errno)};
  }
  // Blocks are released from the beginning on: the first one of ours went before any other.
  if (log.first_data(first) != first) return std::nullopt;
  data.resize(static_cast<std::size_t>(n));
  bool reached_end = from + data.size() >= size;
  return LogPart{.data = Bytes(std::move(data)), .offset = from, .reached_end = reached_end};
}

}  // namespace

Result<LogPart> read_log(const std::string& sandbox, const char* file, std::uint64_t offset,
                         std::size_t size_max) {
  for (;;) {
    auto log = OutputFile::open(sandbox, file, O_RDONLY);
    if (!log && log.error().code == Errc::failed) {
      return LogPart{.offset = offset, .reached_end = true};
    }
    if (!log) return std::move(log).error();
    // Each further round needs a release, of which there are few in a second.
    if (auto part = read_once(*log, file, offset, size_max)) return *std::move(part);
  }
}

}  // namespace cluster::agentlib
