// A member with a state machine that fetches a snapshot, and one that is asked for it.
#include <algorithm>

#include "replog/core.hpp"
#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using namespace std::chrono_literals;

namespace {

const Time start{std::chrono::seconds(1)};

CoreOptions options() {
  CoreOptions made;
  made.self = one;
  made.incarnation = one.value();
  made.has_state_machine = true;
  made.snapshot_chunk_bytes = 4;
  return made;
}

SnapshotOffered offer(std::uint64_t end, std::uint64_t size = 8) {
  return {.end = Position(end),
          .term = 65537,
          .configuration = Configuration::of_voters({one, two, three}),
          .id = 77,
          .size = size,
          .checksum = 5};
}

struct Fetcher {
  Effects hear(NodeId from, const Message& message) {
    Effects effects;
    core.on(now, sender(from), message, effects);
    return effects;
  }
  Time now = start;
  Core core{options(), with_members({.entries = {}}), 1, Logger(), start};
};

SnapshotChunk piece(std::uint64_t offset, ByteView data) {
  return {.id = 77, .offset = offset, .data = bytes(data)};
}

}  // namespace

TEST_CASE("a snapshot is fetched piece after piece, and the log moves when it is durable",
          "[replog][snapshot]") {
  Fetcher member;

  CHECK(member.hear(two, offer(9)).now == sends(two, SnapshotFetch{77, 0}));
  CHECK(member.hear(two, piece(0, "abcd")).now ==
        std::vector<Action>{WriteSnapshot{offer(9), 0, bytes("abcd")}});
  Effects effects;
  member.core.on_snapshot_written(member.now, 77, effects);
  CHECK(effects.now == sends(two, SnapshotFetch{77, 4}));
  CHECK(member.hear(two, piece(4, "efgh")).now ==
        std::vector<Action>{WriteSnapshot{offer(9), 4, bytes("efgh")}});
  CHECK(member.core.chosen_end() == Position(1));

  effects = {};
  member.core.on_installed(member.now, offer(9), true, effects);

  CHECK(member.core.chosen_end() == Position(9));
  REQUIRE(effects.now.size() >= 3);
  CHECK(effects.now[0] == Action{RestoreState{offer(9)}});
  CHECK(effects.now[1] == Action{LogBegins{Position(9)}});
  CHECK(effects.changes ==
        std::vector<Change>{SetBase{Position(9), 65537}, SetChosenEnd{Position(9), 65537}});
}

TEST_CASE("a piece at another offset, or of another snapshot, or from another member is not taken",
          "[replog][snapshot]") {
  Fetcher member;
  member.hear(two, offer(9));

  CHECK(member.hear(two, piece(4, "efgh")).empty());
  CHECK(member.hear(three, piece(0, "abcd")).empty());
  CHECK(member.hear(two, SnapshotChunk{78, 0, bytes("abcd")}).empty());
}

TEST_CASE("after a cut the same teller is asked for the same piece", "[replog][snapshot]") {
  Fetcher member;
  member.hear(two, offer(9));
  member.hear(two, piece(0, "abcd"));
  Effects effects;
  member.core.on_snapshot_written(member.now, 77, effects);

  member.now += 500ms;
  effects = {};
  member.core.on_time(member.now, effects);
  CHECK(std::count(effects.now.begin(), effects.now.end(),
                   Action{Send{two, SnapshotFetch{77, 4}}}) == 1);
  // Another member's offer counts once the first has been silent for long.
  CHECK(member.hear(three, offer(12)).now.empty());
  member.now += 500ms;
  CHECK(member.hear(three, offer(12)).now == sends(three, SnapshotFetch{77, 0}));
}

TEST_CASE("a snapshot that is gone, or came out wrong, moves nothing", "[replog][snapshot]") {
  Fetcher member;
  member.hear(two, offer(9));

  CHECK(member.hear(two, piece(0, "")).now == sends(two, Learn{Position(1), {}}));
  CHECK(member.hear(two, offer(9)).now == sends(two, SnapshotFetch{77, 0}));
  Effects effects;
  member.core.on_installed(member.now, offer(9), false, effects);

  CHECK(member.core.chosen_end() == Position(1));
  CHECK(effects.changes.empty());
}

TEST_CASE("members that are behind wait when their share is used up, and are served in turn",
          "[replog][snapshot]") {
  CoreOptions slow = options();
  slow.catch_up_bytes_per_second = 1000;
  slow.answer_bytes_max = 1;
  slow.snapshot_chunk_bytes = 1000;
  Core core(slow, with_members({.entries = {}}), 1, Logger(), start);
  auto ask = [&](Time now, std::uint64_t offset) {
    Effects effects;
    core.on(now, sender(two), Message{SnapshotFetch{77, offset}}, effects);
    return effects.now;
  };

  CHECK(ask(start, 0) == std::vector<Action>{SendSnapshot{two, 77, 0, 1000}});
  CHECK(ask(start, 1000).empty());
  CHECK(ask(start, 2000).empty());
  REQUIRE(core.deadline() <= start + 1100ms);
  Effects effects;
  core.on_time(start + 1100ms, effects);
  CHECK(std::count(effects.now.begin(), effects.now.end(),
                   Action{SendSnapshot{two, 77, 2000, 1000}}) == 1);
}

TEST_CASE("a snapshot that reaches as far as the last is offered in its place",
          "[replog][snapshot]") {
  Fetcher member;
  Effects effects;
  member.core.on_installed(member.now, offer(9), true, effects);
  SnapshotOffered again = offer(9);
  again.id = 78;
  member.core.on_snapshot(again, effects);

  CHECK(member.hear(two, Learn{Position(1), {}}).now == sends(two, again));
}
