// Resources as the allocator computes with them: scalars in a flat vector under interned names,
// the rest (ranges and sets, which are compared but never part of a share) as they come.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/resources.hpp"

namespace cluster::allocator {

// Resource names by number, in the order in which they were first seen.
class Names {
 public:
  std::uint32_t intern(std::string_view name);
  const std::string& operator[](std::uint32_t name) const { return *texts_[name]; }
  std::size_t size() const { return texts_.size(); }

 private:
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::vector<const std::string*> texts_;  // Keys of the map, which stay where they are.
};

struct Amount {
  std::uint32_t name = 0;
  std::int64_t thousandths = 0;
};

// Ascending by name; a name that is missing counts as 0. What is left after a charge over the total
// is negative, and counts as nothing free.
using Amounts = std::vector<Amount>;

void add(Amounts& to, const Amounts& more);
void subtract(Amounts& from, const Amounts& part);
bool covers(const Amounts& whole, const Amounts& part);  // For each positive amount of `part`.
bool is_empty(const Amounts&);                           // Nothing is over 0.

struct Bag {
  Amounts scalars;
  Resources others;  // No scalars.
};

// Each scalar is taken as at most `Scalar::max()`, so that sums stay far from overflow.
Bag to_bag(const Resources&, Names&);
Resources to_resources(const Bag&, const Names&);

bool is_empty(const Bag&);
bool covers(const Bag& whole, const Bag& part);
Bag common(const Bag&, const Bag&);  // What is in both.

// As `+=` and `-=`, but a name with another kind of value is left alone: what one agent calls a
// range, another may call a set.
void add_compatible(Resources& to, const Resources& more);
void subtract_compatible(Resources& from, const Resources& part);

}  // namespace cluster::allocator
