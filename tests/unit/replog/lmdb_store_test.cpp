// What is the LMDB store's own; what it shares with others is in store_test.cpp.
#include "tests/unit/replog/store_support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

TEST_CASE("a damaged entry in an LMDB store is reported by its position", "[replog][lmdb]") {
  TemporaryFolder folder;
  {
    auto store = open_or_fail(folder / "log", StoreKind::lmdb);
    commit(*store, {PutEntry{entry(1, ballot(1), "whole")},
                    PutEntry{entry(2, ballot(1), "soon to be damaged")}});
  }
  REQUIRE(damage(folder / "log/data.mdb", "soon to be damaged") > 0);
  auto store = open_or_fail(folder / "log", StoreKind::lmdb);

  auto read = store->read(Position(1), Position(3), 1 << 20);
  REQUIRE(read.has_value());
  CHECK(read->entries == std::vector<LogEntry>{entry(1, ballot(1), "whole")});
  CHECK(read->damaged == Position(2));

  auto checked = store->check(Position(1), Position(3), 1 << 20);
  REQUIRE(checked.has_value());
  CHECK(checked->damaged == std::vector<Position>{Position(2)});

  auto recovered = store->recover(1 << 20);
  REQUIRE(recovered.has_value());
  CHECK(recovered->damaged == std::vector<PositionRange>{{Position(2), Position(3)}});
}

TEST_CASE("a file that is no LMDB store of ours is refused", "[replog][lmdb]") {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "log");
  std::ofstream(folder / "log/data.mdb") << std::string(64 * 1024, 'x');

  auto opened = open_store(folder / "log", mine, StoreKind::lmdb, test_bytes_max);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == Errc::corrupt);
}
