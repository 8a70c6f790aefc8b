#include "lease_keeper.hpp"

#include <algorithm>
#include <utility>

namespace cluster::app {

LeaseKeeper::LeaseKeeper(node::KeyClient& keys, LeaseId lease, Duration ttl,
                         Clock::time_point sent_at, std::function<void()> on_change)
    : keys_(keys),
      lease_(lease),
      ttl_(ttl),
      on_change_(std::move(on_change)),
      renewed_at_(sent_at),
      next_(sent_at + ttl / 3),
      thread_([this] { run(); }) {}

LeaseKeeper::~LeaseKeeper() {
  {
    std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

LeaseKeeper::State LeaseKeeper::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

std::string LeaseKeeper::why() const {
  std::lock_guard lock(mutex_);
  return why_;
}

void LeaseKeeper::run() {
  std::unique_lock lock(mutex_);
  while (!is_stopped_ && state_ != State::over) {
    const auto now = Clock::now();
    const auto doubtful_at = renewed_at_ + ttl_ * 3 / 4;
    const auto over_at = renewed_at_ + ttl_ - ttl_ / 100;
    if (now >= over_at) {
      become(State::over, "it could not be renewed in time", lock);
    } else if (now >= doubtful_at && state_ == State::kept) {
      become(State::doubtful,
             "it could not be renewed for " +
                 std::to_string(ttl_ * 3 / 4 / std::chrono::milliseconds(1)) + "ms",
             lock);
    } else if (now >= next_) {
      renew(lock);
    } else {
      wake_.wait_until(lock, std::min(next_, state_ == State::kept ? doubtful_at : over_at));
    }
  }
}

void LeaseKeeper::become(State state, const std::string& why, std::unique_lock<std::mutex>& lock) {
  state_ = state;
  why_ = why;
  lock.unlock();
  on_change_();
  lock.lock();
}

// One that is doubtful is renewed on: it stays this one's while what acted by it ends.
void LeaseKeeper::renew(std::unique_lock<std::mutex>& lock) {
  const auto sent_at = Clock::now();
  const auto edge = renewed_at_ + (state_ == State::kept ? ttl_ * 3 / 4 : ttl_ - ttl_ / 100);
  const auto timeout = std::clamp<Duration>(std::chrono::duration_cast<Duration>(edge - sent_at),
                                            std::chrono::milliseconds(10), ttl_ / 3);
  lock.unlock();
  auto is_alive = keys_.keep_alive(lease_, timeout);
  lock.lock();
  if (is_alive && !*is_alive) return become(State::over, "it has ended", lock);
  if (is_alive) {
    renewed_at_ = sent_at;
    next_ = sent_at + ttl_ / 3;
  } else {
    next_ = Clock::now() + ttl_ / 30;
  }
}

}  // namespace cluster::app
