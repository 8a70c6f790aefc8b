// What a journal makes of damage, each kind by itself.
#include "replog/journal_store.hpp"

#include "replog/inspection.hpp"
#include "tests/unit/replog/faulty_files.hpp"
#include "tests/unit/replog/store_model.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using Catch::Contains;

namespace {

JournalOptions small() {
  JournalOptions options;
  options.segment_bytes = 64 << 10;
  options.bytes_max = 2 << 20;
  options.has_thread = false;
  options.seed = 5;
  return options;
}

// A journal on a disk in memory, and what it should hold.
struct Journal {
  FaultyDisk disk{1};
  Model model;
  std::unique_ptr<Store> store;

  Journal() { static_cast<void>(open(true)); }

  Result<Recovered> open(bool is_new = false) {
    store.reset();
    auto opened = open_journal_on(std::make_unique<FaultyFolder>(disk), mine, is_new, small());
    if (!opened) return std::move(opened).error();
    store = *std::move(opened);
    return store->recover(1 << 20);
  }
  void commit(const std::vector<Change>& changes) {
    test::commit(*store, changes);
    model.apply(changes);
  }
  std::string& bytes(const std::string& name) { return disk.names.at(name)->now; }
  // Changes what is on the disk, under the store's feet.
  void change(const std::string& name, const std::function<void(std::string&)>& how) {
    auto& inode = *disk.names.at(name);
    how(inode.now);
    how(inode.durable);
  }
};

const std::string first_segment = "000000000001.segment";

void fill(Journal& journal, std::uint64_t from, std::uint64_t to, std::size_t size = 100) {
  for (std::uint64_t at = from; at < to; ++at) {
    journal.commit(
        {PutEntry{entry(at, ballot(at), std::string(size, static_cast<char>('a' + at % 26)))}});
  }
}

}  // namespace

TEST_CASE("no bit of a journal can be flipped without being noticed", "[replog][journal]") {
  Journal journal;
  fill(journal, 1, 4);
  journal.commit({SetPromise{ballot(9)}, PutEntry{entry(4, ballot(9), "four")},
                  PutEntry{entry(5, ballot(9), std::string(5000, '\0'))},
                  PutEntry{entry(6, ballot(9), "six")}, SetChosenEnd{Position(3)}});
  journal.commit({PutEntry{entry(7, ballot(9), "seven")}});
  const std::string whole = journal.bytes(first_segment);
  const std::size_t used = whole.find_last_not_of('\0') + 1;
  REQUIRE(used > 6 * journal::block_bytes);

  int reported = 0;
  for (std::size_t at = 0; at < used; ++at) {
    journal.change(first_segment, [&](std::string& bytes) {
      bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
    });
    auto recovered = journal.open();
    INFO("offset " << at << (recovered ? "" : ": " + recovered.error().message()));
    REQUIRE(recovered.has_value());  // One flip is never too much.
    std::string difference = differs(*recovered, journal.model);
    INFO(difference);
    REQUIRE(difference.empty());
    reported += recovered->damaged.empty() ? 0 : 1;
  }
  CHECK(reported > 1000);
  CHECK(reported < static_cast<int>(used));  // What only pads, or is there twice, costs nothing.
}

TEST_CASE("a last group that lacks a sector was never durable, and is cut", "[replog][journal]") {
  Journal journal;
  fill(journal, 1, 3);
  auto expected = journal.model;
  fill(journal, 3, 4, 3000);
  std::size_t end = journal.bytes(first_segment).find_last_not_of('\0') / 4096 * 4096;
  const std::size_t sector = GENERATE(0u, 2u, 4u);
  journal.change(first_segment, [&](std::string& bytes) {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(end + sector * 512), 512, '\0');
  });

  auto recovered = journal.open();
  REQUIRE(recovered.has_value());
  CHECK(differs(*recovered, expected).empty());
  CHECK(recovered->damaged.empty());
  CHECK(journal.bytes(first_segment).find_last_not_of('\0') < end);  // Wiped.
}

TEST_CASE("a last group that was written whole is kept, and its damage reported",
          "[replog][journal]") {
  Journal journal;
  fill(journal, 1, 4, 3000);
  journal.change(first_segment, [&](std::string& bytes) { bytes[bytes.rfind('d')] ^= 2; });

  auto recovered = journal.open();
  REQUIRE(recovered.has_value());
  CHECK(recovered->damaged == std::vector<PositionRange>{{Position(3), Position(4)}});
  CHECK(recovered->entries.size() == 2);
}

