#include "registry/watch_hub.hpp"

#include <set>

#include "base/random.hpp"
#include "tests/catch.hpp"
#include "tests/unit/registry/keys_support.hpp"

using namespace cluster;
using registry::Compact;
using registry::IntervalIndex;
using registry::SetHistoryPolicy;
using registry::WatchHub;
using registry::WatchId;
using test::erase;
using test::Keys;
using test::put;

namespace {

struct Watched {
  void must(registry::KeyCommandBody body) {
    auto applied = keys.apply({.body = std::move(body)});
    REQUIRE(applied.answer);
    hub.on_applied(keys.state, applied);
  }
  WatchId watch(KeyRange range, WatchOptions options = {}) {
    return hub.watch(keys.state, "", range, options).value();
  }
  // What there is to take now: "+a=1@3 -a@4"; with how it ended.
  std::string take(WatchId id, std::size_t events_max = 1000) {
    while (hub.catch_up(keys.state, 3)) {
      if (!hub.take_ready().empty()) break;
    }
    auto taken = hub.take(id, keys.state, events_max);
    std::string text;
    for (const KeyEvent& event : taken.batch.events) {
      if (!text.empty()) text += ' ';
      text += event.kind == KeyEvent::Kind::put ? '+' : '-';
      text += event.now.key;
      if (!event.now.value.empty()) text += '=' + std::string(event.now.value.view());
      if (event.before) text += '(' + std::string(event.before->value.view()) + ')';
      text += '@' + std::to_string(event.now.modified.value());
    }
    upto = taken.batch.upto;
    if (taken.end) {
      text += " end:" + std::string(to_string(taken.end->error.code)) + '@' +
              std::to_string(taken.end->resume_from.value());
    }
    return text;
  }

  Keys keys;
  WatchHub hub;
  Revision upto;
};

}  // namespace

TEST_CASE("a watcher is told the changes of its range, in order", "[registry][keys][watch]") {
  Watched world;
  world.must(put("a/1", "before"));
  WatchId all = world.watch(KeyRange::all());
  WatchId prefix = world.watch(KeyRange::prefix("a/"), {.wants_previous = true});
  WatchId key = world.watch(KeyRange::key("b"), {.puts = false});
  world.must(put("a/1", "x"));
  world.must(Transaction{.then = {put("b", "y"), put("c", "z")}});
  world.must(erase("b"));
  CHECK(world.hub.take_ready() == std::vector{all, prefix, key});
  CHECK(world.take(all) == "+a/1=x@2 +b=y@3 +c=z@3 -b@4");
  CHECK(world.take(prefix) == "+a/1=x(before)@2");
  CHECK(world.upto == Revision(4));  // Nothing of it happened since.
  CHECK(world.take(key) == "-b@4");
  CHECK(world.hub.take_ready().empty());
}

TEST_CASE("a watcher that starts from a kept revision misses nothing", "[registry][keys][watch]") {
  Watched world;
  for (int i = 1; i <= 8; ++i) world.must(put(i % 2 ? "a" : "b", std::to_string(i)));
  WatchId from = world.watch(KeyRange::key("a"), {.from = Revision(4)});
  WatchId later = world.watch(KeyRange::key("a"), {.from = Revision(10)});
  CHECK(world.hub.behind() == 1);
  CHECK(world.take(from) == "+a=5@5");
  CHECK(world.take(from) == "+a=7@7");
  world.must(put("a", "9"));
  CHECK(world.take(from) == "+a=9@9");
  CHECK(world.take(later).empty());
  world.must(put("a", "10"));
  CHECK(world.take(later) == "+a=10@10");
}

TEST_CASE("a watch from a revision that is not kept says where to start again",
          "[registry][keys][watch]") {
  Watched world;
  for (int i = 1; i <= 8; ++i) world.must(put("a", std::to_string(i)));
  world.must(Compact{Revision(5)});
  CHECK(world.take(world.watch(KeyRange::all(), {.from = Revision(5)})) == " end:truncated@6");
  CHECK(world.take(world.watch(KeyRange::all(), {.from = Revision(6)})) == "+a=6@6 +a=7@7 +a=8@8");
  CHECK(world.hub.watch(world.keys.state, "none", KeyRange::all(), {}).error().code ==
        Errc::not_found);
  CHECK(world.hub.watch(world.keys.state, "", KeyRange::between("b", "a"), {}).error().code ==
        Errc::invalid_argument);
}

