#include "base/random.hpp"
#include "tests/catch.hpp"
#include "tests/fuzz/registry_fuzz.hpp"
#include "tests/unit/registry/commands.hpp"

using namespace cluster;

TEST_CASE("whatever the commands, replicas agree and the registry's invariants hold",
          "[registry][property]") {
  std::size_t accepted = 0;
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    accepted += test::run_commands(300, [&](std::uint64_t end) { return random.below(end); });
  }
  CHECK(accepted > 25 * 60);  // Else the commands hardly meet the state.
}

TEST_CASE("changed log entries are applied or skipped, and never more", "[registry][fuzz]") {
  Random random(4);
  auto corpus = test::registry_fuzz_corpus();
  for (int round = 0; round < 150; ++round) {
    std::string input = corpus[random.below(corpus.size())];
    for (auto changes = random.below(6); changes > 0; --changes) {
      input[1 + random.below(input.size() - 1)] = static_cast<char>(random.below(256));
    }
    test::run_registry_input(input);
  }
  SUCCEED("no check failed");
}
