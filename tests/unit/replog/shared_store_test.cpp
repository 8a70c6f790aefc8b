// Many logs in one journal: what one log wrote is its own, all of it lasts together, damage is told
// to whom it belongs, and an idle log does not hold the space of the others.
#include "replog/shared_store.hpp"
#include "replog/journal_store.hpp"
#include "tests/unit/replog/faulty_files.hpp"
#include "tests/unit/replog/store_model.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

constexpr LogId first_log{1};
constexpr LogId second_log{2};

JournalOptions journal_options(std::uint64_t seed) {
  JournalOptions options;
  options.segment_bytes = 64 << 10;
  options.bytes_max = 8 << 20;
  options.has_thread = false;
  options.seed = seed;
  return options;
}

struct SharedDisk {
  explicit SharedDisk(std::uint64_t seed = 1) : disk(seed) { open(); }

  Result<void> try_open() {
    store.reset();
    auto journal = open_journal_on(std::make_unique<FaultyFolder>(disk), mine, is_new,
                                   journal_options(++opens));
    if (!journal) return std::move(journal).error();
    is_new = false;
    auto opened = SharedStore::open(
        *std::move(journal),
        {.move_above_bytes = 1u << 20, .move_above_factor = 3, .step_bytes = 32u << 10});
    if (!opened) return std::move(opened).error();
    store = *std::move(opened);
    return {};
  }
  void open() {
    auto opened = try_open();
    INFO((opened ? "" : opened.error().message()));
    REQUIRE(opened.has_value());
  }
  Result<void> commit(const std::map<LogId, std::vector<Change>>& changes) {
    std::vector<LogChanges> all;
    for (const auto& [log, some] : changes) all.push_back({log, &some});
    return store->commit(all);
  }
  Recovered recover(LogId log) {
    auto recovered = store->store_of(log)->recover(std::size_t{1} << 30);
    INFO((recovered ? "" : recovered.error().message()));
    REQUIRE(recovered.has_value());
    return *std::move(recovered);
  }

  FaultyDisk disk;
  bool is_new = true;
  std::uint64_t opens = 0;
  std::shared_ptr<SharedStore> store;
};

Change put(std::uint64_t at, ByteView text) { return PutEntry{entry(at, ballot(3, 2), text)}; }

}  // namespace

TEST_CASE("logs in one journal see their own entries and nobody else's", "[replog][shared]") {
  SharedDisk shared;
  Configuration members = Configuration::of_voters({one, two});
  REQUIRE(shared.commit({{first_log, {put(1, "a"), put(2, "b"), SetPromise{ballot(3, 2)}}},
                         {second_log, {SetConfiguration{members}, put(1, "c")}}}));
  REQUIRE(shared.commit({{second_log, {put(2, "d"), SetChosenEnd{Position(3), 5}}}}));
  REQUIRE(shared.commit({{first_log, {put(2, "e")}}}));

  for (int round = 0; round < 2; ++round) {
    Recovered first = shared.recover(first_log);
    CHECK(first.promised == ballot(3, 2));
    CHECK(first.entries == std::vector{entry(1, ballot(3, 2), "a"), entry(2, ballot(3, 2), "e")});
    CHECK(first.damaged.empty());
    Recovered second = shared.recover(second_log);
    CHECK(second.promised == Ballot{});
    CHECK(second.configuration == members);
    CHECK(second.chosen_end == Position(3));
    CHECK(second.chosen_term == 5);
    CHECK(second.entries == std::vector{entry(1, ballot(3, 2), "c"), entry(2, ballot(3, 2), "d")});
    CHECK(shared.recover(LogId(9)).entries.empty());
    CHECK(shared.store->logs() == std::vector{first_log, second_log});
    shared.open();
  }
}

TEST_CASE("several logs' changes are one write to the disk", "[replog][shared]") {
  SharedDisk shared;
  std::map<LogId, std::vector<Change>> changes;
  for (std::uint64_t log = 1; log <= 50; ++log) changes[LogId(log)] = {put(1, "x")};
  std::uint64_t before = shared.disk.operations;

  REQUIRE(shared.commit(changes));

  CHECK(shared.disk.operations - before <= 3);  // With what prepares the next segment.
}