TEST_CASE("a watcher that was behind when its changes were compacted is told so",
          "[registry][keys][watch]") {
  Watched world;
  for (int i = 1; i <= 8; ++i) world.must(put("a", std::to_string(i)));
  WatchId slow = world.watch(KeyRange::all(), {.from = Revision(1)});
  world.must(Compact{Revision(7)});
  CHECK(world.take(slow) == " end:truncated@8");
}

TEST_CASE("a slow watcher is ended after what waited for it, and can go on from there",
          "[registry][keys][watch]") {
  Watched world;
  WatchId slow = world.watch(KeyRange::all(), {.queue_events_max = 3});
  WatchId other = world.watch(KeyRange::all());
  for (int i = 1; i <= 3; ++i) world.must(put("a", std::to_string(i)));
  world.must(Transaction{.then = {put("b", "4"), put("c", "4")}});
  world.must(put("a", "5"));
  CHECK(world.hub.ended_as_slow() == 1);
  CHECK(world.take(slow, 2) == "+a=1@1 +a=2@2");
  CHECK(world.take(slow) == "+a=3@3 end:overloaded@4");
  CHECK(world.hub.size() == 1);
  WatchId again = world.watch(KeyRange::all(), {.from = Revision(4)});
  CHECK(world.take(again) == "+b=4@4 +c=4@4 +a=5@5");
  CHECK(world.take(other) == "+a=1@1 +a=2@2 +a=3@3 +b=4@4 +c=4@4 +a=5@5");
}

TEST_CASE("a revision larger than the queue is told all the same, and whole",
          "[registry][keys][watch]") {
  Watched world;
  Transaction large;
  for (int i = 0; i < 9; ++i) large.then.emplace_back(put(std::to_string(i), ""));
  WatchId now = world.watch(KeyRange::all(), {.queue_events_max = 3});
  world.must(large);
  world.must(DeleteKeys{.range = KeyRange::prefix("0")});
  CHECK(world.take(now, 1) == "+0@1 +1@1 +2@1 +3@1 +4@1 +5@1 +6@1 +7@1 +8@1 end:overloaded@2");
  WatchId later = world.watch(KeyRange::all(), {.from = Revision(1), .queue_events_max = 3});
  CHECK(world.take(later, 1) == "+0@1 +1@1 +2@1 +3@1 +4@1 +5@1 +6@1 +7@1 +8@1");
  CHECK(world.take(later) == "-0@2");
}

TEST_CASE("progress is told to those who wait in vain", "[registry][keys][watch]") {
  Watched world;
  WatchId wants = world.watch(KeyRange::key("x"), {.wants_progress = true});
  WatchId does_not = world.watch(KeyRange::key("x"));
  world.must(put("a", "1"));
  world.hub.tell_progress(world.keys.state);
  CHECK(world.hub.take_ready() == std::vector{wants});
  auto taken = world.hub.take(wants, world.keys.state);
  CHECK(taken.batch == WatchBatch{.upto = Revision(1), .is_progress = true});
  world.hub.tell_progress(world.keys.state);
  CHECK(world.hub.take_ready().empty());
  world.hub.cancel(does_not);
  CHECK(world.hub.size() == 1);
}

TEST_CASE("one that took nothing has been told nothing: its progress is still to come",
          "[registry][keys][watch]") {
  Watched world;
  WatchId wants = world.watch(KeyRange::key("x"), {.wants_progress = true});
  world.must(put("a", "1"));
  auto nothing = world.hub.take(wants, world.keys.state);
  CHECK(nothing.batch == WatchBatch{});
  world.hub.tell_progress(world.keys.state);
  CHECK(world.hub.take_ready() == std::vector{wants});
  auto taken = world.hub.take(wants, world.keys.state);
  CHECK(taken.batch == WatchBatch{.upto = Revision(1), .is_progress = true});
}

