// The updates of one task on their way to its framework: in order, one outstanding at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "cluster/task.hpp"

namespace cluster::master {

class UpdateStream {
 public:
  // Takes an update that is newer than all before it; others, and any after a terminal one, are
  // ignored. With `size_max` waiting, the oldest living one that is not outstanding is dropped: the
  // framework then misses a step, never the end.
  void add(const TaskStatus& status, std::size_t size_max);

  // The update to send next, which is outstanding from then on; none while one is outstanding.
  std::optional<TaskStatus> next();

  // The framework has `sequence`. What it had: none when this was not outstanding.
  std::optional<TaskStatus> acknowledge(std::uint64_t sequence);

  // The session is gone: what was outstanding is to be sent again.
  void rewind() { outstanding_ = false; }

  bool empty() const { return queue_.empty(); }
  std::size_t size() const { return queue_.size(); }

 private:
  std::deque<TaskStatus> queue_;
  bool outstanding_ = false;  // The front of the queue is with the framework.
  bool ended_ = false;        // The terminal update is or was in the queue.
  std::uint64_t newest_ = 0;
};

}  // namespace cluster::master
