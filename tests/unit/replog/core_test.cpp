#include "replog/core.hpp"

#include "tests/unit/replog/replica.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using namespace std::chrono_literals;

TEST_CASE("a member that hears a leader refuses a pre-vote, and one that does not grants it",
          "[replog][core]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 1));

  Effects heard = member.hear(three, PreVote{ballot(4, 3)});
  CHECK_FALSE(sent<PreVoted>(heard.now).at(0).second.granted);

  member.now += 600ms;
  Effects silent = member.hear(three, PreVote{ballot(4, 3)});
  CHECK(sent<PreVoted>(silent.now).at(0).second.granted);
  CHECK(silent.changes.empty());
}

TEST_CASE("a leader refuses a pre-vote", "[replog][core]") {
  Replica member;
  member.lead();
  member.now += 10s;

  CHECK_FALSE(sent<PreVoted>(member.hear(three, PreVote{ballot(4, 3)}).now).at(0).second.granted);
}

TEST_CASE("an election begins with a question that changes nothing", "[replog][core]") {
  Replica member;

  Effects effects = member.tick(1200ms);

  CHECK(member.core.role() == Role::pre_candidate);
  CHECK(effects.changes.empty());
  CHECK(sent<PreVote>(effects.now).size() == 2);
}

TEST_CASE("a pre-candidate prepares a ballot above every one that it heard of", "[replog][core]") {
  Replica member;
  member.tick(1200ms);

  member.hear(two, PreVoted{.ballot = ballot(1), .granted = false, .promised = ballot(8, 3)});
  Effects effects =
      member.hear(three, PreVoted{.ballot = ballot(1), .granted = true, .promised = ballot(2)});

  CHECK(sent<Prepare>(effects.now).at(0).second.ballot == ballot(9));
  CHECK(effects.changes.at(0) == Change{SetPromise{ballot(9)}});
}

TEST_CASE("a leader that hears no quorum for an election timeout steps down", "[replog][core]") {
  Replica member;
  member.lead();
  member.append({1, bytes("x"), 0});

  member.tick(300ms);
  CHECK(member.core.role() == Role::leader);

  Effects effects = member.tick(400ms);
  CHECK(member.core.role() == Role::follower);
  CHECK_FALSE(member.core.leadership().leader);
  auto failed = only<AppendFailed>(effects.now);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].error.code == Errc::fenced);
  CHECK(failed[0].error.outcome == Outcome::maybe);
}

TEST_CASE("a leader with a quorum's answers goes on", "[replog][core]") {
  Replica member;
  member.lead();

  for (int i = 0; i < 20; ++i) {
    Effects effects = member.tick(100ms);
    auto beats = sent<Heartbeat>(effects.now);
    REQUIRE(beats.size() == 2);
    member.hear(three, Heard{.ballot = ballot(1),
                             .granted = true,
                             .promised = ballot(1),
                             .sequence = beats[0].second.sequence,
                             .chosen_end = Position(1)});
  }
  CHECK(member.core.role() == Role::leader);
}

TEST_CASE("an append under a term that is not this member's own fails as fenced",
          "[replog][core]") {
  Replica member;
  member.lead();

  Effects effects = member.append({1, bytes("x"), term_of(ballot(7))});

  CHECK(effects.changes.empty());
  CHECK(effects.now ==
        std::vector<Action>{AppendFailed{1, Error{Errc::fenced, "another term has begun"}}});
}

TEST_CASE("a leader that hears of a higher promise steps down", "[replog][core]") {
  Replica member;
  member.lead();
  member.append({1, bytes("x"), 0});

  Effects effects = member.hear(
      two,
      Accepted{
          .ballot = ballot(1), .promised = ballot(2, 3), .first = Position(2), .end = Position(3)});

  CHECK(member.core.role() == Role::follower);
  CHECK(only<AppendFailed>(effects.now).size() == 1);
}

TEST_CASE("answers of an old ballot do not count", "[replog][core]") {
  Replica member;
  member.lead();
  member.append({1, bytes("x"), 0});

  CHECK(member.hear(two, Replica::accepted(ballot(0, 1), 2, 3)).empty());
  CHECK(member.core.chosen_end() == Position(2));

  CHECK(only<Appended>(member.hear(two, Replica::accepted(ballot(1), 2, 3)).now) ==
        std::vector<Appended>{{1, Position(2)}});
}

