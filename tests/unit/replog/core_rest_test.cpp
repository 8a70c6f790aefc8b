// Resting: when a log stops its heartbeats, and what makes it go on.
#include "tests/unit/replog/replica.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

CoreOptions resting(bool has_leases = false) {
  CoreOptions options = Replica::options();
  options.may_rest = true;
  options.rest_probe = 60s;
  options.lease_reads = has_leases;
  return options;
}

Heard heard(const Heartbeat& beat, bool rests, std::uint64_t chosen_end = 2) {
  return {.ballot = beat.ballot,
          .granted = true,
          .promised = beat.ballot,
          .sequence = beat.sequence,
          .chosen_end = Position(chosen_end),
          .grants_lease = beat.wants_lease,
          .rests = rests};
}

void reach(Replica& member, NodeId other) {
  member.step([&](Effects& e) { member.core.on_reached(member.now, other, e); });
}
void lose(Replica& member, NodeId other) {
  member.step([&](Effects& e) { member.core.on_lost(member.now, other, e); });
}

// Lets time pass with the others' answers; those that `follow` rest when they may.
void pass(Replica& member, Duration time, std::vector<NodeId> follow = {two, three}) {
  for (Time end = member.now + time; member.now < end;) {
    Effects effects = member.tick(60ms);
    for (const auto& [to, beat] : sent<Heartbeat>(effects.now)) {
      bool is_up = std::find(follow.begin(), follow.end(), to) != follow.end();
      if (is_up) member.hear(to, heard(beat, beat.may_rest));
    }
  }
}

// A leader whose log rests.
Replica at_rest(bool has_leases = false) {
  Replica member({.entries = {}}, resting(has_leases));
  member.now += 2s;  // A voter that starts may have granted a lease.
  reach(member, two);
  reach(member, three);
  member.lead();
  pass(member, 3s);
  REQUIRE(member.core.is_resting());
  return member;
}

// A follower of 2.
Heartbeat last_beat(std::uint64_t sequence, bool may_rest) {
  return {.ballot = ballot(3, 2),
          .chosen_end = Position(1),
          .lead_at = Position(1),
          .sequence = sequence,
          .may_rest = may_rest};
}
Replica follower_at_rest() {
  Replica member({.entries = {}}, resting());
  reach(member, two);
  member.hear(two, last_beat(1, false));
  Effects effects = member.hear(two, last_beat(2, true));
  REQUIRE(sent<Heard>(effects.now).at(0).second.rests);
  return member;
}

}  // namespace

TEST_CASE("a leader with nothing to do stops its heartbeats once all members rest",
          "[replog][rest]") {
  Replica member = at_rest();

  CHECK(member.core.deadline() == time_never);
  CHECK(member.core.leadership().is_self);
  CHECK(member.tick(1h).now.empty());
  CHECK(member.core.role() == Role::leader);
}

TEST_CASE("a log whose host watches nobody does not rest", "[replog][rest]") {
  Replica member({.entries = {}}, resting());
  member.lead();
  pass(member, 3s);
  CHECK_FALSE(member.core.is_resting());

  Replica follower({.entries = {}}, resting());
  Effects effects = follower.hear(two, last_beat(1, true));
  CHECK_FALSE(sent<Heard>(effects.now).at(0).second.rests);
}

TEST_CASE("a leader does not rest while a member in reach does not", "[replog][rest]") {
  Replica member({.entries = {}}, resting());
  reach(member, two);
  reach(member, three);
  member.lead();
  pass(member, 3s, {two});
  CHECK_FALSE(member.core.is_resting());

  SECTION("but does when the rest are enough and that one is lost") {
    lose(member, three);
    pass(member, 3s, {two});
    CHECK(member.core.is_resting());

    reach(member, three);
    CHECK_FALSE(member.core.is_resting());
    CHECK(sent<Heartbeat>(member.tick(0ms).now).size() == 2);
  }
  SECTION("and not without a quorum") {
    lose(member, three);
    lose(member, two);
    pass(member, 500ms, {});
    CHECK_FALSE(member.core.is_resting());
  }
}

