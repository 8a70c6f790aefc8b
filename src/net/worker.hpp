// A thread that runs callbacks in order: the disk thread, and the delivery thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "cluster/op.hpp"

namespace cluster::net {

// Operations hold their executor for as long as they live, so a worker may outlive its thread: what
// it is given then is dropped.
class Worker final : public Executor {
 public:
  explicit Worker(const char* name);
  ~Worker() override;

  void execute(Callback) override;
  bool is_current() const override;

  // Runs what is queued, and what that queues, and joins the thread. Not on the thread itself.
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Callback> queue_;
  bool is_stopping_ = false;
  bool is_over_ = false;
  std::atomic<std::thread::id> id_;
  std::thread thread_;
};

}  // namespace cluster::net
