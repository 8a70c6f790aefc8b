// What every store promises, whatever it keeps its bytes in.
#include "tests/unit/replog/store_support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using Catch::Contains;

namespace {

StoreKind each_kind() { return GENERATE(StoreKind::journal, StoreKind::lmdb); }

}  // namespace

TEST_CASE("a store gives back after a restart what was committed", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  std::vector<LogEntry> entries = {{Position(1), ballot(3), value_of("a", 7)},
                                   {Position(2), ballot(3, 2), Value{Kind::noop, {}}},
                                   {Position(4), ballot(4), Value{Kind::lead, bytes("4.1"), 8}}};
  entries[0].value.is_bare = true;
  {
    auto store = open_or_fail(folder / "log", kind);
    auto fresh = store->recover(1 << 20);
    REQUIRE(fresh.has_value());
    CHECK(fresh->promised == Ballot{});
    CHECK(fresh->chosen_end == Position(1));
    CHECK(fresh->configuration.is_empty());
    CHECK(fresh->entries.empty());
    commit(*store, {SetPromise{ballot(3)}, PutEntry{entries[0]}, PutEntry{entries[1]}});
    commit(*store, {SetPromise{ballot(9, 3)}, PutEntry{entries[2]}, SetChosenEnd{Position(3), 7}});
  }
  auto recovered = open_or_fail(folder / "log", kind)->recover(1 << 20);
  REQUIRE(recovered.has_value());
  CHECK(recovered->promised == ballot(9, 3));
  CHECK(recovered->chosen_end == Position(3));
  CHECK(recovered->chosen_term == 7);
  CHECK(recovered->first == Position(1));
  CHECK(recovered->entries == entries);
  CHECK(recovered->damaged.empty());
}

TEST_CASE("a store keeps its identity", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  CHECK(open_or_fail(folder / "log", kind)->identity() == mine);

  auto again = open_store(folder / "log", Identity{}, kind, test_bytes_max);
  REQUIRE(again.has_value());
  CHECK((*again)->identity() == mine);
}

TEST_CASE("a later entry at a position replaces the earlier one", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  std::vector<LogEntry> now = {entry(1, ballot(1), "one"), entry(2, ballot(2), "new"),
                               entry(3, ballot(1), "three")};
  {
    auto store = open_or_fail(folder / "log", kind);
    commit(*store, {PutEntry{now[0]}, PutEntry{entry(2, ballot(1), "old")}, PutEntry{now[2]}});
    commit(*store, {PutEntry{now[1]}});
    CHECK(store->read(Position(1), Position(9), 1000).value().entries == now);
  }
  auto store = open_or_fail(folder / "log", kind);
  CHECK(store->read(Position(1), Position(9), 1000).value().entries == now);
  CHECK(store->recover(1 << 20).value().entries == now);
}

TEST_CASE("a range is read in order, up to its end or its size, at least one entry",
          "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  auto store = open_or_fail(folder / "log", kind);
  for (std::uint64_t at : {1, 2, 4}) commit(*store, {PutEntry{entry(at, ballot(1), "x")}});

  CHECK(store->read(Position(1), Position(9), 1 << 20).value().entries.size() == 3);
  CHECK(store->read(Position(2), Position(4), 1 << 20).value().entries ==
        std::vector<LogEntry>{entry(2, ballot(1), "x")});
  CHECK(store->read(Position(1), Position(9), 1).value().entries.size() == 1);
  CHECK(store->read(Position(5), Position(9), 1 << 20).value().entries.empty());
}

TEST_CASE("recovery brings all open entries and the newest chosen ones that fit",
          "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  const bool is_one_group = GENERATE(true, false);
  auto store = open_or_fail(folder / "log", kind);
  std::vector<Change> changes;
  for (std::uint64_t at = 1; at <= 20; ++at) {
    changes.push_back(PutEntry{entry(at, ballot(1), std::string(1000, 'x'))});
    if (!is_one_group) commit(*store, {changes.back()});
  }
  changes.push_back(SetChosenEnd{Position(11)});
  commit(*store, is_one_group ? changes : std::vector<Change>{changes.back()});

  auto recovered = store->recover(2500);
  REQUIRE(recovered.has_value());
  CHECK(recovered->first == Position(8));
  CHECK(recovered->entries.size() == 13);
}

TEST_CASE("chosen positions that are not there are reported", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  auto store = open_or_fail(folder / "log", kind);
  commit(*store, {PutEntry{entry(1, ballot(1), "x")}, PutEntry{entry(3, ballot(1), "x")},
                  SetChosenEnd{Position(5)}});

  auto recovered = store->recover(1 << 20);
  REQUIRE(recovered.has_value());
  CHECK(recovered->damaged ==
        std::vector<PositionRange>{{Position(2), Position(3)}, {Position(4), Position(5)}});
}

