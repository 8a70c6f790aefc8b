// A seeded generator (SplitMix64): the same seed gives the same numbers on every machine and
// compiler, which std's distributions do not promise.
#pragma once

#include <cstdint>

#include "base/check.hpp"

namespace cluster {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, end).
  std::uint64_t below(std::uint64_t end) {
    CLUSTER_CHECK(end > 0, "an empty range has no member");
    return next() % end;
  }

  // Uniform in [low, high).
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low); }

  // True with probability `numerator` / `denominator`.
  bool chance(std::uint64_t numerator, std::uint64_t denominator) {
    return below(denominator) < numerator;
  }

 private:
  std::uint64_t state_;
};

// A seed from the operating system. Shells and `main` only: cores are given theirs.
std::uint64_t system_random();

}  // namespace cluster
