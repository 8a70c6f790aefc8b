// Segments are zeros when they are taken, however they came to be.
#include "replog/journal_keeper.hpp"

#include "tests/catch.hpp"
#include "tests/unit/replog/faulty_files.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

constexpr std::uint64_t segment = 64 << 10;

struct Kept {
  explicit Kept(std::uint64_t seed) : disk(seed) {}

  // Takes the next segment, sees that it is all zero, and fills it.
  void fill_next() {
    auto file = keeper.take(++taken, segment);
    REQUIRE(file);
    std::string bytes(segment, '?');
    REQUIRE((*file)->read(0, bytes.data(), bytes.size()).value() == segment);
    REQUIRE(bytes == std::string(segment, '\0'));
    REQUIRE((*file)->write_durably(0, std::string(segment, 'x')));
  }

  FaultyDisk disk;
  FaultyFolder folder{disk};
  journal::Keeper keeper{
      folder, {.segment_bytes = segment, .bytes_max = 8 * segment, .has_thread = false}, 1, 0, 0,
      {}};
  std::uint64_t taken = 0;
};

}  // namespace

TEST_CASE("segments that are taken before they were zeroed are cleared, where the disk can",
          "[replog][journal]") {
  const bool clears = GENERATE(true, false);
  Kept kept(clears ? 1 : 2);
  REQUIRE(kept.disk.clears == clears);
  for (int i = 0; i < 12; ++i) {
    kept.fill_next();
    if (kept.taken > 2) kept.keeper.give_back(kept.taken - 2, segment);
  }
  // The first segment of a journal has outrun nobody.
  CHECK(kept.disk.cleared == (clears ? 11 : 0));
}

TEST_CASE("a log that writes no faster than its segments are zeroed has none cleared",
          "[replog][journal]") {
  Kept kept(1);
  for (int i = 0; i < 12; ++i) {
    kept.fill_next();
    for (int part = 0; part < 8; ++part) kept.keeper.committed(segment / 8, part > 0);
    if (kept.taken > 2) kept.keeper.give_back(kept.taken - 2, segment);
  }
  CHECK(kept.disk.cleared == 0);
}

TEST_CASE("a segment that the disk fails to clear leaves its space", "[replog][journal]") {
  Kept kept(1);
  kept.fill_next();
  const std::uint64_t before = kept.keeper.bytes();
  kept.disk.plan.fail_at = kept.disk.operations + 3;  // Created, reserved, and then cleared.
  CHECK_FALSE(kept.keeper.take(2, segment));
  CHECK(kept.keeper.bytes() == before);
  kept.disk.plan = {};
  kept.fill_next();
}
