#include "agentlib/output_file.hpp"

#include <fcntl.h>

#include <cerrno>

namespace cluster::agentlib {

Result<OutputFile> OutputFile::open(const std::string& sandbox, const char* file, int flags) {
  int directory = ::open(sandbox.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0) {
    return Error{Errc::not_found, "there is no sandbox of such a task here, or no longer"};
  }
  int descriptor =
      ::openat(directory, file, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  bool is_missing = descriptor < 0 && errno == ENOENT;
  ::close(directory);
  if (is_missing) return Error{Errc::failed, std::string("the task has no ") + file};
  OutputFile opened(descriptor, {});
  if (descriptor < 0 || ::fstat(descriptor, &opened.info_) != 0 || !S_ISREG(opened.info_.st_mode)) {
    return Error{Errc::permission, std::string("the task's ") + file + " is not a plain file"};
  }
  return opened;
}

off_t OutputFile::first_data(off_t offset) const {
  off_t at = ::lseek(descriptor_, offset, SEEK_DATA);
  // A file system that does not tell of holes has none.
  return at < 0 && errno != ENXIO ? offset : at;
}

}  // namespace cluster::agentlib
