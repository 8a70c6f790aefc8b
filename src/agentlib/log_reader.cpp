#include "agentlib/log_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cluster::agentlib {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

Result<LogPart> read_log(const std::string& sandbox, const char* file, std::uint64_t offset,
                         std::size_t size_max) {
  Descriptor directory(::open(sandbox.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory.number() < 0) {
    return Error{Errc::not_found, "there is no sandbox of such a task here, or no longer"};
  }
  // A task may have put a link, a pipe or a device there: neither is followed nor waited for.
  Descriptor log(::openat(directory.number(), file,
                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (log.number() < 0 && errno == ENOENT) return LogPart{.reached_end = true};
  struct stat info {};
  if (log.number() < 0 || ::fstat(log.number(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Error{Errc::permission, std::string("the task's ") + file + " is not a plain file"};
  }
  auto size = static_cast<std::uint64_t>(info.st_size);
  if (offset >= size) return LogPart{.reached_end = true};
  std::string data(static_cast<std::size_t>(std::min<std::uint64_t>(size_max, size - offset)),
                   '\0');
  ssize_t n = 0;
  do {
    n = ::pread(log.number(), data.data(), data.size(), static_cast<off_t>(offset));
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return Error{Errc::storage,
                 std::string("cannot read its ") + file + ": " + std::strerror(errno)};
  }
  data.resize(static_cast<std::size_t>(n));
  bool reached_end = offset + data.size() >= size;
  return LogPart{.data = Bytes(std::move(data)), .reached_end = reached_end};
}

}  // namespace cluster::agentlib