TEST_CASE("events that come with a notice take its place", "[registry][keys][watch]") {
  Watched world;
  WatchId wants = world.watch(KeyRange::key("x"), {.wants_progress = true});
  world.must(put("a", "1"));
  world.hub.tell_progress(world.keys.state);
  world.must(put("x", "1"));
  auto taken = world.hub.take(wants, world.keys.state);
  CHECK(taken.batch.events.size() == 1);
  CHECK_FALSE(taken.batch.is_progress);
  CHECK(world.hub.take(wants, world.keys.state).batch == WatchBatch{.upto = Revision(2)});
}

TEST_CASE("ranges are found by the keys they hold", "[registry][keys][watch][property]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    auto text = [&] {
      std::string key;
      for (auto size = random.below(4); size > 0; --size)
        key += static_cast<char>('a' + random.below(4));
      return key;
    };
    IntervalIndex<int> index;
    std::vector<KeyRange> ranges;
    std::set<int> present;
    for (int step = 0; step < 400; ++step) {
      if (random.chance(6, 10) || present.empty()) {
        std::string begin = text();
        ranges.push_back(random.chance(1, 3)   ? KeyRange::prefix(begin)
                         : random.chance(1, 4) ? KeyRange::from(begin)
                                               : KeyRange::between(begin, begin + text() + "b"));
        present.insert(static_cast<int>(ranges.size()) - 1);
        index.insert(ranges.back(), static_cast<int>(ranges.size()) - 1);
      } else {
        auto gone = std::next(present.begin(), static_cast<long>(random.below(present.size())));
        index.erase(ranges[static_cast<std::size_t>(*gone)], *gone);
        present.erase(gone);
      }
      std::string key = text();
      std::set<int> expected;
      for (int i : present) {
        if (ranges[static_cast<std::size_t>(i)].contains(key)) expected.insert(i);
      }
      std::set<int> found;
      std::size_t visits = 0;
      index.each_holding(key, [&](int i) {
        found.insert(i);
        ++visits;
      });
      REQUIRE(found == expected);
      REQUIRE(visits == found.size());
    }
  }
}

namespace {

// A client that reads a range and then keeps up with it by watching, whatever ends its watch.
struct Follower {
  KeyRange range;
  std::map<std::string, KeyValue> copy;
  std::optional<WatchId> watch;
  Revision told;
  bool must_read = true;

  void step(Watched& world, Random& random) {
    if (!watch) {
      if (must_read) {
        auto read = world.keys.state.range("", range);
        copy.clear();
        for (KeyValue& one : read->keys) copy.emplace(one.key, one);
        told = read->revision;
        must_read = false;
      }
      WatchOptions options{.from = told.next(), .wants_previous = true};
      options.wants_progress = random.chance(1, 2);
      options.queue_events_max = random.chance(1, 3) ? 4 : 1000;
      watch = world.watch(range, options);
      return;
    }
    auto taken = world.hub.take(*watch, world.keys.state, 1 + random.below(6));
    for (const KeyEvent& event : taken.batch.events) {
      apply(event);
    }
    if (!taken.batch.events.empty() || taken.batch.is_progress) {
      REQUIRE(taken.batch.upto >= told);
      told = taken.batch.upto;
    }
    if (taken.end) {
      watch.reset();
      must_read = taken.end->error.code == Errc::truncated;
      if (!must_read) REQUIRE(taken.end->resume_from > told);
    } else if (random.chance(1, 40)) {
      world.hub.cancel(*watch);  // The connection breaks.
      watch.reset();
    }
  }

  void apply(const KeyEvent& event) {
    REQUIRE(range.contains(event.now.key));
    auto found = copy.find(event.now.key);
    // Told once, in order, and none left out: what it replaces is what we have.
    REQUIRE(event.now.modified > told);
    REQUIRE(event.before.has_value() == (found != copy.end()));
    if (event.before) REQUIRE(*event.before == found->second);
    if (event.kind == KeyEvent::Kind::put) {
      copy[event.now.key] = event.now;
    } else {
      copy.erase(event.now.key);
    }
  }
};

}  // namespace

