// What a load is measured by: a histogram of latencies, processor time, and the record that a child
// process leaves for its parent.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC: the same in all processes.

double micros(Clock::duration);
Clock::duration seconds(double);

// Latencies in whole microseconds; what is longer than the last bucket counts as that.
class Histogram {
 public:
  void add(Clock::duration);
  double quantile(double q) const;  // 0 when there are none.
  std::uint64_t count() const { return count_; }

 private:
  std::vector<std::uint32_t> buckets_ = std::vector<std::uint32_t>(200'000);
  std::uint64_t count_ = 0;
};

// Microseconds of processor time that a process has used, all threads together.
double processor_micros(pid_t process);

struct LoadResult {
  bool is_done = false;
  std::uint64_t count = 0;
  std::uint64_t failed = 0;
  double seconds = 0;
  double p50_us = 0;
  double p99_us = 0;
  double leader_cpu_us = 0;  // Of the leader's whole process, during the load.
};

constexpr std::size_t loads_max = 16;
struct RunResults {  // In memory that parent and child share.
  std::array<LoadResult, loads_max> loads;
};

// The middle one by `ops_per_s` of several runs of the same load.
double ops_per_s(const LoadResult&);
LoadResult median(std::vector<LoadResult>);
double median(std::vector<double>);

// Who calls, until when, and what came of it: the books of a closed loop. A load begins with a
// moment that does not count.
class LoadBook {
 public:
  LoadBook(double seconds, pid_t leader);

  bool is_over(Clock::time_point now) const { return now >= end_; }
  void done(Clock::time_point asked, Clock::time_point now);
  void failed() { failed_ += 1; }
  LoadResult result() const;

 private:
  pid_t leader_;
  Clock::time_point begin_;
  Clock::time_point end_;
  Clock::time_point last_;
  double cpu_at_begin_ = -1;
  double cpu_at_last_ = 0;
  Histogram latencies_;
  std::uint64_t failed_ = 0;
};

}  // namespace bench
