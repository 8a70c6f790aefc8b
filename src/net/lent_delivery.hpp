// Continuations on an executor that the host program lends, until the runtime gives it back: then
// nothing of the runtime's is left on it.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "cluster/op.hpp"

namespace cluster::net {

class LentDelivery final : public Executor, public std::enable_shared_from_this<LentDelivery> {
 public:
  explicit LentDelivery(std::shared_ptr<Executor> executor) : executor_(std::move(executor)) {}

  void execute(Callback) override;
  bool is_current() const override { return executor_->is_current(); }

  // Returns when all that was given has run. On the executor's own thread it runs that itself,
  // since nobody else can. What comes later is the user's own, and goes to the executor as it is.
  void finish();

 private:
  bool run_next();  // False: there is nothing.

  std::shared_ptr<Executor> executor_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Callback> queue_;  // Guarded.
  int running_ = 0;             // Guarded.
  bool is_over_ = false;        // Guarded.
};

}  // namespace cluster::net
