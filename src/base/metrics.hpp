// How the library's parts list what they count.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "cluster/metrics.hpp"

namespace cluster {

inline Metric counter(std::string name, std::string help, std::uint64_t value) {
  return {std::move(name), std::move(help), Metric::Kind::counter, static_cast<double>(value)};
}

template <class Value>
Metric gauge(std::string name, std::string help, Value value) {
  return {std::move(name), std::move(help), Metric::Kind::gauge, static_cast<double>(value)};
}

// `name{label="value"}`.
std::string labelled(std::string_view name, std::string_view label, std::string_view value);

// What the lines of one metric stand under: its name without labels, a histogram's without the
// endings of its series.
std::string_view family_of(const Metric&);

// How often values fell below bounds that double. Adding costs a few instructions.
class Histogram {
 public:
  // Bounds are `first`, twice that, and so on, in units of which a listing's unit has `scale`.
  Histogram(std::uint64_t first, std::uint64_t scale) : first_(first), scale_(scale) {}

  void add(std::uint64_t value);
  std::uint64_t count() const { return count_; }
  void list(const std::string& name, const std::string& help, Metrics&) const;

 private:
  static constexpr std::size_t bounds = 18;

  std::uint64_t first_;
  std::uint64_t scale_;
  std::array<std::uint64_t, bounds + 1> counts_{};  // The last: above all bounds.
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace cluster
