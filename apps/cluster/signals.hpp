// SIGINT and SIGTERM as something to wait for, instead of handlers.
#pragma once

#include <optional>
#include <string_view>

#include "cluster/logger.hpp"
#include "cluster/types.hpp"

namespace cluster::app {

// Blocks both signals for the thread that makes it and all that it starts later: make it before the
// runtime. `wait` returns the signal that came, or 0 once `wake` was called. SIGPIPE is blocked
// too: who writes to a closed pipe hears of it as an error and can still clean up.
class SignalWait {
 public:
  SignalWait();
  SignalWait(const SignalWait&) = delete;
  SignalWait& operator=(const SignalWait&) = delete;
  ~SignalWait();

  int wait() { return wait(std::nullopt); }
  // The same, and 0 once the time is over.
  int wait(std::optional<Duration> at_most);
  void wake();  // Any thread; remembered until the next `wait`.

 private:
  int signals_;
  int wakes_;
};

// Writes one line per event to standard error: "2026-01-31T12:00:00.123Z info master became leader
// term=3".
class StderrSink final : public LogSink {
 public:
  void write(const LogLine&) override;
};

}  // namespace cluster::app