TEST_CASE("a replica that may have lost its newest promise stops, and says what to do",
          "[replog][journal]") {
  Journal journal;
  fill(journal, 1, 3);
  journal.commit({SetPromise{ballot(99)}});
  journal.change(first_segment, [&](std::string& bytes) {
    std::size_t last = bytes.find_last_not_of('\0');
    bytes[last] ^= 1;                     // The copy of the header,
    bytes[last / 4096 * 4096 + 20] ^= 1;  // and the header.
  });
  // An unused field ends the header: make sure that the copy is hit where it counts.
  journal.change(first_segment, [&](std::string& bytes) {
    std::size_t block = bytes.find_last_not_of('\0') / 4096 * 4096;
    bytes[block + 4096 - 256 + 20] ^= 1;
  });

  auto recovered = journal.open();
  REQUIRE_FALSE(recovered.has_value());
  CHECK(recovered.error().code == Errc::corrupt);
  CHECK_THAT(recovered.error().context, Contains("000000000001.segment, offset") &&
                                            Contains("must not vote") &&
                                            Contains("add a new one with an empty directory"));
}

TEST_CASE(
    "a newest segment without its header stops the replica where more follows than was "
    "written with it",
    "[replog][journal]") {
  Journal journal;
  std::uint64_t at = 1;
  while (!journal.disk.names.contains("000000000002.segment") ||
         journal.bytes("000000000002.segment").find_first_not_of('\0') == std::string::npos) {
    fill(journal, at, at + 1, 3000);
    at += 1;
  }
  const std::uint64_t first_in_it = at - 1;
  auto lose_header = [&] {
    journal.change("000000000002.segment",
                   [](std::string& bytes) { std::fill_n(bytes.begin(), 4096, '\0'); });
  };

  SECTION("what was written with it may have been cut off by the crash, as a whole") {
    lose_header();
    auto recovered = journal.open();
    REQUIRE(recovered.has_value());
    CHECK(recovered->entries.back().position == Position(first_in_it - 1));
    CHECK(journal.bytes("000000000002.segment").find_first_not_of('\0') == std::string::npos);
  }
  SECTION("one group more was durable only after it") {
    fill(journal, at, at + 1);
    lose_header();
    auto recovered = journal.open();
    REQUIRE_FALSE(recovered.has_value());
    CHECK(recovered.error().code == Errc::corrupt);
    CHECK_THAT(recovered.error().context, Contains("000000000002.segment") &&
                                              Contains("groups follow") &&
                                              Contains("must not vote"));
  }
}

TEST_CASE("neighbours tell what a group held whose headers are both damaged", "[replog][journal]") {
  Journal journal;
  fill(journal, 1, 6);
  journal.change(first_segment, [&](std::string& bytes) {
    std::fill_n(bytes.begin() + 4 * 4096, 4096, '\x77');  // The third entry's.
  });
  auto recovered = journal.open();
  REQUIRE(recovered.has_value());
  CHECK(recovered->damaged == std::vector<PositionRange>{{Position(3), Position(4)}});
  CHECK(differs(*recovered, journal.model).empty());

  journal.change(first_segment, [&](std::string& bytes) {
    std::fill_n(bytes.begin() + 5 * 4096, 4096, '\x77');  // And the fourth's.
  });
  recovered = journal.open();
  REQUIRE(recovered.has_value());
  CHECK(differs(*recovered, journal.model).empty());
  CHECK(is_damaged(*recovered, Position(3)));
  CHECK(is_damaged(*recovered, Position(4)));
}

TEST_CASE("a journal of many segments is known by its catalogs", "[replog][journal]") {
  Journal journal;
  journal.commit({SetConfiguration{
      Configuration(Position(1), {Member{.id = two, .endpoint = {"h", 1}}}, NodeId(9))}});
  fill(journal, 1, 100, 2000);
  REQUIRE(journal.disk.names.contains("000000000004.segment"));
  auto recovered = journal.open();
  REQUIRE(recovered.has_value());
  CHECK(differs(*recovered, journal.model).empty());

  SECTION("a damaged entry in an old segment is found when it is read") {
    journal.change("000000000002.segment", [](std::string& bytes) { bytes[5 * 4096 + 600] ^= 1; });
    recovered = journal.open();
    REQUIRE(recovered.has_value());
    REQUIRE(recovered->damaged.size() == 1);
    Position at = recovered->damaged[0].first;
    CHECK(journal.store->check(Position(1), Position(200), 1 << 30).value().damaged ==
          std::vector<Position>{at});
    CHECK(journal.store->read(at, at.next(), 100).value().damaged == at);
    CHECK(differs(*recovered, journal.model).empty());
  }
  SECTION("without its catalog a segment is read by itself") {
    journal.change("000000000003.segment",
                   [](std::string& bytes) { std::fill_n(bytes.begin() + 4096, 4096, 'z'); });
    recovered = journal.open();
    REQUIRE(recovered.has_value());
    CHECK(recovered->damaged.empty());
    CHECK(differs(*recovered, journal.model).empty());
  }
  SECTION("a segment that is gone is reported by position") {
    journal.disk.names.erase("000000000002.segment");
    recovered = journal.open();
    REQUIRE(recovered.has_value());
    CHECK(recovered->damaged.size() == 1);
    CHECK(differs(*recovered, journal.model).empty());
  }
  SECTION(
      "a newest segment that is gone stops the replica, where the ready one after it shows it") {
    auto newest = [&] {
      std::string name;
      for (const auto& [each, inode] : journal.disk.names) {
        if (inode->now.find_first_not_of('\0') != std::string::npos) name = each;
      }
      return name;
    };
    for (std::uint64_t at = 100; journal.disk.names.rbegin()->first == newest(); ++at) {
      REQUIRE(at < 200);
      fill(journal, at, at + 1);
    }
    journal.disk.names.erase(newest());
    recovered = journal.open();
    REQUIRE_FALSE(recovered.has_value());
    CHECK_THAT(recovered.error().context, Contains("the file is missing"));
  }
  SECTION("a segment of another directory is refused") {
    auto opened = open_journal_on(std::make_unique<FaultyFolder>(journal.disk),
                                  {mine.cluster, NodeId(3), 7}, false, small());
    REQUIRE_FALSE(opened.has_value());
    CHECK_THAT(opened.error().context, Contains("belongs to another directory"));
  }
}