TEST_CASE("what is before the base is gone, and what the members are is kept", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  Configuration members(Position(2), {Member{.id = two, .incarnation = 9, .endpoint = {"h", 1}}},
                        NodeId(5));
  {
    auto store = open_or_fail(folder / "log", kind);
    for (std::uint64_t at : {1, 2, 3}) commit(*store, {PutEntry{entry(at, ballot(1), "x")}});
    commit(*store,
           {SetConfiguration{members}, SetBase{Position(3), 77}, SetChosenEnd{Position(3), 77}});
  }
  auto store = open_or_fail(folder / "log", kind);
  auto recovered = store->recover(1 << 20);
  REQUIRE(recovered.has_value());
  CHECK(recovered->configuration == members);
  CHECK(recovered->kept_from == Position(3));
  CHECK(recovered->chosen_term == 77);
  CHECK(recovered->entries == std::vector<LogEntry>{entry(3, ballot(1), "x")});
  CHECK(store->read(Position(1), Position(4), 1 << 20).value().entries.size() == 1);
}

TEST_CASE("the checksum of a range is that of its values, whatever their ballots and groups",
          "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  auto one_by_one = open_or_fail(folder / "a", kind);
  commit(*one_by_one, {PutEntry{entry(1, ballot(1), "x")}});
  commit(*one_by_one, {PutEntry{entry(2, ballot(1), "y")}});
  auto together = open_or_fail(folder / "b", kind);
  commit(*together, {PutEntry{entry(1, ballot(8), "x")}, PutEntry{entry(2, ballot(8), "y")}});
  auto other = open_or_fail(folder / "c", kind);
  commit(*other, {PutEntry{entry(1, ballot(1), "x")}, PutEntry{entry(2, ballot(1), "z")}});

  auto sum = [](Store& store) {
    return store.check(Position(1), Position(3), 1 << 20).value().checksum;
  };
  CHECK(sum(*one_by_one) == sum(*together));
  CHECK(sum(*one_by_one) != sum(*other));
  CHECK(one_by_one->check(Position(1), Position(3), 1).value().end == Position(2));
}

TEST_CASE("a look at a range says where nothing stands", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  auto store = open_or_fail(folder / "log", kind);
  commit(*store, {PutEntry{entry(3, ballot(1), "three")}, PutEntry{entry(4, ballot(1), "four")},
                  PutEntry{entry(7, ballot(1), "seven")}});

  auto checked = store->check(Position(1), Position(9), 1 << 20);

  REQUIRE(checked.has_value());
  CHECK(checked->missing == std::vector<PositionRange>{{Position(1), Position(3)},
                                                       {Position(5), Position(7)},
                                                       {Position(8), Position(9)}});
  CHECK(checked->bytes > 0);
  CHECK(store->check(Position(3), Position(5), 1 << 20).value().missing.empty());
}

TEST_CASE("a store takes large and many entries, and zeros", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  std::vector<LogEntry> entries = {entry(1, ballot(1), std::string(3 << 20, 'L')),
                                   entry(2, ballot(1), std::string(100'000, '\0')),
                                   entry(3, ballot(1), "")};
  for (std::uint64_t at = 4; at < 3000; ++at) entries.push_back(entry(at, ballot(1), "small"));
  {
    auto store = open_or_fail(folder / "log", kind, 64 << 20);
    for (std::size_t i = 0; i < 3; ++i) commit(*store, {PutEntry{entries[i]}});
    std::vector<Change> many;
    for (std::size_t i = 3; i < entries.size(); ++i) many.push_back(PutEntry{entries[i]});
    commit(*store, many);
  }
  auto store = open_or_fail(folder / "log", kind, 64 << 20);
  CHECK(store->recover(1 << 20).value().entries == entries);
  CHECK(store->read(Position(1), Position(2), 1).value().entries.front() == entries.front());
}

TEST_CASE("a store that is full says so, and keeps what it has", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  std::uint64_t kept = 0;
  {
    auto store = open_or_fail(folder / "log", kind, 1 << 20);
    Result<void> committed;
    for (std::uint64_t at = 1; at < 1000 && committed; ++at) {
      committed = store->commit({PutEntry{entry(at, ballot(1), std::string(5000, 'x'))}});
      if (committed) kept = at;
    }
    REQUIRE_FALSE(committed.has_value());
    CHECK(committed.error().code == Errc::disk_full);
    CHECK_THAT(committed.error().context, Contains("limit") && Contains("store_bytes_max"));
    CHECK(kept > 50);
    CHECK(store->usage().bytes <= store->usage().bytes_max);
  }
  auto store = open_or_fail(folder / "log", kind, 4 << 20);
  CHECK(store->recover(1 << 20).value().entries.size() == kept);
  commit(*store, {PutEntry{entry(kept + 1, ballot(1), "there is room again")}});
}

TEST_CASE("a log that forgets what it need not keep does not grow", "[replog][store]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  auto store = open_or_fail(folder / "log", kind, 2 << 20);
  const std::string data(3000, 'x');
  for (std::uint64_t at = 1; at <= 3000; ++at) {
    std::vector<Change> changes = {PutEntry{entry(at, ballot(1), data)}};
    if (at % 50 == 0) changes.push_back(SetBase{Position(at - 20), 1});
    commit(*store, changes);
  }
  CHECK(store->usage().bytes <= 2 << 20);
  CHECK(store->read(Position(1), Position(4000), 1 << 20).value().entries.size() == 21);
}
