// What an agent has and a task needs: named quantities, ranges and sets.
//
//   cpus:4;mem:8192;ports:[31000-32000];racks:{a,b}
//
// Scalars are fixed-point thousandths, so that sums never drift. mem and disk are in MiB.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cluster/result.hpp"

namespace cluster {

// A scalar amount in thousandths. Inputs stay within `max()`, so that sums are far from overflow.
class Scalar {
 public:
  constexpr Scalar() = default;
  static constexpr Scalar thousandths(std::int64_t n) { return Scalar(n); }
  static constexpr Scalar whole(std::int64_t n) { return Scalar(n * 1000); }
  static constexpr Scalar max() { return Scalar((std::int64_t{1} << 53) - 1); }
  // Rounds to the nearest thousandth; stops at `max()` on both sides; NaN gives 0.
  static Scalar from_double(double value);

  constexpr std::int64_t in_thousandths() const { return n_; }
  double to_double() const { return static_cast<double>(n_) / 1000.0; }
  std::string to_string() const;  // "0.5", "4"

  friend constexpr Scalar operator+(Scalar a, Scalar b) { return Scalar(a.n_ + b.n_); }
  friend constexpr Scalar operator-(Scalar a, Scalar b) { return Scalar(a.n_ - b.n_); }
  friend constexpr bool operator==(Scalar, Scalar) = default;
  friend constexpr auto operator<=>(Scalar, Scalar) = default;

 private:
  constexpr explicit Scalar(std::int64_t n) : n_(n) {}
  std::int64_t n_ = 0;
};

// Disjoint half-open intervals [first, end) in ascending order, adjacent ones merged.
struct Interval {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  friend bool operator==(const Interval&, const Interval&) = default;
};
using Ranges = std::vector<Interval>;

// Distinct items in ascending order.
using Items = std::vector<std::string>;

using ResourceValue = std::variant<Scalar, Ranges, Items>;

// A bag of resources. Values that are empty or zero are not kept, so equal bags compare equal.
// Arithmetic on one name with two kinds of value is refused by `contains` (false) and must not
// reach `+=` or `-=`: check what comes from outside with `compatible`.
class Resources {
 public:
  Resources() = default;

  // "cpus:4;mem:1024;ports:[31000-31005,31010-31010];racks:{a,b}" - range ends are inclusive in
  // text, as Mesos has them. Spaces around separators are ignored. Negative, malformed or repeated
  // (a name, an item, an overlapping range): an error that names the column and what was expected.
  static Result<Resources> parse(std::string_view text);
  std::string to_string() const;  // The same form; "" for none.

  bool empty() const { return values_.empty(); }
  const std::map<std::string, ResourceValue, std::less<>>& values() const { return values_; }

  void set(std::string name, ResourceValue value);  // Normalises; an empty value removes the name.
  Scalar scalar(std::string_view name) const;       // 0 when absent or not a scalar.
  Scalar cpus() const { return scalar("cpus"); }
  Scalar mem() const { return scalar("mem"); }

  bool compatible(const Resources& other) const;  // No name has two kinds.
  bool contains(const Resources& part) const;     // `*this -= part` leaves nothing negative.
  Resources& operator+=(const Resources& other);  // Ranges and sets are united.
  Resources& operator-=(const Resources& part);  // What is not there is ignored; scalars stop at 0.
  friend Resources operator+(Resources a, const Resources& b) { return a += b; }
  friend Resources operator-(Resources a, const Resources& b) { return a -= b; }
  friend bool operator==(const Resources&, const Resources&) = default;

 private:
  std::map<std::string, ResourceValue, std::less<>> values_;
};

}  // namespace cluster
