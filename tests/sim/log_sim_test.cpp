// The log under seeded faults: what failed once, a few seeds more, and that the checker is awake.
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "sim/log_run.hpp"
#include "tests/catch.hpp"

using namespace cluster::sim;

namespace {

std::vector<std::uint64_t> seeds_that_failed() {
  std::vector<std::uint64_t> seeds;
  std::ifstream in(CLUSTER_SEEDS);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::uint64_t seed = 0;
    if (words >> seed) seeds.push_back(seed);
  }
  return seeds;
}

// The first of 200 seeds at which the checker sees what the disks do wrong; 0 when none.
std::uint64_t seed_that_notices(LogRunOptions options) {
  for (options.seed = 1; options.seed <= 200; ++options.seed) {
    LogRunResult result = run_log(options);
    if (result.violation.empty()) continue;
    WARN("noticed at seed " << options.seed << ": " << result.violation);
    return options.seed;
  }
  return 0;
}

}  // namespace

TEST_CASE("seeds that failed once pass", "[sim]") {
  REQUIRE(seeds_that_failed().size() >= 5);
  for (std::uint64_t seed : seeds_that_failed()) {
    INFO("seed " << seed);
    CHECK(run_log({.seed = seed}).violation == "");
  }
}

TEST_CASE("seeds beyond those of every check pass, and things happen in them", "[sim]") {
  std::uint64_t acknowledged = 0, crashes = 0, terms = 0;
  for (std::uint64_t seed = 100'001; seed <= 100'020; ++seed) {
    INFO("seed " << seed);
    LogRunResult result = run_log({.seed = seed});
    CHECK(result.violation == "");
    acknowledged += result.acknowledged;
    crashes += result.crashes;
    terms += result.terms;
  }
  CHECK(acknowledged > 1000);
  CHECK(crashes > 10);
  CHECK(terms > 20);
}

TEST_CASE("within 200 seeds each rare path is taken", "[sim]") {
  Coverage paths;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) paths.add(run_log({.seed = seed}).coverage);

  for (const char* path : {
           "a Forward came in a later term of its leader",
           "a Forward came twice",
           "a Forward was sent again",
           "a catch-up failed",
           "a change was said to be done",
           "a cut-off leader was deposed",
           "a deaf member",
           "a hole closed by a candidate",
           "a leader was paused",
           "a mute member",
           "a partial partition",
           "a promise told in parts",
           "a promise told from a store",
           "a read was asked of a member that is cut off",
           "a restart within one network delay",
           "a swap did not swap",
           "a swap swapped",
           "a witness was added",
           "a writer was fenced",
           "an append failed: fenced, maybe applied",
           "an append failed: fenced, not applied",
           "an append failed: overloaded, not applied",
           "an append to a second log",
           "an entry proposed again by a candidate",
           "an entry voided since terms never fall",
           "cluster_log_repaired_total",
           "cluster_log_resent_total",
           "cluster_log_rests_total",
           "gives its candidacy up: a member promised a higher ballot",
           "gives its candidacy up: no quorum promised in time",
           "learned from a store",
           "replica stopped: storage failed: the simulated disk failed",
           "steps down: a higher ballot was prepared",
           "steps down: a member promised a higher ballot",
           "steps down: a new writer starts here",
           "steps down: another member leads",
           "steps down: no quorum was heard from",
       }) {
    INFO(path);
    CHECK(paths.of(path) > 0);
  }
  CHECK(paths.of("a history too hard to check") < 10);
}

TEST_CASE("the same seed gives the same history, and another seed another", "[sim]") {
  LogRunResult first = run_log({.seed = 11});
  LogRunResult again = run_log({.seed = 11});
  LogRunResult other = run_log({.seed = 12});

  CHECK(first.fingerprint == again.fingerprint);
  CHECK(first.steps == again.steps);
  CHECK(first.fingerprint != other.fingerprint);
}

TEST_CASE("disks that forget promises are noticed within 200 seeds", "[sim]") {
  CHECK(seed_that_notices({.forget_promises = true}) != 0);
}

TEST_CASE("disks that lose what they called durable are noticed within 200 seeds", "[sim]") {
  CHECK(seed_that_notices({.lose_last_group = true}) != 0);
}
