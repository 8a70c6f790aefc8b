#include "master/update_stream.hpp"

namespace cluster::master {

void UpdateStream::add(const TaskStatus& status, std::size_t size_max) {
  const bool terminal = is_terminal(status.state);
  if (ended_ || (!terminal && status.sequence <= newest_)) return;
  ended_ = terminal;
  newest_ = status.sequence;
  const std::size_t first_waiting = outstanding_ ? 1 : 0;
  if (queue_.size() >= size_max && queue_.size() > first_waiting) {
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(first_waiting));
  }
  queue_.push_back(status);
}

std::optional<TaskStatus> UpdateStream::next() {
  if (outstanding_ || queue_.empty()) return std::nullopt;
  outstanding_ = true;
  return queue_.front();
}

std::optional<TaskStatus> UpdateStream::acknowledge(std::uint64_t sequence) {
  if (!outstanding_ || queue_.front().sequence != sequence) return std::nullopt;
  TaskStatus status = std::move(queue_.front());
  queue_.pop_front();
  outstanding_ = false;
  return status;
}

}  // namespace cluster::master
