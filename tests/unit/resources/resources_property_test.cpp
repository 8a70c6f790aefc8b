// Laws of the algebra on random bags, checked against a model: the set of members one by one.
#include <algorithm>
#include <set>

#include "base/random.hpp"
#include "cluster/resources.hpp"
#include "tests/unit/resources/printing.hpp"

namespace cluster {
namespace {

constexpr std::uint64_t universe = 48;  // Range members and items are numbers below this.

using Members = std::set<std::uint64_t>;

Members random_members(Random& random) {
  Members members;
  for (std::uint64_t i = 0; i < universe; ++i) {
    if (random.chance(1, 3)) members.insert(i);
  }
  return members;
}

Ranges ranges_of(const Members& members) {
  Ranges ranges;
  for (const std::uint64_t member : members) ranges.push_back({member, member + 1});
  return ranges;
}

Items items_of(const Members& members) {
  Items items;
  for (const std::uint64_t member : members) items.push_back("i" + std::to_string(member));
  return items;
}

Members members_of(const Resources& bag) {
  Members members;
  const auto at = bag.values().find("ports");
  if (at == bag.values().end()) return members;
  for (const Interval& interval : std::get<Ranges>(at->second)) {
    for (std::uint64_t i = interval.first; i < interval.end; ++i) members.insert(i);
  }
  return members;
}

// A bag and the members of its "ports" and "racks", which are the same numbers.
struct Sample {
  Resources bag;
  Members members;
};

Sample random_sample(Random& random) {
  Sample sample;
  for (const char* name : {"cpus", "mem", "disk"}) {
    const auto amount = static_cast<std::int64_t>(random.below(random.chance(1, 2) ? 3 : 1u << 20));
    sample.bag.set(name, Scalar::thousandths(amount));
  }
  sample.members = random_members(random);
  sample.bag.set("ports", ranges_of(sample.members));
  sample.bag.set("racks", items_of(sample.members));
  return sample;
}

bool is_disjoint(const Members& a, const Members& b) {
  return std::none_of(a.begin(), a.end(), [&](std::uint64_t i) { return b.count(i) > 0; });
}

template <class Law>
void for_seeds(const Law& law) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    law(random);
  }
}

TEST_CASE("what is printed parses to the same bag", "[resources][property]") {
  for_seeds([](Random& random) {
    const Sample a = random_sample(random);
    INFO(a.bag.to_string());
    const Result<Resources> again = Resources::parse(a.bag.to_string());
    REQUIRE(again.has_value());
    REQUIRE(*again == a.bag);
  });
}

TEST_CASE("what is added and then subtracted leaves the bag as it was", "[resources][property]") {
  for_seeds([](Random& random) {
    const Sample a = random_sample(random);
    Sample b = random_sample(random);
    for (const std::uint64_t member : a.members) b.members.erase(member);
    b.bag.set("ports", ranges_of(b.members));
    b.bag.set("racks", items_of(b.members));
    REQUIRE(is_disjoint(a.members, b.members));
    REQUIRE((a.bag + b.bag) - b.bag == a.bag);
    REQUIRE(a.bag + b.bag == b.bag + a.bag);
  });
}

TEST_CASE("sums and differences have the members that they should", "[resources][property]") {
  for_seeds([](Random& random) {
    const Sample a = random_sample(random);
    const Sample b = random_sample(random);
    Members united = a.members;
    united.insert(b.members.begin(), b.members.end());
    Members rest = a.members;
    for (const std::uint64_t member : b.members) rest.erase(member);

    REQUIRE(members_of(a.bag + b.bag) == united);
    REQUIRE(members_of(a.bag - b.bag) == rest);
    Resources same;
    same.set("ports", ranges_of(rest));
    same.set("racks", items_of(rest));
    Resources difference = a.bag - b.bag;
    for (const char* name : {"cpus", "mem", "disk"}) difference.set(name, Scalar());
    REQUIRE(difference == same);
  });
}

TEST_CASE("a bag contains exactly what subtraction can take without a rest",
          "[resources][property]") {
  std::size_t contained = 0;
  for_seeds([&](Random& random) {
    const Sample a = random_sample(random);
    const Sample b = random_sample(random);
    const Resources sum = a.bag + b.bag;
    REQUIRE(sum.contains(a.bag));
    REQUIRE(sum.contains(b.bag));
    // `part` is within `a` exactly when nothing of it is left once `a` has been taken from it.
    const Resources part = random.chance(1, 2) ? a.bag - b.bag : b.bag;
    REQUIRE(a.bag.contains(part) == (part - a.bag).empty());
    contained += a.bag.contains(part) ? 1 : 0;
  });
  CHECK(contained > 50);
  CHECK(contained < 250);
}

TEST_CASE("garbage is refused or parsed, and what is parsed prints and parses again",
          "[resources][property]") {
  const std::string_view letters = "cpus:;[]{},-. 0123456789\x01\xff";
  std::size_t accepted = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    std::string text = random_sample(random).bag.to_string();
    for (std::uint64_t edits = random.below(4); edits > 0 && !text.empty(); --edits) {
      text[random.below(text.size())] = letters[random.below(letters.size())];
    }
    const Result<Resources> resources = Resources::parse(text);
    if (!resources) {
      REQUIRE(resources.error().context.find("column ") != std::string::npos);
      continue;
    }
    ++accepted;
    const Result<Resources> again = Resources::parse(resources->to_string());
    REQUIRE(again.has_value());
    REQUIRE(*again == *resources);
  }
  CHECK(accepted > 50);
  CHECK(accepted < 290);
}

}  // namespace
}  // namespace cluster
