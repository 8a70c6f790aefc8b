#include "replog/damage.hpp"

#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;

namespace {

PositionRange range(std::uint64_t first, std::uint64_t end) {
  return {Position(first), Position(end)};
}

}  // namespace

TEST_CASE("what was repaired in the middle leaves the damage on both sides", "[replog][damage]") {
  Damage damage;
  damage.add(range(3, 9));
  damage.remove(range(5, 6));

  CHECK(damage.count() == 5);
  CHECK(damage.contains(Position(4)));
  CHECK_FALSE(damage.contains(Position(5)));
  CHECK(damage.first_in(Position(1), Position(20)) == Position(3));
  CHECK(damage.first_in(Position(5), Position(20)) == Position(6));
  CHECK(damage.first_in(Position(7), Position(20)) == Position(7));
  CHECK(damage.first_in(Position(9), Position(20)) == Position(20));
  CHECK(damage.first_in(Position(1), Position(2)) == Position(2));
  CHECK(damage.has_from(Position(8)));
  CHECK_FALSE(damage.has_from(Position(9)));
  CHECK(damage.first_before(Position(4)) == range(3, 4));
  CHECK(damage.first_before(Position(3)) == std::nullopt);
}

TEST_CASE("damage that is named twice counts once", "[replog][damage]") {
  Damage damage;
  damage.add(range(3, 5));
  damage.add(range(4, 6));
  damage.add(range(7, 7));
  CHECK(damage.count() == 3);
  damage.remove(range(1, 100));
  CHECK(damage.empty());
}
