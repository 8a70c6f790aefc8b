// Keeps what tasks write to their output from filling the disk: of a file that occupies more than
// the limit the beginning is given back to the file system, so that offsets stay what they were and
// the newest is still there. The process launcher's; one thread.
//
// A task that writes fast occupies more for a moment: files are looked at about once a second, and
// more often while one of them is over.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "cluster/logger.hpp"
#include "cluster/registry.hpp"

namespace cluster::agentlib {

// Gives back [from, end) of a file, whose size stays. The error's number, or 0.
int release_blocks(int file, off_t from, off_t end);

class OutputLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  using Release = std::function<int(int file, off_t from, off_t end)>;

  // At most `bytes_max` per file; 0: as much as there is. Half of it is what is always kept.
  OutputLimiter(std::string agent_directory, std::uint64_t bytes_max, Logger logger,
                Release release = release_blocks)
      : directory_(std::move(agent_directory)),
        bytes_max_(bytes_max),
        logger_(std::move(logger)),
        release_(std::move(release)) {}

  void begin(const TaskKey& key);  // It writes from now on.
  void end(const TaskKey& key);    // It wrote its last. Looks at what it left.
  void look(Clock::time_point now);
  Clock::time_point look_at() const { return look_at_; }  // When to look again.

 private:
  enum class Found { within, refused, released, more };  // `more`: to release, at once.
  struct Output {
    bool is_over = false;
    bool has_told = false;  // That some of it is gone.
  };

  Found hold(const TaskKey& key, Output& output);
  Found hold(const TaskKey& key, Output& output, const char* file);
  Found refuse(const std::string& path, int code);
  bool is_off() const { return bytes_max_ == 0 || is_unsupported_; }

  const std::string directory_;
  const std::uint64_t bytes_max_;
  Logger logger_;
  const Release release_;
  std::map<TaskKey, Output> outputs_;
  Clock::time_point look_at_ = Clock::time_point::max();
  bool is_unsupported_ = false;
  bool has_warned_ = false;
};

}  // namespace cluster::agentlib