TEST_CASE("a member learns by the leader's word what it holds at the leader's ballot",
          "[replog][core]") {
  Replica member;
  member.hear(two, Accept{ballot(3, 2), Position(1), {value_of("x")}, Position(1)});

  Effects effects = member.hear(two, Replica::beat(ballot(3, 2), 2));

  CHECK(only<Chosen>(effects.now) == std::vector<Chosen>{{Position(2)}});
  CHECK(sent<Learn>(effects.now).empty());
}

TEST_CASE("a member asks for what it lacks, and for what it holds at another ballot",
          "[replog][core]") {
  Replica lacking;
  CHECK(sent<Learn>(lacking.hear(two, Replica::beat(ballot(3, 2), 2)).now).at(0) ==
        std::pair(two, Learn{Position(1)}));

  Replica holding;
  holding.hear(three, Accept{ballot(2, 3), Position(1), {value_of("old")}, Position(1)});
  Effects effects = holding.hear(two, Replica::beat(ballot(3, 2), 2));
  CHECK(only<Chosen>(effects.now).empty());
  CHECK(sent<Learn>(effects.now).size() == 1);
}

TEST_CASE("what was learned is kept, and what is missing still asked for", "[replog][core]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 4));

  Effects effects = member.hear(
      two, Learned{{entry(1, ballot(2), "a"), entry(2, ballot(3, 2), "b")}, Position(4)});

  CHECK(effects.changes == std::vector<Change>{PutEntry{entry(1, ballot(2), "a")},
                                               PutEntry{entry(2, ballot(3, 2), "b")},
                                               SetChosenEnd{Position(3)}});
  CHECK(only<Chosen>(effects.now) == std::vector<Chosen>{{Position(3)}});
  CHECK(sent<Learn>(effects.now).at(0).second.from == Position(3));
}

TEST_CASE("entries with a gap before them are not learned", "[replog][core]") {
  Replica member;

  Effects effects = member.hear(two, Learned{{entry(2, ballot(2), "b")}, Position(3)});

  CHECK(effects.changes.empty());
  CHECK(member.core.chosen_end() == Position(1));
}

TEST_CASE("an older leader's heartbeat does not take a member back", "[replog][core]") {
  Replica member;
  member.hear(three, Replica::beat(ballot(5, 3), 1));

  Effects effects = member.hear(two, Replica::beat(ballot(4, 2), 1));

  CHECK(member.core.leadership().leader == three);
  auto heard = sent<Heard>(effects.now);
  REQUIRE(heard.size() == 1);
  CHECK_FALSE(heard[0].second.granted);
  CHECK(heard[0].second.promised == ballot(5, 3));
}

TEST_CASE("a message that claims another member's ballot is ignored", "[replog][core]") {
  Replica member;

  CHECK(member.hear(three, Replica::beat(ballot(4, 2), 1)).empty());
  CHECK(
      member.hear(three, Accept{ballot(4, 2), Position(1), {value_of("x")}, Position(1)}).empty());
  CHECK(member.core.leadership().leader == NodeId());
}

TEST_CASE("a doubled Forward is appended once", "[replog][core]") {
  Replica member;
  member.lead();
  Forward forward{ballot(1), {{77, bytes("x")}}};

  CHECK(sent<Accept>(member.hear(two, forward).now).size() == 2);
  CHECK(sent<Accept>(member.hear(two, forward).now).empty());

  // The same tag of another member is another append.
  CHECK(sent<Accept>(member.hear(three, forward).now).size() == 2);
}

TEST_CASE("a Forward for another term's leader is refused", "[replog][core]") {
  Replica member;
  member.lead();

  Effects effects = member.hear(two, Forward{ballot(7), {{77, bytes("x")}}});

  CHECK(effects.changes.empty());
  CHECK(sent<Forwarded>(effects.now).at(0).second ==
        Forwarded{ballot(7), {{77, {}, Errc::no_leader, Outcome::not_applied}}});
}

TEST_CASE("an append that never left its old leader may be sent to it again", "[replog][core]") {
  CoreOptions narrow = Replica::options();
  narrow.pipeline.flight_entries_max = 1;
  Replica member({.entries = {}}, narrow);
  member.lead();
  member.hear(two, Forward{ballot(1), {{1, bytes("sent")}, {2, bytes("waits")}}});

  // A new term of the same member: what was in flight may have happened, the other has not.
  Effects stopped = member.step([&](Effects& e) { member.core.on_campaign(member.now, e); });
  CHECK(sent<Forwarded>(stopped.now).at(0).second ==
        Forwarded{
            ballot(1),
            {{1, {}, Errc::fenced, Outcome::maybe}, {2, {}, Errc::fenced, Outcome::not_applied}}});
  member.hear(two, Promised{.ballot = ballot(2),
                            .granted = true,
                            .promised = ballot(2),
                            .chosen_end = Position(2),
                            .first = Position(2),
                            .next = Position(2),
                            .end = Position(2),
                            .entries = {}});
  member.hear(two, Replica::accepted(ballot(2), 2, 4));
  REQUIRE(member.core.leadership().is_self);

  CHECK(sent<Accept>(member.hear(two, Forward{ballot(2), {{2, bytes("waits")}}}).now).size() == 2);
  CHECK(sent<Accept>(member.hear(two, Forward{ballot(2), {{1, bytes("sent")}}}).now).empty());
}

