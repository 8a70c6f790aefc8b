// Runs a range of seeds of the simulated log and nothing else, for tools that rebuild it often:
//
//   sim_run_seeds FIRST LAST                all; a line for each that fails, and a summary
//   sim_run_seeds FIRST LAST --first        stops at the first that fails; "seed N" before each
//   sim_run_seeds FIRST LAST [--first] keys  of the registry's users
//
// Exits with 1 when one failed.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sim/log_run.hpp"

namespace {

bool stop_at_first_failure(std::uint64_t first, std::uint64_t last,
                           cluster::sim::LogRunOptions options) {
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    // Told before it runs: a failed check ends the process.
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    options.seed = seed;
    cluster::sim::LogRunResult result = cluster::sim::run_log(options);
    if (result.violation.empty()) continue;
    std::printf("violation: %s\n", result.violation.c_str());
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  bool is_first_only = argc > 3 && std::string(argv[3]) == "--first";
  const int workload = is_first_only ? 4 : 3;
  bool has_keys = argc > workload && std::string(argv[workload]) == "keys";
  if (argc != workload + (has_keys ? 1 : 0)) {
    std::fprintf(stderr, "usage: %s FIRST LAST [--first] [keys]\n", argv[0]);
    return 2;
  }
  std::uint64_t first = std::strtoull(argv[1], nullptr, 10);
  std::uint64_t last = std::strtoull(argv[2], nullptr, 10);
  cluster::sim::LogRunOptions options;
  if (has_keys) options.workload = cluster::sim::WorkloadKind::keys;
  if (is_first_only) return stop_at_first_failure(first, last, options) ? 1 : 0;
  auto print = [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  };
  cluster::sim::LogRunTotals totals = cluster::sim::run_log_seeds(first, last, 1, options, print);
  for (const std::string& line : totals.lines()) print(line);
  return totals.failed() == 0 ? 0 : 1;
}
