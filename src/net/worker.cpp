#include "net/worker.hpp"

#include <utility>

#include "base/check.hpp"
#include "net/thread.hpp"

namespace cluster::net {

Worker::Worker(const char* name) {
  thread_ = start_thread(name, [this] { run(); });
  id_ = thread_.get_id();
}

Worker::~Worker() { stop(); }

void Worker::execute(Callback callback) {
  {
    std::lock_guard lock(mutex_);
    // Dropped outside of the lock: what a callback holds may call us.
    if (!is_over_) {
      queue_.push_back(std::move(callback));
      if (queue_.size() > 1) return;  // Whoever queued the first has woken the thread.
    }
  }
  wake_.notify_one();
}

bool Worker::is_current() const { return id_.load() == std::this_thread::get_id(); }

void Worker::stop() {
  if (!thread_.joinable()) return;
  CLUSTER_CHECK(!is_current(), "a thread of the runtime does not join itself");
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  id_ = std::thread::id{};  // The system may give the id to another thread.
}

void Worker::run() {
  std::vector<Callback> batch;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
      if (queue_.empty()) {
        is_over_ = true;
        return;
      }
      batch.swap(queue_);
    }
    for (auto& callback : batch) {
      callback();
      callback = {};  // What it holds ends before the next one runs.
    }
    batch.clear();
  }
}

}  // namespace cluster::net
