// What large entries do to everything else on the same connections: linearizable reads, which wait
// for a round of heartbeats, and the leadership itself.
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "bench/log/replicas.hpp"

namespace bench {
namespace {

constexpr std::size_t large_bytes = 16u << 20;

struct LargeResult {
  double seconds = 0;
  std::uint64_t large = 0;
  std::uint64_t reads = 0;
  std::uint64_t failed = 0;
  double read_p50_us = 0;
  double read_p99_us = 0;
  std::uint64_t terms = 0;
};

LargeResult measure(const Settings& settings, cluster::Log& log, bool has_large) {
  LargeResult result;
  std::uint64_t term = log.leadership().term;
  auto begin = Clock::now();
  auto end = begin + seconds(settings.seconds);
  std::thread appender([&] {
    cluster::Bytes entry(std::string(large_bytes, 'x'));
    while (has_large && Clock::now() < end) {
      (log.append(entry).get() ? result.large : result.failed) += 1;
    }
  });
  Histogram reads;
  for (auto asked = Clock::now(); asked < end; asked = Clock::now()) {
    if (!log.catch_up().get()) result.failed += 1;
    reads.add(Clock::now() - asked);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  appender.join();
  result.seconds = micros(Clock::now() - begin) / 1e6;
  result.reads = reads.count();
  result.read_p50_us = reads.quantile(0.5);
  result.read_p99_us = reads.quantile(0.99);
  result.terms = log.leadership().term == term ? 0 : 1;
  return result;
}

}  // namespace

void run_large(const Settings& settings) {
  auto& state = shared<SharedState>();
  auto& results = shared<std::array<LargeResult, 2>>();
  auto ports = free_ports(replicas);
  auto follower = [&](std::size_t number) {
    return [&, number](const std::function<void()>& wait_for_end) {
      Replica replica(settings, number, ports, state.views[number]);
      wait_for_end();
    };
  };
  Child second(follower(1));
  Child third(follower(2));
  Child leader([&](const std::function<void()>&) {
    Replica replica(settings, 0, ports, state.views[0]);
    replica.lead();
    results[0] = measure(settings, replica.log(), false);
    results[1] = measure(settings, replica.log(), true);
  });
  if (!leader.wait(60 + 2 * settings.seconds)) {
    std::fprintf(stderr, "log_bench: the leader did not end well\n");
  }
  for (const LargeResult& result : results) {
    std::printf(
        "{\"bench\":\"large\",\"replicas\":3,\"large_bytes\":%zu,\"large_per_s\":%.1f,"
        "\"read_p50_us\":%.0f,\"read_p99_us\":%.0f,\"failed\":%llu,\"term_changes\":%llu}\n",
        &result == &results[0] ? 0 : large_bytes,
        static_cast<double>(result.large) / std::max(result.seconds, 1e-9), result.read_p50_us,
        result.read_p99_us, static_cast<unsigned long long>(result.failed),
        static_cast<unsigned long long>(result.terms));
  }
  std::fflush(stdout);
}

}  // namespace bench
