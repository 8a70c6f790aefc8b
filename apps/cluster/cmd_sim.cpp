// `cluster sim`: seeded histories of the log, or of the registry on it, in a made-up world, checked
// after each step.
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "options.hpp"
#include "signals.hpp"
#include "sim/log_run.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

// "7", or "1..200" with both ends.
std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_seeds(std::string_view text) {
  auto number = [](std::string_view part) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    auto [end, failure] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (failure != std::errc{} || end != part.data() + part.size()) return std::nullopt;
    return value;
  };
  auto dots = text.find("..");
  auto first = number(text.substr(0, dots));
  auto last = dots == std::string_view::npos ? first : number(text.substr(dots + 2));
  if (!first || !last || *first > *last) return std::nullopt;
  return std::pair(*first, *last);
}

void print(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// A child writes what its seeds came to as lines "n<TAB>count<TAB>name" and "p<TAB>count<TAB>name".
void write_totals(int to, const sim::LogRunTotals& totals) {
  std::string text;
  auto add = [&](const char* kind, const sim::Coverage& counts) {
    for (const auto& [name, times] : counts.counts()) {
      text += std::string(kind) + "\t" + std::to_string(times) + "\t" + name + "\n";
    }
  };
  add("n", totals.numbers);
  add("p", totals.paths);
  for (std::size_t written = 0; written < text.size();) {
    ssize_t n = ::write(to, text.data() + written, text.size() - written);
    if (n <= 0) return;
    written += static_cast<std::size_t>(n);
  }
}

sim::LogRunTotals read_totals(int from) {
  std::string text;
  char buffer[4096];
  for (ssize_t n = ::read(from, buffer, sizeof buffer); n > 0;
       n = ::read(from, buffer, sizeof buffer)) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  sim::LogRunTotals totals;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    auto tab = line.find('\t', 2);
    if (tab == std::string::npos) continue;
    std::uint64_t times = std::strtoull(line.c_str() + 2, nullptr, 10);
    (line[0] == 'n' ? totals.numbers : totals.paths).count(line.substr(tab + 1), times);
  }
  return totals;
}

// Each process has every `jobs`th seed, and seeds do not know of each other: the same histories as
// in one process.
Result<sim::LogRunTotals> run_in_processes(std::uint64_t first, std::uint64_t last, unsigned jobs,
                                           const sim::LogRunOptions& run) {
  struct Child {
    pid_t pid;
    int pipe;
  };
  std::vector<Child> children;
  for (unsigned job = 0; job < jobs; ++job) {
    int ends[2];
    if (::pipe(ends) != 0) return Error{Errc::failed, "no pipe can be made"};
    pid_t pid = ::fork();
    if (pid < 0) return Error{Errc::failed, "no process can be started"};
    if (pid == 0) {
      ::close(ends[0]);
      write_totals(ends[1], sim::run_log_seeds(first + job, last, jobs, run, print));
      std::fflush(nullptr);
      ::_exit(0);
    }
    ::close(ends[1]);
    children.push_back({pid, ends[0]});
  }
  sim::LogRunTotals totals;
  for (const Child& child : children) {
    totals.add(read_totals(child.pipe));
    ::close(child.pipe);
    int status = 0;
    ::waitpid(child.pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) totals.numbers.count("failed");
  }
  return totals;
}

}  // namespace

int cmd_sim(const SimOptions& options) {
  auto seeds = parse_seeds(options.seeds);
  if (!seeds) {
    return fail(Error{Errc::invalid_argument, "--seeds: '" + options.seeds +
                                                  "' is no range; write A..B with A not after B, "
                                                  "or one number"});
  }
  StderrSink sink;
  sim::LogRunOptions run;
  if (options.verbose) {
    run.log_sink = &sink;
    run.log_level = LogLevel::debug;
  }
  if (options.workload == "keys") {
    run.workload = sim::WorkloadKind::keys;
  } else if (options.workload != "log") {
    return fail(Error{Errc::invalid_argument,
                      "--workload: '" + options.workload + "' is none; there are log and keys"});
  }
  if (options.jobs < 1 || options.jobs > 256) {
    return fail(Error{Errc::invalid_argument, "--jobs: a number from 1 to 256 is needed"});
  }
  sim::LogRunTotals totals;
  if (options.jobs == 1) {
    totals = sim::run_log_seeds(seeds->first, seeds->second, 1, run, print);
  } else {
    auto result = run_in_processes(seeds->first, seeds->second, options.jobs, run);
    if (!result) return fail(result.error());
    totals = *std::move(result);
  }
  for (const std::string& line : totals.lines()) print(line);
  return totals.failed() == 0 ? 0 : 1;
}

}  // namespace cluster::app
