#include "base/random.hpp"
#include "tests/catch.hpp"
#include "tests/fuzz/keys_fuzz.hpp"
#include "tests/unit/registry/keys_run.hpp"

using namespace cluster;

TEST_CASE("whatever the commands, the keys are what a naive model says, at every kept revision",
          "[registry][keys][property]") {
  std::size_t accepted = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    accepted += test::run_keys(600, [&](std::uint64_t end) { return random.below(end); });
  }
  CHECK(accepted > 40 * 200);  // Else the commands hardly meet the state.
}

TEST_CASE("changed entries, choices and snapshots of keys do no harm", "[registry][keys][fuzz]") {
  Random random(5);
  auto corpus = test::keys_fuzz_corpus();
  for (int round = 0; round < 300; ++round) {
    std::string input = corpus[random.below(corpus.size())];
    for (auto changes = random.below(6); changes > 0; --changes) {
      input[1 + random.below(input.size() - 1)] = static_cast<char>(random.below(256));
    }
    test::run_keys_input(input);
  }
  SUCCEED("no check failed");
}