TEST_CASE("an append ends the rest at once, and the silence before it is held against nobody",
          "[replog][rest]") {
  Replica member = at_rest();
  member.now += 10min;

  Effects effects = member.append({1, bytes("x"), 0});
  CHECK(sent<Accept>(effects.now).size() == 2);
  CHECK(member.core.deadline() <= member.now);
  Effects woken = member.tick(0ms);
  CHECK(sent<Heartbeat>(woken.now).size() == 2);
  CHECK(member.core.role() == Role::leader);

  CHECK(member.tick(500ms).now.size() > 0);
  CHECK(member.core.role() == Role::leader);
  member.tick(200ms);
  CHECK(member.core.role() == Role::follower);
}

TEST_CASE("a read of a leader at rest takes a round, whatever lease it had", "[replog][rest]") {
  Replica member = at_rest(true);
  member.now += 10min;

  Effects effects = member.catch_up(7);
  CHECK(only<CaughtUp>(effects.now).empty());
  auto beats = sent<Heartbeat>(effects.now);
  REQUIRE(beats.size() == 2);

  Effects answered = member.hear(two, heard(beats[0].second, false));
  CHECK(only<CaughtUp>(answered.now).size() == 1);
}

TEST_CASE("a follower at rest waits for nothing, and stands when its host loses the leader's",
          "[replog][rest]") {
  Replica member = follower_at_rest();
  CHECK(member.core.deadline() >= member.now + 60s);
  CHECK(member.tick(50s).empty());

  lose(member, two);
  CHECK_FALSE(member.core.is_resting());
  CHECK(sent<PreVote>(member.tick(200ms).now).size() == 2);
}

TEST_CASE("a follower at rest does not help to depose its leader, and wakes", "[replog][rest]") {
  Replica member = follower_at_rest();
  member.now += 30s;

  Effects effects = member.hear(three, PreVote{ballot(9, 3)});

  CHECK_FALSE(sent<PreVoted>(effects.now).at(0).second.granted);
  CHECK_FALSE(member.core.is_resting());
}

TEST_CASE("a follower that wants something of its leader does not rest", "[replog][rest]") {
  Replica member({.entries = {}}, resting());
  reach(member, two);
  member.hear(two, last_beat(1, false));
  member.append({1, bytes("x"), 0});

  Effects effects = member.hear(two, last_beat(2, true));

  CHECK_FALSE(sent<Heard>(effects.now).at(0).second.rests);
}

TEST_CASE("a late word of the last heartbeats puts nobody to rest", "[replog][rest]") {
  Replica member = follower_at_rest();
  member.hear(two, last_beat(5, false));
  CHECK_FALSE(member.core.is_resting());

  member.hear(two, last_beat(2, true));

  CHECK_FALSE(member.core.is_resting());
}

TEST_CASE("a follower at rest asks now and then, and stands where no leader answers",
          "[replog][rest]") {
  Replica member = follower_at_rest();

  Effects effects = member.tick(120s);
  REQUIRE(sent<Resting>(effects.now).size() == 1);
  CHECK(sent<Resting>(effects.now)[0].first == two);

  SECTION("an answer lets it rest on") {
    member.hear(two, last_beat(2, true));
    CHECK(member.core.is_resting());
  }
  SECTION("silence does not") { CHECK(sent<PreVote>(member.tick(1200ms).now).size() == 2); }
}

TEST_CASE("a leader at rest answers who asks whether it leads, without waking", "[replog][rest]") {
  Replica member = at_rest(true);

  Effects effects = member.hear(two, Resting{ballot(1)});
  auto beats = sent<Heartbeat>(effects.now);
  REQUIRE(beats.size() == 1);
  CHECK(beats[0].first == two);
  CHECK(beats[0].second.may_rest);
  CHECK(beats[0].second.wants_lease);  // Else it would take its voter's word for given back.
  CHECK(member.core.is_resting());

  CHECK(member.hear(two, Resting{ballot(9)}).now.empty());
}
