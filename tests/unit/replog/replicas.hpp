// Three members in one process, as an embedder opens them: real sockets and disks.
//
// The election timeout is far above what a loaded machine keeps a thread waiting, so that
// leadership changes where a test says so and nowhere else; `lead` makes a leader at once.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "cluster/log.hpp"
#include "tests/unit/replog/support.hpp"
#include "tests/unit/sockets.hpp"

namespace cluster::replog::test {

using namespace std::chrono_literals;

inline constexpr Duration election_timeout = 3s;

template <class T>
T get(Op<T> op) {
  Result<T> result = op.get();
  if (!result) FAIL(result.error().message());
  return *std::move(result);
}

template <class T>
Error error_of(Op<T> op) {
  Result<T> result = op.get();
  REQUIRE_FALSE(result.has_value());
  return result.error();
}

class Replicas {
 public:
  using Change = std::function<void(LogOptions&)>;

  explicit Replicas(
      std::size_t count = 3, Change change = [](LogOptions&) {})
      : change_(std::move(change)), logs_(count) {
    for (std::size_t i = 1; i <= count; ++i) {
      peers_.push_back({NodeId(i), {"127.0.0.1", cluster::test::free_port()}});
    }
    for (std::size_t i = 0; i < count; ++i) start(i);
    lead(0);
  }

  LogOptions options(std::size_t i) const {
    LogOptions made;
    made.directory = folder_ / std::to_string(i + 1);
    made.self = peers_[i].id;
    made.members = peers_;
    made.cluster = ClusterUid(7);
    made.election_timeout = election_timeout;
    made.heartbeat_interval = 50ms;
    made.request_timeout = request_timeout;
    change_(made);
    return made;
  }
  void start(std::size_t i) {
    auto log = Log::open(runtime, options(i));
    if (!log) FAIL(log.error().message());
    logs_[i].emplace(*std::move(log));
  }
  void stop(std::size_t i) { logs_[i].reset(); }
  // Makes it the leader now: nobody waits for an election's timeout.
  void lead(std::size_t i) {
    while (!logs_[i]->start_writer().get()) {
    }
  }
  Log& operator[](std::size_t i) { return *logs_[i]; }

  Duration request_timeout = 60s;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});

 private:
  Change change_;
  TemporaryFolder folder_;
  std::vector<Peer> peers_;
  std::vector<std::optional<Log>> logs_;
};

// Until `is_so`; false where that takes too long on any machine.
template <class Is>
bool comes_true(Is is_so) {
  auto end = std::chrono::steady_clock::now() + 60s;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);  // poll
  }
  return true;
}

}  // namespace cluster::replog::test
