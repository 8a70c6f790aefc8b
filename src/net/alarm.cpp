#include "net/alarm.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace cluster::net {

Time steady_now() {
  return Time(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

TimerAlarm::TimerAlarm(asio::io_context& io, std::function<void()> on_wake)
    : state_(std::make_shared<State>(io, std::move(on_wake))) {}

TimerAlarm::~TimerAlarm() {
  state_->target = time_never;
  state_->timer.cancel();
}

void TimerAlarm::set(Time target) {
  state_->target = target;
  if (target < state_->armed) arm(state_, target);
}

void TimerAlarm::arm(const std::shared_ptr<State>& state, Time at) {
  // Far times do not fit the timer's nanoseconds; waking once a day for them costs nothing.
  at = std::min(at, steady_now() + std::chrono::hours(24));
  state->armed = at;
  state->timer.expires_at(
      std::chrono::steady_clock::time_point(std::max(at, Time{}).time_since_epoch()));
  state->timer.async_wait(
      [weak = std::weak_ptr(state), round = ++state->round](const asio::error_code& failure) {
        auto alive = weak.lock();
        if (!failure && alive && alive->round == round) on_fire(alive);
      });
}

void TimerAlarm::on_fire(const std::shared_ptr<State>& state) {
  state->armed = time_never;
  if (state->target == time_never) return;
  if (steady_now() < state->target) return arm(state, state->target);
  state->target = time_never;
  state->on_wake();
}

}  // namespace cluster::net