TEST_CASE("a journal on a full disk stops before a group is half written", "[replog][journal]") {
  Journal journal;
  journal.disk.plan.bytes_max = 300 << 10;
  Result<void> committed;
  std::uint64_t kept = 0;
  for (std::uint64_t at = 1; at < 1000 && committed; ++at) {
    committed = journal.store->commit({PutEntry{entry(at, ballot(1), std::string(3000, 'x'))}});
    if (committed) kept = at;
  }
  REQUIRE_FALSE(committed.has_value());
  CHECK(committed.error().code == Errc::disk_full);
  CHECK_THAT(committed.error().context, Contains("free some"));
  CHECK_FALSE(journal.store->commit({SetPromise{ballot(1)}}).has_value());

  journal.disk.plan.bytes_max = 1 << 20;
  CHECK(journal.open().value().entries.size() == kept);
  commit(*journal.store, {PutEntry{entry(kept + 1, ballot(1), "room")}});
}

TEST_CASE("a disk without room for a whole segment is used up before the journal stops",
          "[replog][journal]") {
  Journal journal;
  const std::uint64_t segment = small().segment_bytes;
  journal.disk.plan.bytes_max = 3 * segment + segment / 2;
  Result<void> committed;
  std::uint64_t kept = 0;
  for (std::uint64_t at = 1; at < 1000 && committed; ++at) {
    committed = journal.store->commit({PutEntry{entry(at, ballot(1), std::string(3000, 'x'))}});
    if (committed) kept = at;
  }
  REQUIRE_FALSE(committed.has_value());
  // A block for each, and of each segment one for its header and one for what it begins with.
  CHECK(kept == 3 * (16 - 2) + (8 - 2));

  // What there is room for again is used from there on.
  journal.disk.plan.bytes_max = 8 * segment;
  CHECK(journal.open().value().entries.size() == kept);
  for (std::uint64_t at = kept + 1; at < kept + 40; ++at) {
    commit(*journal.store, {PutEntry{entry(at, ballot(1), std::string(3000, 'y'))}});
  }
  CHECK(journal.open().value().entries.size() == kept + 39);
}

TEST_CASE("a damaged journal can be looked into, and nothing is changed", "[replog][inspection]") {
  TemporaryFolder folder;
  const StoreKind kind = GENERATE(StoreKind::journal, StoreKind::lmdb);
  const std::string data =
      folder / (kind == StoreKind::lmdb ? "log/data.mdb" : "log/" + first_segment);
  {
    auto store = open_or_fail(folder / "log", kind);
    commit(*store, {SetPromise{ballot(7)}, PutEntry{entry(1, ballot(7), "whole")},
                    PutEntry{entry(2, ballot(7), "soon to be damaged")},
                    PutEntry{entry(3, ballot(7), "whole again")}, SetChosenEnd{Position(2), 7}});
    CHECK(inspect_directory(folder / "log", Look::quick).value().is_in_use);
  }
  auto sound = inspect_directory(folder / "log", Look::complete);
  REQUIRE(sound.has_value());
  CHECK(sound->damage.empty());
  CHECK_FALSE(sound->is_in_use);
  REQUIRE(damage(data, "soon to be damaged") > 0);
  const std::string before = read_file(data);

  auto found = inspect_directory(folder / "log", Look::complete);
  REQUIRE(found.has_value());
  CHECK(found->directory.identity == mine);
  CHECK(found->recovered.promised == ballot(7));
  CHECK(found->recovered.chosen_end == Position(2));
  CHECK(found->first == Position(1));
  REQUIRE(found->damage.size() == 1);
  CHECK(found->damage[0].file == data);
  CHECK(found->damage[0].positions == std::vector<PositionRange>{{Position(2), Position(3)}});
  CHECK(found->store->read(Position(3), Position(4), 100).value().entries.size() == 1);
  CHECK_FALSE(found->store->commit({SetPromise{ballot(8)}}).has_value());
  CHECK(read_file(data) == before);
}