TEST_CASE("a log's stretch is checked as if it were alone", "[replog][shared]") {
  SharedDisk shared;
  std::vector<Change> some;
  std::uint32_t sum = 0;
  for (std::uint64_t at = 1; at <= 20; ++at) {
    std::vector<Change> changes{put(at, "entry " + std::to_string(at))};
    REQUIRE(shared.commit({{first_log, changes}, {second_log, {put(at, "other")}}}));
    sum = checksum_value(sum, entry(at, ballot(3, 2), "entry " + std::to_string(at)));
  }

  auto checked = shared.store->store_of(first_log)->check(Position(1), Position(21), 1 << 20);

  REQUIRE(checked.has_value());
  CHECK(checked->checksum == sum);
  CHECK(checked->end == Position(21));
  CHECK(checked->damaged.empty());
  CHECK(checked->missing.empty());
  auto beyond = shared.store->store_of(first_log)->check(Position(18), Position(25), 1 << 20);
  REQUIRE(beyond->missing.size() == 1);
  CHECK(beyond->missing[0] == PositionRange{Position(21), Position(25)});
}

TEST_CASE("a damaged entry is its own log's affair, and gone when it is written again",
          "[replog][shared]") {
  SharedDisk shared;
  std::string text(3000, 'q');
  REQUIRE(shared.commit({{first_log, {put(1, "before")}}, {second_log, {put(1, "fine")}}}));
  REQUIRE(shared.commit({{first_log, {put(2, text)}}, {second_log, {put(2, "fine too")}}}));
  REQUIRE(shared.commit({{first_log, {put(3, "after")}}}));
  for (auto& [name, inode] : shared.disk.names) {
    auto at = inode->durable.find(text);
    if (at == std::string::npos) continue;
    REQUIRE(shared.disk.flip_bit(name, at + 1500, 3));
  }
  shared.open();

  Recovered first = shared.recover(first_log);
  CHECK(first.damaged == std::vector{PositionRange{Position(2), Position(3)}});
  CHECK(first.entries.size() == 2);
  CHECK(shared.recover(second_log).damaged.empty());
  CHECK(shared.recover(second_log).entries.size() == 2);
  auto read = shared.store->store_of(first_log)->read(Position(1), Position(4), 1 << 20);
  CHECK(read->damaged == Position(2));
  CHECK(read->entries.size() == 1);

  REQUIRE(shared.commit({{first_log, {put(2, text)}}}));
  CHECK(
      shared.store->store_of(first_log)->read(Position(1), Position(4), 1 << 20)->entries.size() ==
      3);
  shared.open();
  CHECK(shared.recover(first_log).damaged.empty());
}

TEST_CASE("a commit that is lost as a whole is told of by the one after it", "[replog][shared]") {
  SharedDisk shared;
  std::string text(9000, 'z');
  REQUIRE(shared.commit({{first_log, {put(1, "kept")}}, {second_log, {put(1, "kept")}}}));
  REQUIRE(shared.commit({{first_log, {put(2, text), SetPromise{ballot(8, 2)}}}}));
  REQUIRE(shared.commit({{second_log, {put(2, "after")}}}));
  for (auto& [name, inode] : shared.disk.names) {
    auto at = inode->durable.find(text);
    if (at == std::string::npos) continue;
    std::size_t begin = at / journal::block_bytes * journal::block_bytes;
    std::size_t end = (at + text.size()) / journal::block_bytes * journal::block_bytes;
    for (std::string* copy : {&inode->durable, &inode->now}) {
      std::fill(copy->begin() + static_cast<std::ptrdiff_t>(begin),
                copy->begin() + static_cast<std::ptrdiff_t>(end + journal::block_bytes), 'X');
    }
  }
  shared.open();

  Recovered first = shared.recover(first_log);
  CHECK(first.promised == ballot(8, 2));
  CHECK(first.damaged == std::vector{PositionRange{Position(2), Position(3)}});
  CHECK(shared.recover(second_log).damaged.empty());
}

