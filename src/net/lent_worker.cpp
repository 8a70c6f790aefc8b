#include "net/lent_worker.hpp"

#include <utility>

namespace cluster::net {

void LentWorker::execute(Callback callback) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(callback));
    if (is_asked_ || is_running_) return;
    is_asked_ = true;
  }
  executor_->execute([self = shared_from_this()] { self->run(); });
}

void LentWorker::run() {
  std::unique_lock lock(mutex_);
  is_asked_ = false;
  if (is_running_) return;
  is_running_ = true;
  while (!queue_.empty()) {
    Callback callback = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    callback();
    callback = {};  // What it holds ends outside of the lock, and before the next one runs.
    lock.lock();
  }
  is_running_ = false;
  changed_.notify_all();
}

void LentWorker::finish() {
  if (executor_->is_current()) run();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !is_running_; });
}

}  // namespace cluster::net