TEST_CASE("appends wait for a leader, and travel to the one that appears", "[replog][core]") {
  Replica member;
  CHECK(member.append({5, bytes("x"), 0}).empty());
  member.core.forget_appends({4});

  Effects effects = member.hear(two, Replica::beat(ballot(3, 2), 1));

  CHECK(sent<Forward>(effects.now).at(0) ==
        std::pair(two, Forward{ballot(3, 2), {{5, bytes("x")}}}));
}

TEST_CASE("an append whose caller gave up before it left never leaves", "[replog][core]") {
  Replica member;
  member.append({5, bytes("x"), 0});
  member.core.forget_appends({5});

  CHECK(sent<Forward>(member.hear(two, Replica::beat(ballot(3, 2), 1)).now).empty());
}

TEST_CASE("a forwarded append of a term that ended may have happened", "[replog][core]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 1));
  member.append({5, bytes("x"), 0});

  Effects effects = member.hear(three, Replica::beat(ballot(4, 3), 1));

  auto failed = only<AppendFailed>(effects.now);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].tag == 5);
  CHECK(failed[0].error.outcome == Outcome::maybe);
}

TEST_CASE("a read waits for a quorum that still follows after it was asked", "[replog][core]") {
  Replica member;
  member.lead();

  Effects asked = member.catch_up(9);
  CHECK(only<CaughtUp>(asked.now).empty());
  std::uint64_t sequence = sent<Heartbeat>(asked.now).at(0).second.sequence;
  auto heard = [&](std::uint64_t number) {
    return Heard{.ballot = ballot(1),
                 .granted = true,
                 .promised = ballot(1),
                 .sequence = number,
                 .chosen_end = Position(1)};
  };

  CHECK(only<CaughtUp>(member.hear(two, heard(sequence - 1)).now).empty());
  CHECK(only<CaughtUp>(member.hear(two, heard(sequence)).now) ==
        std::vector<CaughtUp>{{9, Position(2)}});
}

TEST_CASE("a follower's read waits until it has what the leader had", "[replog][core]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 1));
  CHECK(sent<ReadIndex>(member.catch_up(9).now).at(0) == std::pair(two, ReadIndex{9}));

  CHECK(only<CaughtUp>(member.hear(two, ReadIndexed{9, true, Position(2)}).now).empty());
  Effects effects = member.hear(two, Learned{{entry(1, ballot(3, 2), "x")}, Position(2)});

  CHECK(only<CaughtUp>(effects.now) == std::vector<CaughtUp>{{9, Position(2)}});
}

TEST_CASE("a leader whose own first entry is not chosen refuses reads", "[replog][core]") {
  Replica member;
  member.step([&](Effects& e) { member.core.on_campaign(member.now, e); });
  member.hear(two, Promised{.ballot = ballot(1),
                            .granted = true,
                            .promised = ballot(1),
                            .chosen_end = Position(1),
                            .first = Position(1),
                            .next = Position(1),
                            .end = Position(1),
                            .entries = {}});

  CHECK(sent<ReadIndexed>(member.hear(three, ReadIndex{4}).now).at(0).second ==
        ReadIndexed{.tag = 4, .granted = false, .end = {}});
}

TEST_CASE("a member alone leads at once and decides alone", "[replog][core]") {
  Replica member({.entries = {}, .configuration = Configuration::of_voters({one})});

  member.tick(0ms);
  REQUIRE(member.core.leadership().is_self);
  CHECK(only<Appended>(member.append({1, bytes("x"), 0}).now) ==
        std::vector<Appended>{{1, Position(2)}});
}

TEST_CASE("a restarted member prepares above everything it had promised", "[replog][core]") {
  Replica member(Recovered{.promised = ballot(12, 3), .entries = {}});

  Effects effects = member.step([&](Effects& e) { member.core.on_campaign(member.now, e); });

  CHECK(sent<Prepare>(effects.now).at(0).second.ballot == ballot(13));
}

