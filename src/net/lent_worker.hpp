// Runs callbacks one after another, in order, on an executor that the host lends: which may run
// many things at once, or be the very thread that waits for us to finish.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "cluster/op.hpp"

namespace cluster::net {

class LentWorker final : public std::enable_shared_from_this<LentWorker> {
 public:
  explicit LentWorker(std::shared_ptr<Executor> executor) : executor_(std::move(executor)) {}

  void execute(Callback);

  // Returns when nothing is queued or runs. On the executor's own thread it runs what is queued
  // itself, since nobody else can.
  void finish();

 private:
  void run();

  std::shared_ptr<Executor> executor_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Callback> queue_;  // Guarded.
  bool is_asked_ = false;       // Guarded: the executor was given `run` and has not begun it.
  bool is_running_ = false;     // Guarded.
};

}  // namespace cluster::net
