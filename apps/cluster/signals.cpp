#include "signals.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>

#include "base/check.hpp"
#include "text.hpp"

namespace cluster::app {

SignalWait::SignalWait() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  wakes_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CLUSTER_CHECK(signals_ >= 0 && wakes_ >= 0, "the kernel has signalfd and eventfd", errno);
}

SignalWait::~SignalWait() {
  ::close(signals_);
  ::close(wakes_);
}

int SignalWait::wait(std::optional<Duration> at_most) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + at_most.value_or(Duration{});
  while (true) {
    pollfd files[2] = {{signals_, POLLIN, 0}, {wakes_, POLLIN, 0}};
    int patience = -1;
    if (at_most) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
      patience = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
    }
    const int ready = ::poll(files, 2, patience);
    if (ready == 0 && Clock::now() >= until) return 0;
    if (ready <= 0) continue;
    if (files[0].revents != 0) {
      signalfd_siginfo info{};
      if (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        return static_cast<int>(info.ssi_signo);
      }
    }
    std::uint64_t count = 0;
    if (files[1].revents != 0 && ::read(wakes_, &count, sizeof count) > 0) return 0;
  }
}

void SignalWait::wake() {
  std::uint64_t one = 1;
  // Fails only when the counter is full, that is, when it is awake already.
  [[maybe_unused]] auto written = ::write(wakes_, &one, sizeof one);
}

void StderrSink::write(const LogLine& line) {
  auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::string text = iso_text(now) + ' ' + std::string(to_string(line.level)) + ' ' +
                     std::string(line.part) + ' ' + to_text(line) + '\n';
  // One write per line, so that lines of several threads do not mix.
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace cluster::app
