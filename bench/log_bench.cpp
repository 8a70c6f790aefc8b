// Appends per second of the log: three replica processes over loopback with real syncs, callers in
// the leader's process; beside it, in the same run and in turns, the append path alone (`bare`) and
// the limits of the machine.
//
//   log_bench [--mode bare,log,etcd] [--callers 1,16,256] [--size 128] [--seconds 3] [--repeats 3]
//             [--dir DIR] [--store default|lmdb|file|null] [--slow-sync MS] [--remote] [--tls]
//             [--failover TRIALS] [--idle SECONDS] [--fill ENTRIES] [--large] [--verbose]
//
// One JSON line per figure: the median of the repetitions, by operations per second. The directory
// decides which disk is measured. `--slow-sync` delays every sync of these programs. `--remote`
// puts the callers into a process that is no member, `--tls` certificates on every connection of
// the log. etcd is measured beside where it is installed; its callers are always remote.
// On a busy machine `chrt -f 1 log_bench ...` keeps other programs from standing between.
// Not with etcd beside: in the real-time class it has kept both processors for minutes.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

#include "bench/log/bare.hpp"
#include "bench/log/etcd.hpp"
#include "bench/log/limits.hpp"
#include "bench/log/processes.hpp"
#include "bench/log/replicas.hpp"
#include "bench/log/security.hpp"
#include "bench/log/slow_sync.hpp"

namespace {

using bench::LoadResult;
using bench::Settings;

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= text.size();) {
    std::size_t comma = std::min(text.find(',', at), text.size());
    words.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return words;
}

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "log_bench: %s; the head of log_bench.cpp lists the options\n", why.c_str());
  std::exit(2);
}

bool take_switch(const std::string& flag, Settings& settings) {
  if (flag == "--remote") settings.remote = true;
  if (flag == "--tls") settings.tls = true;
  if (flag == "--large") settings.large = true;
  if (flag == "--verbose") settings.verbose = true;
  return flag == "--remote" || flag == "--tls" || flag == "--large" || flag == "--verbose";
}

bool take_value(const std::string& flag, const std::string& value, Settings& settings) {
  if (flag == "--seconds") {
    settings.seconds = std::stod(value);
  } else if (flag == "--repeats") {
    settings.repeats = std::stoi(value);
  } else if (flag == "--size") {
    settings.size = std::stoul(value);
  } else if (flag == "--dir") {
    settings.directory = value + "/log_bench." + std::to_string(::getpid());
  } else if (flag == "--mode") {
    settings.modes = words_of(value);
  } else if (flag == "--callers") {
    settings.callers.clear();
    for (const std::string& word : words_of(value)) settings.callers.push_back(std::stoi(word));
  } else if (flag == "--store") {
    settings.store = value;
  } else if (flag == "--slow-sync") {
    settings.slow_sync_ms = std::stod(value);
  } else if (flag == "--failover") {
    settings.failover = std::stoi(value);
  } else if (flag == "--fill") {
    settings.fill = std::stoull(value);
  } else if (flag == "--idle") {
    settings.idle = std::stod(value);
  } else {
    return false;
  }
  return true;
}

Settings read_settings(int argc, char** argv) {
  Settings settings;
  settings.directory = "/tmp/log_bench." + std::to_string(::getpid());
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (take_switch(flag, settings)) continue;
    if (i + 1 == argc || !take_value(flag, argv[i + 1], settings)) refuse("unknown: " + flag);
    ++i;
  }
  for (const std::string& mode : settings.modes) {
    if (mode != "bare" && mode != "log" && mode != "etcd") refuse("no such mode: " + mode);
  }
  if (settings.callers.size() > bench::loads_max) refuse("too many numbers of callers");
  return settings;
}

void print(const Settings& settings, const std::string& mode, int callers,
           const std::vector<LoadResult>& runs, double bare_ops_per_s,
           const bench::Limits& limits) {
  LoadResult load = median(runs);
  double rate = ops_per_s(load);
  bool is_remote = mode == "etcd" || (settings.remote && mode == "log");
  std::printf("{\"bench\":\"%s\",\"replicas\":3,\"callers\":%d,\"bytes\":%zu,", mode.c_str(),
              callers, settings.size);
  if (is_remote) std::printf("\"remote\":true,");
  if (settings.tls && mode == "log") std::printf("\"tls\":true,");
  if (mode == "log" && settings.store != "default") {
    std::printf("\"store\":\"%s\",", settings.store.c_str());
  }
  if (settings.slow_sync_ms > 0) {
    std::printf("\"slow_sync_ms\":%g,\"p50_in_syncs\":%.2f,", settings.slow_sync_ms,
                load.p50_us / limits.sync_p50_us);
  }
  std::printf("\"ops_per_s\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"leader_cpu_us_per_op\":%.2f,",
              rate, load.p50_us, load.p99_us,
              load.count > 0 ? load.leader_cpu_us / static_cast<double>(load.count) : 0);
  if (load.failed > 0) {
    std::printf("\"failed\":%llu,", static_cast<unsigned long long>(load.failed));
  }
  if (mode == "log" && bare_ops_per_s > 0) {
    std::printf("\"of_bare\":%.2f,", rate / bare_ops_per_s);
  }
  std::printf("\"repeats\":%zu,\"limit\":%s}\n", runs.size(), to_json(limits).c_str());
  std::fflush(stdout);
}

void run_loads(const Settings& settings) {
  bench::Limits limits = measure_limits(settings);
  std::map<std::string, std::vector<std::vector<LoadResult>>> runs;  // By mode and load.
  for (int repeat = 0; repeat < settings.repeats; ++repeat) {
    for (const std::string& mode : settings.modes) {
      auto loads = mode == "bare"  ? run_bare(settings)
                   : mode == "log" ? run_log(settings)
                                   : run_etcd(settings);
      auto& of_mode = runs[mode];
      of_mode.resize(loads.size());
      for (std::size_t i = 0; i < loads.size(); ++i) {
        if (loads[i].is_done) of_mode[i].push_back(loads[i]);
      }
    }
  }
  std::vector<double> bare(settings.callers.size());
  for (const std::string& mode : settings.modes) {
    for (std::size_t i = 0; i < settings.callers.size(); ++i) {
      if (mode == "bare") bare[i] = ops_per_s(bench::median(runs[mode][i]));
      print(settings, mode, settings.callers[i], runs[mode][i], bare[i], limits);
    }
  }
}

// etcd is a guest: a run without it says so, and goes on.
void drop_what_is_missing(Settings& settings) {
  std::string why = bench::why_no_etcd(settings);
  if (why.empty() || std::erase(settings.modes, "etcd") == 0) return;
  std::fprintf(stderr, "log_bench: etcd is left out: %s\n", why.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings = read_settings(argc, argv);
  drop_what_is_missing(settings);
  if (settings.tls) bench::make_authority(settings);
  std::filesystem::create_directories(settings.directory);
  bench::clean_up_on_signals(settings.directory);
  bench::slow_syncs_down(settings.slow_sync_ms);
  if (settings.failover > 0) bench::run_failover(settings);
  if (settings.idle > 0) bench::run_idle(settings);
  if (settings.fill > 0) bench::run_fill(settings);
  if (settings.large) bench::run_large(settings);
  bool is_other = settings.failover > 0 || settings.idle > 0 || settings.fill > 0 || settings.large;
  if (!is_other) run_loads(settings);
  std::filesystem::remove_all(settings.directory);
}
