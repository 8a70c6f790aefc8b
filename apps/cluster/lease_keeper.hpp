// Keeps a lease alive, and tells in time when that does not succeed.
//
// A lease lives for its time to live after the last renewal that was answered was sent, for
// certain. Who acts by it is told to stop when three quarters of that have passed, and must have
// stopped when it is over. Clocks may differ by a hundredth.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "node/key_client.hpp"

namespace cluster::app {

class LeaseKeeper {
 public:
  using Clock = std::chrono::steady_clock;
  enum class State {
    kept,
    doubtful,  // Stop acting by it.
    over,      // Another may act by now.
  };

  // The lease was granted by a command that was sent at `sent_at`. `on_change` is called for each
  // state after the first, on this object's thread; states only grow.
  LeaseKeeper(node::KeyClient& keys, LeaseId lease, Duration ttl, Clock::time_point sent_at,
              std::function<void()> on_change);
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;
  ~LeaseKeeper();  // It is kept no longer.

  State state() const;
  std::string why() const;  // It is not kept.

 private:
  void run();
  void renew(std::unique_lock<std::mutex>&);
  void become(State state, const std::string& why, std::unique_lock<std::mutex>&);

  node::KeyClient& keys_;
  const LeaseId lease_;
  const Duration ttl_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool is_stopped_ = false;  // All below is guarded.
  State state_ = State::kept;
  std::string why_;
  Clock::time_point renewed_at_;
  Clock::time_point next_;
  std::thread thread_;
};

}  // namespace cluster::app
