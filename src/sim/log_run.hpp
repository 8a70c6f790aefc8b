// One simulated history of a log, made from a seed: a cluster of one, three or five members under
// load, with a plan of faults, and then a quiet time in which everything must come right. What the
// clients saw must be linearizable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/logger.hpp"
#include "sim/coverage.hpp"

namespace cluster::sim {

// What the members' log is used for.
enum class WorkloadKind : std::uint8_t {
  log,   // Registers as a user of the bare log makes them, with truncations or snapshots.
  keys,  // The registry, with all that users do with it.
};

struct LogRunOptions {
  std::uint64_t seed = 1;
  WorkloadKind workload = WorkloadKind::log;
  LogSink* log_sink = nullptr;  // Lines of every member; none: silent.
  LogLevel log_level = LogLevel::info;
  // What the members' disks do wrong on purpose, to see that the checker sees it.
  bool forget_promises = false;  // Promises are not kept over a restart.
  bool lose_last_group = false;  // A crash takes the last group that was reported durable along.
};

struct LogRunResult {
  std::uint64_t seed = 0;
  std::string violation;  // Empty: all held.
  std::uint64_t steps = 0;
  std::uint64_t messages = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t chosen = 0;
  std::uint64_t crashes = 0;
  std::uint64_t terms = 0;
  std::uint64_t operations = 0;    // Of clients' histories.
  std::uint64_t milliseconds = 0;  // Of simulated time.
  std::uint64_t fingerprint = 0;   // Of the whole history: the same seed gives the same.
  Coverage coverage;
};

LogRunResult run_log(const LogRunOptions&);

// What many runs come to. Totals of several processes can be added.
struct LogRunTotals {
  Coverage numbers;  // "seeds", "failed", "steps" ...
  Coverage paths;

  void add(const LogRunResult&);
  void add(const LogRunTotals&);
  std::uint64_t failed() const { return numbers.of("failed"); }
  // For people: a line of numbers, then one for each path.
  std::vector<std::string> lines() const;
};

// Seeds first, first + step ... up to `last`, a line for each that fails with the command that
// replays it, and one every thousand seeds.
LogRunTotals run_log_seeds(std::uint64_t first, std::uint64_t last, std::uint64_t step,
                           const LogRunOptions&, void (*print)(const std::string& line));

}  // namespace cluster::sim
