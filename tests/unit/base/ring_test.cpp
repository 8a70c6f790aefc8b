// A queue in one allocation behaves like any other queue.
#include "base/ring.hpp"

#include <cstdint>
#include <deque>
#include <memory>

#include "base/random.hpp"
#include "tests/catch.hpp"

TEST_CASE("a ring is a queue, however it grows and shrinks", "[base]") {
  cluster::Random random(5);
  cluster::Ring<std::uint64_t> ring;
  std::deque<std::uint64_t> model;
  for (int phase = 0; phase < 20; ++phase) {
    std::uint64_t of_ten = phase % 2 == 0 ? 7 : 3;  // Mostly pushed, or mostly popped.
    for (int i = 0; i < 5000; ++i) {
      if (random.below(10) < of_ten) {
        ring.push_back(model.emplace_back(random.next()));
      } else if (!model.empty()) {
        ring.pop_front();
        model.pop_front();
      }
      REQUIRE(ring.size() == model.size());
      if (model.empty()) continue;
      std::size_t at = random.below(model.size());
      REQUIRE(ring.front() == model.front());
      REQUIRE(ring[at] == model[at]);
    }
  }
  ring.clear();
  CHECK(ring.empty());
}

TEST_CASE("what leaves a ring is let go of at once", "[base]") {
  cluster::Ring<std::shared_ptr<int>> ring;
  auto value = std::make_shared<int>(1);
  for (int i = 0; i < 100; ++i) ring.push_back(value);
  for (int i = 0; i < 60; ++i) ring.pop_front();
  CHECK(value.use_count() == 41);
  ring.clear();
  CHECK(value.use_count() == 1);
}
