#include "agentlib/output_limiter.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agentlib/output_file.hpp"
#include "agentlib/task_directory.hpp"

namespace cluster::agentlib {

namespace {

constexpr std::chrono::milliseconds calm_pause{1000};
constexpr std::chrono::milliseconds busy_pause{100};  // While a task writes that much.
// Some file systems write to the disk first what they are to release. In pieces, other tasks'
// starts and ends do not wait for all of it.
constexpr off_t piece_size = 16 << 20;
constexpr off_t block_size_min = 4096;

bool occupies_more(const struct stat& info, std::uint64_t bytes) {
  return S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_blocks) * 512 > bytes;
}

}  // namespace

int release_blocks(int file, off_t from, off_t end) {
  int result = ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, end - from);
  return result == 0 ? 0 : errno;
}

void OutputLimiter::begin(const TaskKey& key) {
  if (is_off()) return;
  outputs_[key] = {};
  look_at_ = std::min(look_at_, Clock::now() + calm_pause);
}

void OutputLimiter::end(const TaskKey& key) {
  if (is_off()) return;
  Output& output = outputs_[key];
  output.is_over = true;
  if (hold(key, output) == Found::within) {
    outputs_.erase(key);
  } else {
    look_at_ = std::min(look_at_, Clock::now());
  }
}

void OutputLimiter::look(Clock::time_point now) {
  if (now < look_at_) return;
  std::chrono::milliseconds pause = calm_pause;
  for (auto one = outputs_.begin(); one != outputs_.end();) {
    Found found = hold(one->first, one->second);
    if (found == Found::more) pause = {};
    if (found == Found::released) pause = std::min(pause, busy_pause);
    one = found == Found::within && one->second.is_over ? outputs_.erase(one) : std::next(one);
  }
  if (is_off()) outputs_.clear();
  look_at_ = outputs_.empty() ? Clock::time_point::max() : now + pause;
}

OutputLimiter::Found OutputLimiter::hold(const TaskKey& key, Output& output) {
  return std::max(hold(key, output, "stdout"), hold(key, output, "stderr"));
}

OutputLimiter::Found OutputLimiter::hold(const TaskKey& key, Output& output, const char* file) {
  std::string sandbox = sandbox_directory(directory_, key);
  std::string path = sandbox + "/" + file;
  struct stat info {};
  if (is_off() || ::lstat(path.c_str(), &info) != 0 || !occupies_more(info, bytes_max_)) {
    return Found::within;
  }
  auto opened = OutputFile::open(sandbox, file, O_RDWR);
  if (!opened) return Found::within;
  off_t first = opened->first_data(0);
  off_t size = opened->size();
  // Blocks beyond the end, which some file systems take in advance, are nobody's output.
  if (first < 0 || static_cast<std::uint64_t>(size - first) <= bytes_max_) return Found::within;
  off_t block = std::max(opened->block_size(), block_size_min);
  off_t wanted = (size - static_cast<off_t>(bytes_max_ / 2)) / block * block;
  off_t from = first / block * block;
  off_t end = std::min(wanted, from + std::max(piece_size / block, off_t{1}) * block);
  if (end <= from) return Found::within;
  if (int code = release_(opened->descriptor(), from, end)) return refuse(path, code);
  if (!std::exchange(output.has_told, true)) {
    logger_.warning("output over its limit, its beginning is released", "framework", key.framework,
                    "task", key.task, "file", file, "limit", bytes_max_);
  }
  return end < wanted ? Found::more : Found::released;
}

OutputLimiter::Found OutputLimiter::refuse(const std::string& path, int code) {
  if (code == EOPNOTSUPP || code == ENOSYS) is_unsupported_ = true;
  if (!std::exchange(has_warned_, true)) {
    logger_.warning("output is not held to its limit", "file", path, "why",
                    is_unsupported_ ? "its file system can't release the beginning of a file"
                                    : std::strerror(code));
  }
  return Found::refused;
}

}  // namespace cluster::agentlib
