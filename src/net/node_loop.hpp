// The node thread: Asio's loop, and a queue of callbacks in front of it.
//
// The queue is our own, and one Asio handler drains it, so that many posts from other threads cost
// one wake-up and no allocation in Asio.
#pragma once

#include <atomic>
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
    bool drain();  // False when there was nothing.
    void close();

   private:
    std::mutex mutex_;
    std::vector<Callback> pending_;
    std::vector<Callback> running_;  // Node thread only; kept for its memory.
    asio::io_context* io_;           // None once closed.
    std::atomic<std::thread::id> id_;
  };

  void run();

  asio::io_context io_{1};
  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>(io_);
  Callback last_words_;
  std::thread thread_;
};

}  // namespace cluster::net
