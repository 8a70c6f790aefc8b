// Alarms of the node thread, on Asio's timers.
#pragma once

#include <functional>
#include <memory>

#include "net/asio.hpp"
#include "runtime/host.hpp"

namespace cluster::net {

Time steady_now();

// Drivers set their alarm after every input, nearly always to a later time than before. So an armed
// timer is left alone when the time moves back: it wakes early, sees that, and is armed anew.
class TimerAlarm final : public runtime::Alarm {
 public:
  TimerAlarm(asio::io_context&, std::function<void()> on_wake);
  ~TimerAlarm() override;

  void set(Time) override;

 private:
  // Outlives the alarm when that is destroyed by its own wake-up.
  struct State {
    State(asio::io_context& io, std::function<void()> wake) : timer(io), on_wake(std::move(wake)) {}

    asio::steady_timer timer;
    std::function<void()> on_wake;
    Time target = time_never;  // When to wake.
    Time armed = time_never;   // When the timer fires; not after `target`.
    std::uint64_t round = 0;   // Tells a fire that was overtaken by a newer arming.
  };

  static void arm(const std::shared_ptr<State>&, Time);
  static void on_fire(const std::shared_ptr<State>&);

  std::shared_ptr<State> state_;
};

}  // namespace cluster::net