TEST_CASE("a log whose last promise may be lost without a trace does not go on, and the others do",
          "[replog][shared]") {
  constexpr LogId third_log{3};
  SharedDisk shared;
  std::string lost(5000, 'z');
  REQUIRE(shared.commit(
      {{first_log, {put(1, "a")}}, {second_log, {put(1, "b")}}, {third_log, {put(1, "c")}}}));
  REQUIRE(shared.commit({{first_log, {put(2, lost), SetPromise{ballot(8, 2)}}}}));
  REQUIRE(shared.commit({{second_log, {put(2, lost), SetPromise{ballot(9, 2)}}}}));
  REQUIRE(shared.commit({{third_log, {put(2, "d")}}}));
  for (auto& [name, inode] : shared.disk.names) {
    auto first = inode->durable.find(lost), last = inode->durable.rfind(lost);
    if (first == std::string::npos) continue;
    std::size_t begin = first / journal::block_bytes * journal::block_bytes;
    std::size_t end = (last + lost.size()) / journal::block_bytes * journal::block_bytes;
    for (std::string* copy : {&inode->durable, &inode->now}) {
      std::fill(copy->begin() + static_cast<std::ptrdiff_t>(begin),
                copy->begin() + static_cast<std::ptrdiff_t>(end + journal::block_bytes), 'X');
    }
  }
  shared.open();

  auto first = shared.store->store_of(first_log)->recover(1 << 20);
  REQUIRE_FALSE(first.has_value());
  CHECK(first.error().code == Errc::corrupt);
  Recovered second = shared.recover(second_log);  // The commit after it tells.
  CHECK(second.promised == ballot(9, 2));
  for (std::uint64_t at : {1, 2}) CHECK(is_damaged(second, Position(at)));
  Recovered third = shared.recover(third_log);
  CHECK(third.entries == std::vector{entry(2, ballot(3, 2), "d")});
  CHECK(is_damaged(third, Position(1)));  // It might have been written again without a trace.
  auto new_log = shared.store->store_of(LogId(77))->recover(1 << 20);
  REQUIRE_FALSE(new_log.has_value());
  CHECK_THAT(new_log.error().message(), Catch::Matchers::Contains("whether it was here before"));
}

