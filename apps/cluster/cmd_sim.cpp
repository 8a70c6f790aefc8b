// `cluster sim`: seeded histories of the log in a made-up world, checked after each step.
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

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
  int failed = sim::run_log_seeds(seeds->first, seeds->second, run, [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  });
  return failed == 0 ? 0 : 1;
}

}  // namespace cluster::app
