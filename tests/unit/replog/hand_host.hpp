// What the tests of the log's parts on threads share.
#pragma once

#include <deque>

#include "runtime/host.hpp"
#include "tests/unit/replog/support.hpp"

namespace cluster::replog::test {

// A host whose threads are queues that the test runs by hand.
class HandHost final : public runtime::Host {
 public:
  Time now() const override { return time; }
  WallTime wall_now() const override { return WallTime{}; }
  void post(Callback callback) override { node.push_back(std::move(callback)); }
  bool on_node_thread() const override { return true; }
  void post_disk(Callback callback) override { disk.push_back(std::move(callback)); }
  void post_background(Callback callback) override { background.push_back(std::move(callback)); }
  const std::shared_ptr<Executor>& delivery() const override { return none_; }
  std::unique_ptr<runtime::Alarm> make_alarm(std::function<void()>) override { return nullptr; }
  runtime::Transport& transport() override { std::abort(); }
  const Logger& logger() const override { return logger_; }
  std::uint64_t random_seed() override { return 1; }
  Metrics metrics() const override { return {}; }

  static void run(std::deque<Callback>& queue) {
    while (!queue.empty()) {
      Callback callback = std::move(queue.front());
      queue.pop_front();
      callback();
    }
  }

  std::deque<Callback> node, disk, background;
  Time time{};

 private:
  Logger logger_;
  std::shared_ptr<Executor> none_;
};

}  // namespace cluster::replog::test
