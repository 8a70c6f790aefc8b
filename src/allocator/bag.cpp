#include "allocator/bag.hpp"

#include <algorithm>
#include <utility>

namespace cluster::allocator {
namespace {

// Sums wrap instead of overflowing: they come back when the same amounts are subtracted.
std::int64_t wrapping_sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

template <class Combine>
void combine(Amounts& to, const Amounts& with, Combine combined) {
  auto at = to.begin();
  for (const Amount& amount : with) {
    while (at != to.end() && at->name < amount.name) ++at;
    if (at == to.end() || at->name != amount.name) at = to.insert(at, {amount.name, 0});
    at->thousandths = combined(at->thousandths, amount.thousandths);
  }
}

// The part of `part` whose names have the same kind of value in `whole`, or none there.
Resources compatible_part(const Resources& whole, const Resources& part) {
  Resources kept;
  for (const auto& [name, value] : part.values()) {
    const auto at = whole.values().find(name);
    if (at == whole.values().end() || at->second.index() == value.index()) kept.set(name, value);
  }
  return kept;
}

}  // namespace

std::uint32_t Names::intern(std::string_view name) {
  const auto at = numbers_.find(name);
  if (at != numbers_.end()) return at->second;
  const auto number = static_cast<std::uint32_t>(texts_.size());
  texts_.push_back(&numbers_.emplace(name, number).first->first);
  return number;
}

void add(Amounts& to, const Amounts& more) { combine(to, more, wrapping_sum); }

void subtract(Amounts& from, const Amounts& part) { combine(from, part, wrapping_difference); }

bool covers(const Amounts& whole, const Amounts& part) {
  auto at = whole.begin();
  for (const Amount& amount : part) {
    if (amount.thousandths <= 0) continue;
    while (at != whole.end() && at->name < amount.name) ++at;
    if (at == whole.end() || at->name != amount.name) return false;
    if (at->thousandths < amount.thousandths) return false;
  }
  return true;
}

bool is_empty(const Amounts& amounts) {
  return std::none_of(amounts.begin(), amounts.end(),
                      [](const Amount& amount) { return amount.thousandths > 0; });
}

Bag to_bag(const Resources& resources, Names& names) {
  Bag bag;
  for (const auto& [name, value] : resources.values()) {
    const auto* scalar = std::get_if<Scalar>(&value);
    if (scalar) {
      const Scalar amount = std::min(*scalar, Scalar::max());
      bag.scalars.push_back({names.intern(name), amount.in_thousandths()});
    } else {
      bag.others.set(name, value);
    }
  }
  std::sort(bag.scalars.begin(), bag.scalars.end(),
            [](const Amount& a, const Amount& b) { return a.name < b.name; });
  return bag;
}

Resources to_resources(const Bag& bag, const Names& names) {
  Resources resources = bag.others;
  for (const Amount& amount : bag.scalars) {
    if (amount.thousandths <= 0) continue;
    resources.set(names[amount.name], Scalar::thousandths(amount.thousandths));
  }
  return resources;
}

bool is_empty(const Bag& bag) { return is_empty(bag.scalars) && bag.others.empty(); }

bool covers(const Bag& whole, const Bag& part) {
  return covers(whole.scalars, part.scalars) && whole.others.contains(part.others);
}

Bag common(const Bag& a, const Bag& b) {
  Bag both;
  auto at = b.scalars.begin();
  for (const Amount& amount : a.scalars) {
    while (at != b.scalars.end() && at->name < amount.name) ++at;
    if (at == b.scalars.end() || at->name != amount.name) continue;
    const std::int64_t less = std::min(amount.thousandths, at->thousandths);
    if (less > 0) both.scalars.push_back({amount.name, less});
  }
  Resources rest = a.others;
  subtract_compatible(rest, b.others);
  both.others = a.others - rest;
  return both;
}

void add_compatible(Resources& to, const Resources& more) {
  if (to.compatible(more)) {
    to += more;
  } else {
    to += compatible_part(to, more);
  }
}

void subtract_compatible(Resources& from, const Resources& part) {
  if (from.compatible(part)) {
    from -= part;
  } else {
    from -= compatible_part(from, part);
  }
}

}  // namespace cluster::allocator