TEST_CASE("those who watch lose no event and see none twice, over ends and reconnects",
          "[registry][keys][watch][property]") {
  std::size_t ended = 0;
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Watched world;
    world.must(SetHistoryPolicy{{.revisions = 30 + random.below(60), .bytes = 0}});
    std::vector<Follower> followers(12);
    for (Follower& one : followers) {
      std::string start(1, static_cast<char>('a' + random.below(3)));
      one.range = random.chance(1, 3)   ? KeyRange::key(start + "1")
                  : random.chance(1, 2) ? KeyRange::prefix(start)
                                        : KeyRange::from(start);
    }
    for (int step = 0; step < 1500; ++step) {
      std::string key(1, static_cast<char>('a' + random.below(4)));
      key += static_cast<char>('0' + random.below(3));
      if (random.chance(2, 3)) {
        world.must(put(key, std::to_string(step)));
      } else if (random.chance(1, 2)) {
        world.must(DeleteKeys{.range = KeyRange::prefix(key.substr(0, 1))});
      } else {
        world.must(Transaction{.then = {put(key, "t"), put("b9", std::to_string(step))}});
      }
      if (random.chance(1, 30)) {
        // The replica falls behind and is given another's state.
        auto state = test::restored(test::snapshot_of(world.keys.state));
        REQUIRE(state);
        world.keys.state = *std::move(state);
        world.hub.on_restored(world.keys.state);
      }
      if (random.chance(1, 20)) world.hub.tell_progress(world.keys.state);
      world.hub.catch_up(world.keys.state, 1 + random.below(40));
      if (random.chance(1, 2)) followers[random.below(followers.size())].step(world, random);
    }
    ended += world.hub.ended_as_slow();
    for (Follower& one : followers) {
      for (int i = 0;
           i < 2000 && (one.must_read || !one.watch || one.told < world.keys.state.revision());
           ++i) {
        world.hub.tell_progress(world.keys.state);
        world.hub.catch_up(world.keys.state, 1000);
        one.step(world, random);
        if (one.watch && i > 1900) break;
      }
      std::map<std::string, KeyValue> there;
      const auto read = world.keys.state.range("", one.range);
      for (const KeyValue& now : read->keys) there.emplace(now.key, now);
      // Read once more to the end of what is told.
      world.hub.catch_up(world.keys.state, 100'000);
      while (one.watch) {
        auto taken = world.hub.take(*one.watch, world.keys.state, 1000);
        for (const KeyEvent& event : taken.batch.events) one.apply(event);
        if (taken.batch.events.empty()) break;
      }
      if (one.watch) CHECK(one.copy == there);
    }
  }
  CHECK(ended > 5);  // Else nobody was ever slow.
}

TEST_CASE("a watch that is finished says how far all has been told, or takes what there is",
          "[registry][keys][watch]") {
  Watched one;
  one.must(put("a", "1"));
  auto quiet = one.watch(KeyRange::key("b"));
  auto busy = one.watch(KeyRange::key("a"));
  auto behind = one.watch(KeyRange::key("a"), {.from = Revision(1)});
  auto ahead = one.watch(KeyRange::key("a"), {.from = Revision(9)});
  one.must(put("a", "2"));

  auto nothing = one.hub.finish(quiet, one.keys.state);
  CHECK(nothing.events.empty());
  CHECK(nothing.upto == Revision(2));
  auto some = one.hub.finish(busy, one.keys.state);
  CHECK(some.events.size() == 1);
  CHECK(some.upto == Revision(2));
  // Nobody has read the history for it yet.
  auto none = one.hub.finish(behind, one.keys.state);
  CHECK(none.events.empty());
  CHECK(none.upto == Revision(0));
  CHECK(one.hub.finish(ahead, one.keys.state).upto == Revision(8));
  CHECK(one.hub.size() == 0);
}
