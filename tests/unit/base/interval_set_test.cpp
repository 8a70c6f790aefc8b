// IntervalSet against a model that keeps every position by itself.
#include "base/interval_set.hpp"

#include <set>

#include "base/random.hpp"
#include "tests/catch.hpp"

using cluster::IntervalSet;
using cluster::Position;
using cluster::Random;

namespace {

constexpr std::uint64_t model_end = 60;

struct PositionModel {
  std::set<std::uint64_t> held;

  void add(std::uint64_t first, std::uint64_t end) {
    for (; first < end; ++first) held.insert(first);
  }
  void remove_before(std::uint64_t to) { held.erase(held.begin(), held.lower_bound(to)); }
  std::uint64_t contiguous_end(std::uint64_t from) const {
    while (held.contains(from)) ++from;
    return from;
  }
  std::size_t runs() const {
    std::size_t runs = 0;
    for (std::uint64_t at : held) runs += held.contains(at - 1) ? 0 : 1;
    return runs;
  }
};

// What is wrong with `set` beside `model`; empty when nothing is.
std::string difference(const IntervalSet& set, const PositionModel& model) {
  for (std::uint64_t at = 0; at <= model_end; ++at) {
    if (set.contains(Position{at}) != model.held.contains(at)) {
      return "contains " + std::to_string(at);
    }
    if (set.contiguous_end(Position{at}).value() != model.contiguous_end(at)) {
      return "contiguous_end " + std::to_string(at);
    }
  }
  if (set.empty() != model.held.empty()) return "empty";
  if (set.intervals() != model.runs()) return "intervals";
  return "";
}

}  // namespace

TEST_CASE("an interval set holds what was added and not removed, in as few intervals as can be",
          "[base][interval_set]") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    IntervalSet set;
    PositionModel model;
    for (int step = 0; step < 40; ++step) {
      std::uint64_t first = random.between(1, model_end);
      std::uint64_t end = random.between(first, model_end);
      if (random.chance(1, 8)) {
        set.remove_before(Position{first});
        model.remove_before(first);
      } else {
        set.add(Position{first}, Position{end});
        model.add(first, end);
      }
      std::string found = difference(set, model);
      if (!found.empty()) FAIL("seed " << seed << ", step " << step << ": " << found);
    }
  }
}

TEST_CASE("intervals that touch become one", "[base][interval_set]") {
  IntervalSet set;
  set.add(Position{1}, Position{3});
  set.add(Position{5}, Position{7});
  CHECK(set.intervals() == 2);

  set.add(Position{3}, Position{5});

  CHECK(set.intervals() == 1);
  CHECK(set.contiguous_end(Position{1}) == Position{7});
}

TEST_CASE("an empty interval adds nothing", "[base][interval_set]") {
  IntervalSet set;
  set.add(Position{4}, Position{4});
  CHECK(set.empty());
  CHECK(set.contiguous_end(Position{4}) == Position{4});
}

TEST_CASE("removing cuts the interval that it falls into", "[base][interval_set]") {
  IntervalSet set;
  set.add(Position{1}, Position{10});
  set.remove_before(Position{4});
  CHECK_FALSE(set.contains(Position{3}));
  CHECK(set.contains(Position{4}));
  set.clear();
  CHECK(set.empty());
}
