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
  while (!io_.stopped()) {
    bool is_all = run_due();
    if (run_late() || !is_all || !queue_->is_empty()) continue;
    io_.run_one();  // Waits.
  }
  // Groups that were promised to be written are, as they would be by the disk thread.
  while (run_late()) {
  }
  last_words_();
  last_words_ = {};
  // What those words posted (the ends of operations, as a rule) is still run; a callback that
  // posts itself for ever is not waited for.
  for (int round = 0; round < 1000 && (queue_->drain() || run_late());) ++round;
  queue_->close();
}

// In portions: a flood of messages or of posts must not keep groups from being written for ever.
bool NodeLoop::run_due() {
  constexpr int portions_max = 16;
  constexpr int handlers_max = 256;
  for (int portion = 0; portion < portions_max; ++portion) {
    int handlers = 0;
    while (handlers < handlers_max && io_.poll_one() != 0) ++handlers;
    if (!queue_->drain() && handlers == 0) return true;
  }
  return false;
}

bool NodeLoop::run_late() {
  if (late_.empty()) return false;
  Callback callback = std::move(late_.front());
  late_.pop_front();
  callback();
  return true;
}

void NodeLoop::Queue::execute(Callback callback) {
  bool is_own = is_current();
  std::lock_guard lock(mutex_);
  if (io_ == nullptr) return;
  pending_.push_back(std::move(callback));
  // The loop looks here before it waits.
  if (pending_.size() == 1 && !is_own) asio::post(*io_, [] {});
}

bool NodeLoop::Queue::is_empty() {
  std::lock_guard lock(mutex_);
  return pending_.empty();
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
