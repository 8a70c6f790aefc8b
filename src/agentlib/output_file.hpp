// Opens what a task writes to. The file is the task's, so nothing about it is trusted: links are
// not followed, pipes and devices neither opened for long nor waited for.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "cluster/result.hpp"

namespace cluster::agentlib {

class OutputFile {
 public:
  // `not_found` without the sandbox; `failed` without the file, which comes with the task's start;
  // `permission` when it is not a plain file. `flags`: O_RDONLY or O_RDWR.
  static Result<OutputFile> open(const std::string& sandbox, const char* file, int flags);

  OutputFile(OutputFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), info_(other.info_) {}
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  int descriptor() const { return descriptor_; }
  off_t size() const { return info_.st_size; }  // When it was opened, as are the following.
  off_t block_size() const { return info_.st_blksize; }
  // Of what is there at or after `offset`, the first; -1: nothing.
  off_t first_data(off_t offset) const;

 private:
  OutputFile(int descriptor, const struct stat& info) : descriptor_(descriptor), info_(info) {}

  int descriptor_;
  struct stat info_;
};

}  // namespace cluster::agentlib
