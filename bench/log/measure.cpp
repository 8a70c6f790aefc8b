#include "bench/log/measure.hpp"

#include <ctime>

#include <algorithm>

namespace bench {

double micros(Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

Clock::duration seconds(double s) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
}

void Histogram::add(Clock::duration latency) {
  auto us = static_cast<std::size_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(latency).count());
  buckets_[std::min(us, buckets_.size() - 1)] += 1;
  count_ += 1;
}

double Histogram::quantile(double q) const {
  if (count_ == 0) return 0;
  auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(count_ - 1));
  std::uint64_t seen = 0;
  for (std::size_t us = 0; us < buckets_.size(); ++us) {
    seen += buckets_[us];
    if (seen > wanted) return static_cast<double>(us);
  }
  return static_cast<double>(buckets_.size());
}

double processor_micros(pid_t process) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

double ops_per_s(const LoadResult& load) {
  return load.seconds > 0 ? static_cast<double>(load.count) / load.seconds : 0;
}

LoadResult median(std::vector<LoadResult> runs) {
  if (runs.empty()) return {};
  std::sort(runs.begin(), runs.end(),
            [](const LoadResult& a, const LoadResult& b) { return ops_per_s(a) < ops_per_s(b); });
  return runs[runs.size() / 2];
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

LoadBook::LoadBook(double length, pid_t leader)
    : leader_(leader),
      begin_(Clock::now() + seconds(std::min(0.3, length / 5))),
      end_(begin_ + seconds(length)),
      last_(begin_) {}

void LoadBook::done(Clock::time_point asked, Clock::time_point now) {
  if (now < begin_) return;
  if (cpu_at_begin_ < 0) {
    cpu_at_begin_ = processor_micros(leader_);
    begin_ = last_ = now;
    return;
  }
  latencies_.add(now - asked);
  last_ = now;
  if (now >= end_) cpu_at_last_ = processor_micros(leader_);
}

LoadResult LoadBook::result() const {
  return LoadResult{.is_done = true,
                    .count = latencies_.count(),
                    .failed = failed_,
                    .seconds = micros(last_ - begin_) / 1e6,
                    .p50_us = latencies_.quantile(0.5),
                    .p99_us = latencies_.quantile(0.99),
                    .leader_cpu_us = cpu_at_last_ - cpu_at_begin_};
}

}  // namespace bench
