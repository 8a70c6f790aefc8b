// What is served of a member's snapshots while others are made.
#include "replog/snapshot_shelf.hpp"

#include "replog/snapshot_transfer.hpp"
#include "tests/unit/replog/hand_host.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using namespace std::chrono_literals;

namespace {

struct Shelf {
  Shelf() : shelf(std::make_shared<SnapshotShelf>(*open_snapshot_files(folder / "snapshots"))) {}

  void put(std::uint64_t id) {
    auto sink = shelf->files().create(
        {.end = Position(id), .configuration = Configuration::of_voters({one}), .id = id});
    REQUIRE(sink.has_value());
    REQUIRE((*sink)->write("state " + std::to_string(id)).has_value());
    REQUIRE((*sink)->finish().has_value());
  }
  bool has(std::uint64_t id) { return shelf->files().read(id, 0, 100).has_value(); }

  TemporaryFolder folder;
  std::shared_ptr<SnapshotShelf> shelf;
};

}  // namespace

TEST_CASE("a snapshot that is being fetched stays, whatever is newer", "[replog][snapshot]") {
  Shelf at;
  for (std::uint64_t id : {1u, 2u, 3u, 4u}) at.put(id);
  at.shelf->note_fetch(1, Time{});

  at.shelf->clear_up(Time{} + 59s);
  CHECK(at.has(1));
  CHECK_FALSE(at.has(2));
  CHECK(at.has(3));
  CHECK(at.has(4));

  at.shelf->clear_up(Time{} + 61s);  // Whoever fetched it has it, or is gone.
  CHECK_FALSE(at.has(1));
  CHECK(at.has(3));
}

TEST_CASE("a piece that is asked for again before it was read is read once", "[replog][snapshot]") {
  Shelf at;
  at.put(7);
  HandHost host;
  SnapshotTransfer transfer(host, at.shelf);
  int answers = 0;
  auto count = [&](Result<Bytes> bytes) {
    CHECK((bytes && *bytes == Bytes(ByteView("state 7"))));
    answers += 1;
  };
  SendSnapshot wanted{two, 7, 0, 100};
  transfer.read(wanted, count);
  transfer.read(wanted, count);
  transfer.read({three, 7, 0, 100}, count);
  HandHost::run(host.background);
  HandHost::run(host.node);
  CHECK(answers == 2);

  transfer.read(wanted, count);  // The answer was lost on its way.
  HandHost::run(host.background);
  HandHost::run(host.node);
  CHECK(answers == 3);
}

TEST_CASE("whoever fetches a snapshot does not wait for another that is being made",
          "[replog][snapshot]") {
  Shelf at;
  at.put(7);
  HandHost host;
  SnapshotTransfer transfer(host, at.shelf);
  bool is_made = false;
  host.post_background([&] {  // Long work, as the applier does it.
    at.shelf->do_short_work();
    CHECK(host.node.size() == 1);
    is_made = true;
  });
  int answers = 0;
  transfer.read({two, 7, 0, 100}, [&](Result<Bytes>) { answers += 1; });
  HandHost::run(host.background);
  CHECK(is_made);
  HandHost::run(host.node);
  CHECK(answers == 1);
}
