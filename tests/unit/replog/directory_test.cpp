#include "replog/directory.hpp"

#include "tests/unit/replog/store_support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using Catch::Contains;

namespace {

StoreKind each_kind() { return GENERATE(StoreKind::journal, StoreKind::lmdb); }

Error refused(const std::string& directory, const Identity& identity, StoreKind kind) {
  auto store = open_store(directory, identity, kind, test_bytes_max);
  REQUIRE_FALSE(store.has_value());
  return store.error();
}

}  // namespace

TEST_CASE("a directory of another member or cluster is refused in plain words",
          "[replog][directory]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  open_or_fail(folder / "log", kind);

  Error stranger = refused(folder / "log", {mine.cluster, NodeId(3), 1}, kind);
  CHECK(stranger.code == Errc::wrong_cluster);
  CHECK_THAT(stranger.context, Contains("is member 2's, not member 3's"));

  Error elsewhere = refused(folder / "log", {ClusterUid(0xdef), NodeId(2), 1}, kind);
  CHECK(elsewhere.code == Errc::wrong_cluster);
  CHECK_THAT(elsewhere.context, Contains("belongs to cluster 0000000000000abc"));

  open_or_fail(folder / "log", kind);
}

TEST_CASE("a directory stays of the kind that it was made as", "[replog][directory]") {
  TemporaryFolder folder;
  open_or_fail(folder / "log", StoreKind::lmdb);

  Error error = refused(folder / "log", mine, StoreKind::journal);
  CHECK(error.code == Errc::wrong_cluster);
  CHECK_THAT(error.context, Contains("keeps its log as 'lmdb', not as 'journal'"));
}

TEST_CASE("an empty directory becomes a member only when it is told which", "[replog][directory]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  Identity partial = GENERATE(Identity{}, Identity{ClusterUid(1), NodeId(), 5},
                              Identity{ClusterUid(1), NodeId(1), 0});

  Error error = refused(folder / "log", partial, kind);
  CHECK(error.code == Errc::invalid_argument);
  CHECK_THAT(error.context, Contains("is no member's directory yet"));
}

TEST_CASE("a directory serves one store at a time", "[replog][directory]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  auto store = open_or_fail(folder / "log", kind);

  Error error = refused(folder / "log", mine, kind);
  CHECK(error.code == Errc::address_in_use);
  CHECK_THAT(error.context, Contains("in use by another process"));

  store.reset();
  open_or_fail(folder / "log", kind);
}

TEST_CASE("a copy of a directory does not open, until it is adopted", "[replog][directory]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  {
    auto store = open_or_fail(folder / "log", kind);
    commit(*store, {PutEntry{entry(1, ballot(1), "x")}});
  }
  std::filesystem::copy(folder / "log", folder / "copy", std::filesystem::copy_options::recursive);

  Error error = refused(folder / "copy", mine, kind);
  CHECK(error.code == Errc::wrong_cluster);
  CHECK_THAT(error.context, Contains("is a copy of the directory of member 2 of cluster "
                                     "0000000000000abc") &&
                                Contains("a copy never votes") && Contains("adopt"));
  CHECK(read_directory(folder / "copy").value().is_copy);
  CHECK_FALSE(read_directory(folder / "log").value().is_copy);
  open_or_fail(folder / "log", kind);

  REQUIRE(adopt_directory(folder / "copy").value() == mine);
  auto adopted = open_or_fail(folder / "copy", kind);
  CHECK(adopted->read(Position(1), Position(2), 100).value().entries.size() == 1);
}

TEST_CASE("a directory that was moved is the same", "[replog][directory]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  open_or_fail(folder / "log", kind);
  std::filesystem::rename(folder / "log", folder / "moved");
  open_or_fail(folder / "moved", kind);
}

TEST_CASE("a damaged identity stops the replica", "[replog][directory]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  open_or_fail(folder / "log", kind);
  for (int at : {0, 5, 20, 30, 50}) {
    std::string good = read_file(folder / "log/identity");
    std::string bad = good;
    bad[static_cast<std::size_t>(at)] ^= 4;
    // In place: the same inode.
    std::fstream(folder / "log/identity", std::ios::binary | std::ios::in | std::ios::out) << bad;
    Error error = refused(folder / "log", mine, kind);
    CHECK(error.code == Errc::corrupt);
    CHECK_THAT(error.context, Contains("must not vote") && Contains("remove the member"));
    std::fstream(folder / "log/identity", std::ios::binary | std::ios::in | std::ios::out) << good;
  }
  open_or_fail(folder / "log", kind);
}

TEST_CASE("a store without its identity, and an identity without its store, stop the replica",
          "[replog][directory]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  {
    auto store = open_or_fail(folder / "log", kind);
    commit(*store, {SetPromise{ballot(4)}, PutEntry{entry(1, ballot(4), "x")}});
  }
  SECTION("the identity is gone") { std::filesystem::remove(folder / "log/identity"); }
  SECTION("the store is gone") {
    for (const auto& file : std::filesystem::directory_iterator(folder / "log")) {
      if (file.path().filename() != "identity") std::filesystem::remove(file.path());
    }
  }
  Error error = refused(folder / "log", mine, kind);
  CHECK(error.code == Errc::corrupt);
  CHECK_THAT(error.context, Contains("must not vote"));
}

TEST_CASE("a place where no directory can be made is refused", "[replog][directory]") {
  const StoreKind kind = each_kind();
  TemporaryFolder folder;
  std::ofstream(folder / "file") << "not a directory";

  CHECK(refused(folder / "file/log", mine, kind).code == Errc::storage);
}
