// The node thread: Asio's loop, and a queue of callbacks in front of it.
//
// The queue is our own, and the loop drains it, so that many posts from other threads cost one
// wake-up and no allocation in Asio. Work that blocks for a moment (a sync) comes when nothing else
// is due and what is to be sent has been sent.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cluster/op.hpp"
#include "net/asio.hpp"

namespace cluster::net {

class NodeLoop {
 public:
  NodeLoop() = default;
  ~NodeLoop();
  NodeLoop(const NodeLoop&) = delete;
  NodeLoop& operator=(const NodeLoop&) = delete;

  void start();

  // Runs what has been posted so far, then `last_words`, then ends the thread; descriptors and
  // timers that wait are forgotten. Not on the node thread.
  void stop(Callback last_words);

  // Runs on the node thread, in order, never inside the call. Any thread may call. Dropped once the
  // loop has stopped.
  void post(Callback callback) { queue_->execute(std::move(callback)); }
  bool is_current() const { return queue_->is_current(); }

  // Runs on the node thread when nothing else is due, in order, never inside the call. Node thread
  // only.
  void post_late(Callback callback) { late_.push_back(std::move(callback)); }
  bool has_late() const { return !late_.empty(); }
  bool run_late();  // One, now; false when there is none.

  // The node thread as a place where continuations run. It may outlive the loop.
  std::shared_ptr<Executor> executor() const { return queue_; }

  asio::io_context& io() { return io_; }

 private:
  class Queue final : public Executor {
   public:
    explicit Queue(asio::io_context& io) : io_(&io) {}

    void execute(Callback) override;
    bool is_current() const override { return id_.load() == std::this_thread::get_id(); }

    void set_thread(std::thread::id id) { id_ = id; }
    bool drain();     // False when there was nothing.
    bool is_empty();  // Then the next post from another thread wakes the loop.
    void close();

   private:
    std::mutex mutex_;
    std::vector<Callback> pending_;
    std::vector<Callback> running_;  // Node thread only; kept for its memory.
    asio::io_context* io_;           // None once closed.
    std::atomic<std::thread::id> id_;
  };

  void run();
  bool run_due();  // False when more is due.

  asio::io_context io_{1};
  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>(io_);
  std::deque<Callback> late_;
  Callback last_words_;
  std::thread thread_;
};

}  // namespace cluster::net
