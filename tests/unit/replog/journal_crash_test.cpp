// The journal on a disk that loses power, tears writes, flips bits and fails: what was reported
// durable is there or reported damaged, nothing else appears, and groups are all or nothing.
#include "replog/journal_store.hpp"
#include "tests/unit/replog/faulty_files.hpp"
#include "tests/unit/replog/store_model.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), disk_(seed * 7 + 1) {}

  // Commits until the disk stops it, restarts, and holds what is there against what was told.
  void round() {
    if (is_stopped || !open()) return;
    disk_.plan.crash_at = disk_.operations + random_.between(1, 60);
    if (random_.chance(1, 4)) disk_.plan.fail_at = disk_.operations + random_.between(1, 60);
    in_flight_.clear();
    while (true) {
      auto changes = some_changes();
      in_flight_ = changes;
      if (!store_->commit(changes)) break;
      model_.apply(changes);
      in_flight_.clear();
    }
    CHECK_FALSE(store_->commit({SetPromise{ballot(1)}}).has_value());
    store_.reset();
    disk_.restart();
    rounds += 1;
  }

  // A bit of what is on the disk changes.
  void flip() {
    auto at = disk_.names.begin();
    std::advance(at, random_.below(disk_.names.size()));
    if (at->second->durable.empty()) return;
    disk_.flip_bit(at->first, random_.below(at->second->durable.size()),
                   static_cast<unsigned>(random_.below(8)));
    may_be_damaged = true;
  }

  // Block 0 of a segment, or the sectors in it that say something, read back as if they had never
  // been written. Not where only the groups follow that were written with it: then they may never
  // have been.
  bool lose_header() {
    auto at = disk_.names.begin();
    std::advance(at, random_.below(disk_.names.size()));
    std::string& bytes = at->second->durable;
    auto header = journal::parse_segment_header(bytes);
    if (!header || journal::newest_group_in(bytes) < header->first_group + header->groups_at_once) {
      return false;
    }
    std::size_t kept = random_.chance(1, 2) ? journal::block_bytes : 512;
    for (std::string* copy : {&at->second->durable, &at->second->now}) {
      std::fill_n(copy->begin(), kept, '\0');
      std::fill_n(copy->begin() + journal::block_bytes - 512, 512, '\0');
    }
    may_be_damaged = true;
    return true;
  }

  // Opens and compares. False when the replica may not go on, or does not exist yet.
  bool open() {
    JournalOptions options;
    options.segment_bytes = 64 << 10;
    options.bytes_max = 2 << 20;
    options.has_thread = false;
    options.seed = random_.next() | 1;
    // The first open is not disturbed: an identity would be missing after it.
    auto opened = open_journal_on(std::make_unique<FaultyFolder>(disk_), mine, is_new_, options);
    if (!opened) {
      INFO(opened.error().message());
      CHECK(may_be_damaged);
      CHECK(opened.error().code == Errc::corrupt);
      is_stopped = true;
      return false;
    }
    is_new_ = false;
    store_ = *std::move(opened);
    auto recovered = store_->recover(std::size_t{1} << 30);
    if (!recovered) {
      INFO(recovered.error().message());
      CHECK(may_be_damaged);
      is_stopped = true;
      return false;
    }
    Model with = model_;
    with.apply(in_flight_);
    std::string without_it = differs(*recovered, model_);
    std::string with_it = differs(*recovered, with);
    INFO("without the last group: " << without_it << "; with it: " << with_it);
    CHECK((without_it.empty() || with_it.empty()));
    if (!may_be_damaged) CHECK(recovered->damaged.empty());
    if (!without_it.empty()) model_ = with;
    in_flight_.clear();
    if (recovered->damaged.empty()) return true;
    damages += 1;
    repair(*recovered);
    return true;
  }

  bool is_stopped = false;
  bool may_be_damaged = false;
  int rounds = 0;
  int damages = 0;

 private:
  // As the log does from its peers.
  void repair(const Recovered& recovered) {
    std::vector<Change> changes;
    for (const auto& [at, each] : model_.entries) {
      if (is_damaged(recovered, at)) changes.push_back(PutEntry{each});
    }
    if (changes.empty()) return;
    in_flight_.clear();
    commit(*store_, changes);
  }

  std::vector<Change> some_changes() {
    std::vector<Change> changes;
    for (std::uint64_t n = random_.below(6); n > 0; --n) {
      // Mostly the next position; sometimes one again, or after a gap.
      if (random_.chance(1, 12)) next_ += 1;
      std::uint64_t at = next_;
      if (random_.chance(1, 10) && next_ > model_.base.value() + 3) at -= random_.between(1, 4);
      if (at == next_) next_ += 1;
      std::string data(random_.chance(1, 6) ? random_.below(9000) : random_.below(200), 'x');
      for (char& c : data) c = random_.chance(1, 9) ? '\0' : static_cast<char>(random_.below(256));
      if (random_.chance(1, 5)) std::fill(data.begin(), data.end(), '\0');
      changes.push_back(PutEntry{{Position(at), ballot(++round_, 2), value_of(data, round_)}});
    }
    if (random_.chance(1, 4)) changes.push_back(SetPromise{ballot(++round_, 3)});
    if (random_.chance(1, 15)) {
      changes.push_back(SetConfiguration{Configuration(
          Position(next_), {Member{.id = two, .incarnation = ++round_, .endpoint = {"h", 1}}},
          NodeId(9))});
    }
    if (random_.chance(1, 9) && next_ > 20) {
      changes.push_back(SetBase{Position(std::max(model_.base.value(), next_ - 20)), 1});
    }
    if (changes.empty()) changes.push_back(SetPromise{ballot(++round_, 3)});
    return changes;
  }

  Random random_;
  FaultyDisk disk_;
  Model model_;
  std::vector<Change> in_flight_;
  std::unique_ptr<Store> store_;
  bool is_new_ = true;
  std::uint64_t next_ = 1;
  std::uint64_t round_ = 0;
};

}  // namespace

TEST_CASE("a journal that loses power at any moment holds all that it reported durable",
          "[replog][journal][crash]") {
  int rounds = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    INFO("seed " << seed);
    History history(seed);
    for (int i = 0; i < 10; ++i) history.round();
    CHECK_FALSE(history.is_stopped);
    rounds += history.rounds;
  }
  CHECK(rounds == 4000);
}

TEST_CASE("a journal on a disk that flips bits reports what it lost, or stops",
          "[replog][journal][crash]") {
  int damages = 0;
  int stops = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    INFO("seed " << seed);
    History history(seed);
    for (int i = 0; i < 5 && !history.is_stopped; ++i) {
      history.round();
      for (int n = 0; n < 20; ++n) history.flip();
    }
    damages += history.damages;
    stops += history.is_stopped ? 1 : 0;
  }
  CHECK(damages > 50);
  CHECK(stops > 5);
  CHECK(stops < 390);
}

TEST_CASE("a segment whose header was lost is never taken for one that was not used",
          "[replog][journal][crash]") {
  int lost = 0;
  int stops = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    INFO("seed " << seed);
    History history(seed);
    for (int i = 0; i < 4 && !history.is_stopped; ++i) {
      history.round();
      bool is_lost = history.lose_header();
      lost += is_lost ? 1 : 0;
      history.open();
    }
    stops += history.is_stopped ? 1 : 0;
  }
  CHECK(lost > 200);
  CHECK(stops > 100);
}