TEST_CASE("logs that nothing is written to do not hold the space of one that is busy",
          "[replog][shared]") {
  SharedDisk shared;
  for (std::uint64_t log = 1; log <= 20; ++log) {
    REQUIRE(shared.commit({{LogId(log),
                            {put(1, "idle " + std::to_string(log)), SetPromise{ballot(log, 2)},
                             SetConfiguration{Configuration::of_voters({one, two})}}}}));
  }
  std::string large(20'000, 'b');
  for (std::uint64_t at = 1; at <= 1500; ++at) {  // Some 30 MB, on a disk of 8.
    std::vector<Change> changes{put(at, large)};
    if (at > 10) changes.push_back(SetBase{Position(at - 10), 1});
    auto committed = shared.commit({{LogId(99), changes}});
    INFO(at);
    REQUIRE(committed.has_value());
  }
  shared.open();
  for (std::uint64_t log = 1; log <= 20; ++log) {
    Recovered recovered = shared.recover(LogId(log));
    CHECK(recovered.promised == ballot(log, 2));
    CHECK(recovered.configuration == Configuration::of_voters({one, two}));
    CHECK(recovered.entries == std::vector{entry(1, ballot(3, 2), "idle " + std::to_string(log))});
    CHECK(recovered.damaged.empty());
  }
  CHECK(shared.recover(LogId(99)).kept_from == Position(1490));
}

// Random logs on a disk that loses power, with a model of each beside it.
TEST_CASE("whatever was reported durable of any log is there after the power fails",
          "[replog][shared]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    SharedDisk shared(seed);
    std::map<LogId, Model> models;
    std::map<LogId, std::uint64_t> ends;
    std::uint64_t round_number = 1;
    for (int power = 0; power < 4; ++power) {
      shared.disk.plan.crash_at = shared.disk.operations + random.between(5, 120);
      std::map<LogId, std::vector<Change>> in_flight;
      for (;;) {
        std::map<LogId, std::vector<Change>> changes;
        for (std::uint64_t n = random.between(1, 3); n > 0; --n) {
          LogId log(random.between(1, 5));
          auto& some = changes[log];
          std::uint64_t& end = ends.try_emplace(log, 1).first->second;
          for (std::uint64_t k = random.below(4); k > 0; --k) {
            std::uint64_t at =
                random.chance(1, 8) && end > models[log].base.value() + 2 ? end - 1 : end++;
            some.push_back(PutEntry{{Position(at), ballot(++round_number, 2),
                                     value_of(std::string(random.below(3000), 'd'), 1)}});
          }
          if (random.chance(1, 3)) some.push_back(SetPromise{ballot(++round_number, 3)});
          if (random.chance(1, 6) && end > 6 && end - 5 > models[log].base.value()) {
            some.push_back(SetBase{Position(end - 5), 1});
          }
          if (some.empty()) some.push_back(SetPromise{ballot(++round_number, 3)});
        }
        in_flight = changes;
        if (!shared.commit(changes)) break;
        for (const auto& [log, some] : changes) models[log].apply(some);
      }
      shared.store.reset();
      shared.disk.restart();
      shared.open();
      bool is_with = true, is_without = true;
      std::string how;
      for (std::uint64_t number = 1; number <= 5; ++number) {
        LogId log(number);
        Recovered recovered = shared.recover(log);
        Model without = models[log];
        Model with = without;
        with.apply(in_flight[log]);
        std::string without_it = differs(recovered, without);
        std::string with_it = differs(recovered, with);
        is_without = is_without && without_it.empty();
        is_with = is_with && with_it.empty();
        how += " log " + std::to_string(number) + ": " + without_it + " / " + with_it;
        CHECK(recovered.damaged.empty());
      }
      INFO("seed " << seed << how);
      REQUIRE((is_with || is_without));
      if (!is_without) {
        for (const auto& [log, some] : in_flight) models[log].apply(some);
      }
    }
  }
}

// As above, with bits flipped: what is not there is said to be lost, or the log refuses to go on.
TEST_CASE("a flipped bit is told to the log that it belongs to, or to nobody it does not",
          "[replog][shared]") {
  int told = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    SharedDisk shared(seed);
    std::map<LogId, Model> models;
    for (std::uint64_t n = 1; n <= 30; ++n) {
      std::map<LogId, std::vector<Change>> changes;
      LogId log(random.between(1, 3));
      changes[log] = {PutEntry{{Position(models[log].entries.size() + 1), ballot(n, 2),
                                value_of(std::string(random.below(2000), 'd'), 1)}},
                      SetPromise{ballot(n, 2)}};
      REQUIRE(shared.commit(changes));
      models[log].apply(changes[log]);
    }
    auto at = shared.disk.names.begin();
    std::advance(at, random.below(shared.disk.names.size()));
    if (at->second->durable.empty()) continue;
    shared.disk.flip_bit(at->first, random.below(at->second->durable.size()),
                         static_cast<unsigned>(random.below(8)));
    auto opened = shared.try_open();
    if (!opened) {
      CHECK(opened.error().code == Errc::corrupt);
      continue;
    }
    for (const auto& [log, model] : models) {
      auto recovered = shared.store->store_of(log)->recover(std::size_t{1} << 30);
      INFO("seed " << seed << " log " << log.value());
      if (!recovered) {
        CHECK(recovered.error().code == Errc::corrupt);
        continue;
      }
      told += recovered->damaged.empty() ? 0 : 1;
      CHECK(differs(*recovered, model) == "");
    }
  }
  CHECK(told > 0);
}
