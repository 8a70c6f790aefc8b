#include "replog/lmdb_store.hpp"

#include <fstream>
#include <iterator>

#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using Catch::Contains;

namespace {

const Identity mine{ClusterUid(0xabc), NodeId(2), 99};

std::unique_ptr<Store> open_store(const std::string& directory) {
  auto store = open_lmdb_store(directory, mine);
  INFO((store ? "" : store.error().message()));
  REQUIRE(store.has_value());
  return *std::move(store);
}

void commit(Store& store, std::vector<Change> changes) {
  auto committed = store.commit(changes);
  REQUIRE(committed.has_value());
}

// Changes one byte wherever `text` stands in the file.
int damage(const std::string& path, const std::string& text) {
  std::ifstream in(path, std::ios::binary);
  std::string file((std::istreambuf_iterator<char>(in)), {});
  int places = 0;
  for (auto at = file.find(text); at != std::string::npos; at = file.find(text, at + 1)) {
    file[at + text.size() - 1] ^= 1;
    places += 1;
  }
  std::ofstream(path, std::ios::binary) << file;
  return places;
}

}  // namespace

TEST_CASE("a store gives back after a restart what was committed", "[replog][lmdb]") {
  TemporaryFolder folder;
  std::vector<LogEntry> entries = {{Position(1), ballot(3), value_of("a", 7)},
                                   {Position(2), ballot(3, 2), Value{Kind::noop, {}}},
                                   {Position(4), ballot(4), Value{Kind::lead, bytes("4.1"), 8}}};
  {
    auto store = open_store(folder / "log");
    auto fresh = store->recover(1 << 20);
    REQUIRE(fresh.has_value());
    CHECK(fresh->promised == Ballot{});
    CHECK(fresh->chosen_end == Position(1));
    CHECK(fresh->entries.empty());
    commit(*store, {SetPromise{ballot(3)}, PutEntry{entries[0]}, PutEntry{entries[1]}});
    commit(*store, {SetPromise{ballot(9, 3)}, PutEntry{entries[2]}, SetChosenEnd{Position(3)}});
  }
  auto recovered = open_store(folder / "log")->recover(1 << 20);
  REQUIRE(recovered.has_value());
  CHECK(recovered->promised == ballot(9, 3));
  CHECK(recovered->chosen_end == Position(3));
  CHECK(recovered->first == Position(1));
  CHECK(recovered->entries == entries);
}

TEST_CASE("a later entry at a position replaces the earlier one", "[replog][lmdb]") {
  TemporaryFolder folder;
  auto store = open_store(folder / "log");
  commit(*store, {PutEntry{entry(1, ballot(1), "old")}});
  commit(*store, {PutEntry{entry(1, ballot(2), "new")}});

  CHECK(store->read(Position(1), Position(2), 100).value().entries ==
        std::vector<LogEntry>{entry(1, ballot(2), "new")});
}

TEST_CASE("a range is read in order, up to its end or its size, at least one entry",
          "[replog][lmdb]") {
  TemporaryFolder folder;
  auto store = open_store(folder / "log");
  for (std::uint64_t at : {1, 2, 4}) commit(*store, {PutEntry{entry(at, ballot(1), "x")}});

  CHECK(store->read(Position(1), Position(9), 1 << 20).value().entries.size() == 3);
  CHECK(store->read(Position(2), Position(4), 1 << 20).value().entries ==
        std::vector<LogEntry>{entry(2, ballot(1), "x")});
  CHECK(store->read(Position(1), Position(9), 1).value().entries.size() == 1);
  CHECK(store->read(Position(5), Position(9), 1 << 20).value().entries.empty());
}

TEST_CASE("recovery brings all open entries and the newest chosen ones that fit",
          "[replog][lmdb]") {
  TemporaryFolder folder;
  auto store = open_store(folder / "log");
  std::vector<Change> changes;
  for (std::uint64_t at = 1; at <= 20; ++at) {
    changes.push_back(PutEntry{entry(at, ballot(1), std::string(1000, 'x'))});
  }
  changes.push_back(SetChosenEnd{Position(11)});
  commit(*store, changes);

  auto recovered = store->recover(2500);
  REQUIRE(recovered.has_value());
  CHECK(recovered->first == Position(8));
  CHECK(recovered->entries.size() == 13);
}

TEST_CASE("a directory of another member or cluster is refused in plain words", "[replog][lmdb]") {
  TemporaryFolder folder;
  open_store(folder / "log");

  auto stranger = open_lmdb_store(folder / "log", {mine.cluster, NodeId(3), 1});
  REQUIRE_FALSE(stranger.has_value());
  CHECK(stranger.error().code == Errc::wrong_cluster);
  CHECK_THAT(stranger.error().context, Contains("is member 2's, not member 3's"));

  auto elsewhere = open_lmdb_store(folder / "log", {ClusterUid(0xdef), NodeId(2), 1});
  REQUIRE_FALSE(elsewhere.has_value());
  CHECK(elsewhere.error().code == Errc::wrong_cluster);
  CHECK_THAT(elsewhere.error().context, Contains("belongs to cluster 0000000000000abc"));

  CHECK(open_lmdb_store(folder / "log", mine).has_value());
}

TEST_CASE("a directory serves one store at a time", "[replog][lmdb]") {
  TemporaryFolder folder;
  auto store = open_store(folder / "log");

  auto second = open_lmdb_store(folder / "log", mine);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == Errc::address_in_use);
  CHECK_THAT(second.error().context, Contains("in use by another process"));

  store.reset();
  CHECK(open_lmdb_store(folder / "log", mine).has_value());
}

TEST_CASE("a damaged entry is an error that names its position", "[replog][lmdb]") {
  TemporaryFolder folder;
  {
    auto store = open_store(folder / "log");
    commit(*store, {PutEntry{entry(1, ballot(1), "whole")},
                    PutEntry{entry(2, ballot(1), "soon to be damaged")}});
  }
  REQUIRE(damage(folder / "log/data.mdb", "soon to be damaged") > 0);
  auto store = open_store(folder / "log");

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

TEST_CASE("what is before the base is gone, and what the members are is kept", "[replog][lmdb]") {
  TemporaryFolder folder;
  Configuration members(Position(2), {Member{.id = two, .incarnation = 9, .endpoint = {"h", 1}}},
                        NodeId(5));
  {
    auto store = open_store(folder / "log");
    for (std::uint64_t at : {1, 2, 3}) commit(*store, {PutEntry{entry(at, ballot(1), "x")}});
    commit(*store,
           {SetConfiguration{members}, SetBase{Position(3), 77}, SetChosenEnd{Position(3), 77}});
  }
  auto store = open_store(folder / "log");
  auto recovered = store->recover(1 << 20);
  REQUIRE(recovered.has_value());
  CHECK(recovered->configuration == members);
  CHECK(recovered->kept_from == Position(3));
  CHECK(recovered->chosen_term == 77);
  CHECK(recovered->entries == std::vector<LogEntry>{entry(3, ballot(1), "x")});
  CHECK(store->read(Position(1), Position(4), 1 << 20).value().entries.size() == 1);
}

TEST_CASE("a file that is no store of ours is refused", "[replog][lmdb]") {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder / "log");
  std::ofstream(folder / "log/data.mdb") << std::string(64 * 1024, 'x');

  auto opened = open_lmdb_store(folder / "log", mine);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == Errc::corrupt);
}

TEST_CASE("a place where no directory can be made is refused", "[replog][lmdb]") {
  TemporaryFolder folder;
  std::ofstream(folder / "file") << "not a directory";

  auto opened = open_lmdb_store(folder / "file/log", mine);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == Errc::storage);
}
