#include "net/lent_delivery.hpp"

#include <utility>

namespace cluster::net {

void LentDelivery::execute(Callback callback) {
  {
    std::lock_guard lock(mutex_);
    if (!is_over_) queue_.push_back(std::exchange(callback, {}));
  }
  if (callback) return executor_->execute(std::move(callback));
  executor_->execute([self = shared_from_this()] { self->run_next(); });
}

bool LentDelivery::run_next() {
  Callback next;
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) return false;
    next = std::move(queue_.front());
    queue_.pop_front();
    running_ += 1;
  }
  next();
  next = {};  // What it holds ends outside of the lock, and before anybody thinks it done.
  std::lock_guard lock(mutex_);
  running_ -= 1;
  changed_.notify_all();
  return true;
}

void LentDelivery::finish() {
  const bool is_own = executor_->is_current();
  while (is_own && run_next()) {
  }
  std::unique_lock lock(mutex_);
  // One that runs on this thread has called us.
  if (!is_own) changed_.wait(lock, [this] { return queue_.empty() && running_ == 0; });
  is_over_ = true;
}

}  // namespace cluster::net
