#include "net/node_loop.hpp"

#include <utility>

#include "base/check.hpp"
#include "net/thread.hpp"

namespace cluster::net {

NodeLoop::~NodeLoop() { CLUSTER_CHECK(!thread_.joinable(), "a loop is stopped before it ends"); }

void NodeLoop::start() {
  thread_ = start_thread("cluster-node", [this] { run(); });
}

void NodeLoop::stop(Callback last_words) {
  CLUSTER_CHECK(!is_current(), "a thread of the runtime does not join itself");
  post([this, last_words = std::move(last_words)]() mutable {
    last_words_ = std::move(last_words);
    io_.stop();
  });
  thread_.join();
  queue_->set_thread({});  // The system may give the id to another thread.
}

void NodeLoop::run() {
  queue_->set_thread(std::this_thread::get_id());
  auto work = asio::make_work_guard(io_);
  io_.run();
  last_words_();
  last_words_ = {};
  // What those words posted (the ends of operations, as a rule) is still run; a callback that
  // posts itself for ever is not waited for.
  for (int round = 0; round < 1000 && queue_->drain();) ++round;
  queue_->close();
}

void NodeLoop::Queue::execute(Callback callback) {
  std::lock_guard lock(mutex_);
  if (io_ == nullptr) return;
  pending_.push_back(std::move(callback));
  if (pending_.size() == 1) asio::post(*io_, [this] { drain(); });
}

bool NodeLoop::Queue::drain() {
  {
    std::lock_guard lock(mutex_);
    running_.swap(pending_);
  }
  bool was_empty = running_.empty();
  for (auto& callback : running_) {
    callback();
    callback = {};  // What it holds ends before the next one runs.
  }
  running_.clear();
  return !was_empty;
}

void NodeLoop::Queue::close() {
  std::vector<Callback> dropped;
  std::lock_guard lock(mutex_);
  io_ = nullptr;
  dropped.swap(pending_);
}

}  // namespace cluster::net