TEST_CASE("memory keeps the newest bytes of what is chosen, and lets go of the rest bit by bit",
          "[replog][core]") {
  CoreOptions options;
  options.self = one;
  options.incarnation = one.value();
  std::size_t cost = value_of("x").cost();
  options.window_bytes = 10 * cost;
  // Three of the twelve were there before.
  Recovered recovered{.promised = ballot(1), .chosen_end = Position(4), .first = Position(1)};
  for (std::uint64_t at : {1, 2, 3}) recovered.entries.push_back(entry(at, ballot(1), "x"));
  recovered.configuration = Configuration::of_voters({one});
  Replica member(std::move(recovered), options);
  member.step([&](Effects& e) { member.core.on_campaign(member.now, e); });
  REQUIRE(member.core.leadership().is_self);

  std::vector<Position> released;
  for (std::uint64_t tag = 1; tag <= 8; ++tag) {
    Effects effects = member.append({.tag = tag, .data = bytes("x")});
    for (const Action& action : effects.then) {
      if (const auto* release = std::get_if<Release>(&action)) released.push_back(release->end);
    }
  }

  // The leader's own first entry stands at 4, and costs a little more.
  CHECK(member.core.chosen_end() == Position(13));
  CHECK(released == std::vector{Position(2), Position(3), Position(4)});
}

TEST_CASE("a follower that loses the connection to its leader asks for votes within two heartbeats",
          "[replog][core]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(1, 2), 1));
  Duration beat = Replica::options().heartbeat_interval;

  SECTION("unless it hears from the leader meanwhile") {
    member.step([&](Effects& e) { member.core.on_lost(member.now, two, e); });
    member.hear(two, Replica::beat(ballot(1, 2), 1));
    CHECK(sent<PreVote>(member.tick(2 * beat).now).empty());
    CHECK(member.core.leadership().leader == two);
  }
  SECTION("and grants another that asks") {
    PreVote asked{ballot(2, 3)};
    CHECK_FALSE(sent<PreVoted>(member.hear(three, asked).now).at(0).second.granted);
    member.step([&](Effects& e) { member.core.on_lost(member.now, two, e); });
    CHECK(sent<PreVoted>(member.hear(three, asked).now).at(0).second.granted);
    CHECK(sent<PreVote>(member.tick(beat / 2).now).empty());
    CHECK_FALSE(sent<PreVote>(member.tick(2 * beat).now).empty());
  }
  SECTION("and does nothing where another follower's connection ended") {
    member.step([&](Effects& e) { member.core.on_lost(member.now, three, e); });
    CHECK(sent<PreVote>(member.tick(2 * beat).now).empty());
  }
}

TEST_CASE("what a stranger, a learner or a directory that is not the member's says is not counted",
          "[replog][core][members]") {
  const NodeId four{4};
  Recovered recovered{.entries = {}};
  recovered.configuration = Configuration(
      Position{},
      {Member{.id = one, .incarnation = 1, .endpoint = {}},
       Member{.id = two, .incarnation = 2, .endpoint = {}},
       Member{.id = three, .incarnation = 3, .endpoint = {}},
       Member{.id = four, .incarnation = 4, .role = MemberRole::learner, .endpoint = {}}},
      NodeId(5));
  Replica member(recovered);
  member.lead();
  member.append({1, bytes("x"), 0});

  // Nobody but two and three can help to choose it.
  member.hear(four, Replica::accepted(ballot(1), 2, 3));
  member.hear(NodeId(9), Replica::accepted(ballot(1), 2, 3));
  member.step([&](Effects& e) {
    member.core.on(member.now, Sender{two, 77}, Replica::accepted(ballot(1), 2, 3), e);
  });
  CHECK(member.core.chosen_end() == Position(2));

  member.hear(two, Replica::accepted(ballot(1), 2, 3));
  CHECK(member.core.chosen_end() == Position(3));
}

TEST_CASE("a member with another incarnation is not answered, one that is not known yet is",
          "[replog][core][members]") {
  Replica member;

  Effects wrong = member.step([&](Effects& e) {
    member.core.on(member.now, Sender{two, 77}, Prepare{ballot(4, 2), Position(1)}, e);
  });
  CHECK(wrong.empty());

  Effects unknown = member.hear(NodeId(9), Prepare{ballot(4, 9), Position(1)});
  CHECK(sent<Promised>(unknown.then).size() == 1);
}
