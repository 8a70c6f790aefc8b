// Whether cost grows with the log's length: a log is filled, timed at its beginning and its end,
// and started again.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "bench/log/replicas.hpp"

namespace bench {
namespace {

constexpr int callers = 1024;

// Of this process, in MiB: "VmRSS:", "VmHWM:".
double memory_mb(const std::string& what) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(what)) return std::strtod(line.c_str() + what.size(), nullptr) / 1024;
  }
  return 0;
}

// So many callers append until all entries are there, and note when each part of them was.
class Filler {
 public:
  Filler(cluster::Log& log, std::uint64_t entries, std::size_t bytes)
      : log_(log),
        entries_(entries),
        payload_(std::string(bytes, 'x')),
        begin_(Clock::now()),
        open_(callers) {
    for (int i = 0; i < callers; ++i) append();
  }
  void wait() {
    for (int left = open_.load(); left != 0; left = open_.load()) open_.wait(left);
  }

 private:
  void append() {
    log_.append(payload_).then([this](cluster::Result<cluster::Position> at) {
      if (!at) {
        std::fprintf(stderr, "log_bench: %s\n", at.error().message().c_str());
        std::exit(1);
      }
      done_ += 1;
      if (done_ % (entries_ / 10) == 0) tell();
      if (done_ + callers <= entries_) return append();
      if (open_.fetch_sub(1) == 1) open_.notify_all();
    });
  }
  void tell() {
    auto now = Clock::now();
    double rate = static_cast<double>(entries_ / 10) / (micros(now - begin_) / 1e6);
    begin_ = now;
    std::printf(
        "{\"bench\":\"fill\",\"replicas\":1,\"callers\":%d,\"bytes\":%zu,\"entries\":%llu,"
        "\"ops_per_s\":%.0f,\"rss_mb\":%.0f}\n",
        callers, payload_.size(), static_cast<unsigned long long>(done_), rate,
        memory_mb("VmRSS:"));
    std::fflush(stdout);
  }

  cluster::Log& log_;
  const std::uint64_t entries_;
  cluster::Bytes payload_;
  Clock::time_point begin_;
  std::uint64_t done_ = 0;  // Of the thread that answers, like `begin_`.
  std::atomic<int> open_;
};

double directory_mb(const std::string& directory) {
  double bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
    if (file.is_regular_file()) bytes += static_cast<double>(file.file_size());
  }
  return bytes / (1 << 20);
}

}  // namespace

void run_fill(const Settings& settings) {
  auto& state = shared<SharedState>();
  auto ports = free_ports(1);
  double patience = 60 + static_cast<double>(settings.fill) / 20'000;
  Child filler([&](const std::function<void()>&) {
    Replica replica(settings, 0, ports, state.views[0]);
    replica.lead();
    Filler(replica.log(), settings.fill, settings.size).wait();
  });
  if (!filler.wait(patience)) std::fprintf(stderr, "log_bench: the filling did not end well\n");
  Child restarted([&](const std::function<void()>&) {
    auto begin = Clock::now();
    Replica replica(settings, 0, ports, state.views[0]);
    double opened_ms = micros(Clock::now() - begin) / 1e3;
    bool is_appended = replica.log().append(cluster::Bytes(std::string("x"))).get().has_value();
    double appended_ms = micros(Clock::now() - begin) / 1e3;
    if (!is_appended) std::exit(1);
    std::printf(
        "{\"bench\":\"restart\",\"replicas\":1,\"entries\":%llu,\"disk_mb\":%.0f,"
        "\"open_ms\":%.0f,\"first_append_ms\":%.0f,\"rss_mb\":%.0f,\"peak_mb\":%.0f}\n",
        static_cast<unsigned long long>(replica.log().range().end.value() - 1),
        directory_mb(settings.directory), opened_ms, appended_ms, memory_mb("VmRSS:"),
        memory_mb("VmHWM:"));
  });
  if (!restarted.wait(60)) std::fprintf(stderr, "log_bench: the restart did not end well\n");
}

}  // namespace bench
