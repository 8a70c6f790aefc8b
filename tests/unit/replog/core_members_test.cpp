// Who may decide, lead and leave, where members change and disks forget.
#include "tests/unit/replog/replica.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

Configuration members_of(std::vector<std::pair<NodeId, MemberRole>> roles, std::uint64_t ids_end) {
  std::vector<Member> members;
  for (auto [id, role] : roles) {
    members.push_back(
        Member{.id = id, .incarnation = id.value(), .role = role, .endpoint = {"m", 1}});
    members.back().endpoint.port = static_cast<std::uint16_t>(id.value());
  }
  return Configuration(Position{}, std::move(members), NodeId(ids_end));
}

// Its log is chosen up to `chosen_end`, and memory has none of it.
Recovered settled(Configuration members, std::uint64_t chosen_end,
                  std::vector<PositionRange> damaged = {}) {
  return {.chosen_end = Position(chosen_end),
          .first = Position(chosen_end),
          .entries = {},
          .configuration = std::move(members),
          .damaged = std::move(damaged)};
}

PositionRange range(std::uint64_t first, std::uint64_t end) {
  return {Position(first), Position(end)};
}

Prepare asked(Ballot by, std::uint64_t from) { return {by, Position(from)}; }

Heard heard(std::uint64_t sequence) {
  return {.ballot = ballot(1), .granted = true, .sequence = sequence, .chosen_end = Position(2)};
}

CoreOptions with_leases() {
  CoreOptions options = Replica::options();
  options.lease_reads = true;
  return options;
}

bool promises(Replica& member, NodeId to, Ballot by, std::uint64_t from) {
  for (const auto& [_, answer] : sent<Promised>(member.hear(to, asked(by, from)).then)) {
    if (answer.granted) return true;
  }
  return false;
}

Effects change(Replica& member, std::vector<MemberEdit> edits) {
  return member.step([&](Effects& e) {
    member.core.on_command(member.now, 50, ChangeMembers{std::move(edits)}, e);
  });
}

std::uint64_t last_sequence(const Effects& effects) {
  auto beats = sent<Heartbeat>(effects.now);
  REQUIRE_FALSE(beats.empty());
  return beats.back().second.sequence;
}

}  // namespace

TEST_CASE("one that is told again to stand goes on with its candidacy", "[replog][core]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 1));
  CHECK(sent<Prepare>(member.hear(two, CampaignNow{ballot(3, 2)}).now).size() == 2);

  CHECK(member.hear(two, CampaignNow{ballot(3, 2)}).empty());
  CHECK(member.core.role() == Role::candidate);
}

TEST_CASE("a restarted member waits out what it may have granted, unless it alone ever decided",
          "[replog][lease]") {
  SECTION("a learner of one voter") {
    Replica member(
        settled(members_of({{one, MemberRole::learner}, {two, MemberRole::voter}}, 3), 5),
        with_leases());
    CHECK_FALSE(promises(member, two, ballot(4, 2), 5));
    member.now += 700ms;
    CHECK(promises(member, two, ballot(4, 2), 5));
  }
  SECTION("the only voter, on whose disk lies a change that may be chosen") {
    Recovered recovered = settled(members_of({{one, MemberRole::voter}}, 3), 5);
    recovered.promised = ballot(3);
    LogEntry entry{Position(5), ballot(3),
                   Value{Kind::config, encode(Configuration::of_voters({one, two})), 0}};
    recovered.entries = {entry};
    Replica member(recovered, with_leases());
    CHECK_FALSE(promises(member, two, ballot(4, 2), 5));
  }
  SECTION("the only voter") {
    Replica member(settled(members_of({{one, MemberRole::voter}}, 3), 5), with_leases());
    member.tick(1ms);
    CHECK(member.core.role() == Role::leader);
  }
}

TEST_CASE("to the others a member has what lies before its first damaged entry",
          "[replog][damage]") {
  Replica member(
      settled(Configuration::of_voters({one, two, three}), 9, {range(4, 5), range(6, 8)}));

  auto promised = sent<Promised>(member.hear(two, asked(ballot(3, 2), 9)).then);
  REQUIRE(promised.size() == 1);
  CHECK(promised[0].second.granted);
  CHECK(promised[0].second.chosen_end == Position(4));

  auto answer = sent<Heard>(member.hear(two, Replica::beat(ballot(3, 2), 9)).now);
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].second.chosen_end == Position(4));
}

TEST_CASE("what was lost close together is asked for, and repaired, at once", "[replog][damage]") {
  Replica member(settled(Configuration::of_voters({one, two, three}), 300,
                         {range(2, 3), range(3, 4), range(10, 11), range(200, 201)}));

  auto learn = sent<Learn>(member.tick(1ms).now);
  REQUIRE(learn.size() == 1);
  CHECK(learn[0].second == Learn{Position(2), Position(11)});

  Learned told{.entries = {}, .chosen_end = Position(300)};
  for (std::uint64_t at = 2; at < 11; ++at) told.entries.push_back(entry(at, ballot(1), "x"));
  Effects effects = member.hear(learn[0].first, told);
  CHECK(effects.changes.size() == 3);  // And nothing that is sound is written.
  REQUIRE(only<Repaired>(effects.then) == std::vector{Repaired{range(2, 11)}});

  Effects next;
  member.core.on_repaired(member.now, range(2, 11), next);
  CHECK(member.core.damage().count() == 1);
  REQUIRE(sent<Learn>(next.now).size() == 1);
  CHECK(sent<Learn>(next.now)[0].second == Learn{Position(200), Position(201)});
}

TEST_CASE("a voter is not removed before those that remain have answered since it was asked",
          "[replog][members]") {
  Replica member;
  member.lead();
  member.hear(two, heard(1));
  member.hear(three, heard(1));

  // 3 was heard a moment ago, and is gone.
  Effects effects = change(member, {RemoveMember{two}});
  CHECK(sent<Accept>(effects.now).empty());
  std::uint64_t sequence = last_sequence(effects);
  CHECK(sent<Accept>(member.hear(two, heard(sequence)).now).empty());
  CHECK(sent<Accept>(member.hear(three, heard(sequence - 1)).now).empty());

  SECTION("the one that remains is gone") {
    std::vector<CommandEnded> ended;
    for (int i = 0; i < 20 && ended.empty(); ++i) {
      Effects ticked = member.tick(60ms);
      member.hear(two, heard(1000));
      ended = only<CommandEnded>(ticked.now);
      CHECK(sent<Accept>(ticked.now).empty());
    }
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].answer.errc == Errc::invalid_argument);
    CHECK(ended[0].answer.context.find("3 is not heard from") != std::string::npos);
    CHECK(member.core.role() == Role::leader);

    // Another change may be asked for after it.
    CHECK(sent<Accept>(change(member, {AddMember{{"new", 1}, MemberRole::learner}}).now).size() ==
          2);
  }
  SECTION("the one that remains answers") {
    CHECK(sent<Accept>(member.hear(three, heard(sequence)).now).size() == 2);

    // Not before it is chosen do the members show it.
    CHECK(member.core.members(member.now).members.size() == 3);
    member.hear(two, Replica::accepted(ballot(1), 2, 3));
    CHECK(member.core.members(member.now).members.size() == 2);
  }
  SECTION("the leader steps down") {
    Effects stopped = member.hear(two, asked(ballot(7, 2), 2));
    REQUIRE(only<CommandEnded>(stopped.now).size() == 1);
    CHECK(only<CommandEnded>(stopped.now)[0].answer.outcome == Outcome::not_applied);
  }
}

TEST_CASE("a voter that lacks the entry which made it one does not stand", "[replog][members]") {
  const Configuration later(Position(5), members_of({{one, MemberRole::voter}}, 2).all(),
                            NodeId(2));
  Replica member(
      {.chosen_end = Position(5), .first = Position(5), .entries = {}, .configuration = later});

  member.step([&](Effects& e) { member.core.on_campaign(member.now, e); });
  for (int i = 0; i < 5; ++i) member.tick(2s);
  CHECK(member.core.role() == Role::follower);
  CHECK_FALSE(member.core.acceptor().promised());
}

TEST_CASE("a witness does not stand", "[replog][members]") {
  Replica member(settled(
      members_of({{one, MemberRole::witness}, {two, MemberRole::voter}, {three, MemberRole::voter}},
                 4),
      5));

  member.step([&](Effects& e) { member.core.on_campaign(member.now, e); });
  for (int i = 0; i < 5; ++i) CHECK(sent<PreVote>(member.tick(2s).now).empty());
  CHECK(member.core.role() == Role::follower);
  CHECK_FALSE(member.core.acceptor().promised());
}

TEST_CASE("a candidate does not lead with an entry of which it heard from a witness alone",
          "[replog][members]") {
  Replica member(settled(
      members_of({{one, MemberRole::voter}, {two, MemberRole::voter}, {three, MemberRole::witness}},
                 4),
      5));
  member.step([&](Effects& e) { member.core.on_campaign(member.now, e); });
  Ballot own = ballot(member.core.acceptor().promised().round);
  LogEntry whole = entry(5, ballot(1, 2), "the data");
  LogEntry bare = whole;
  bare.value.data = Bytes();
  bare.value.is_bare = true;
  Promised promise{.ballot = own,
                   .granted = true,
                   .promised = own,
                   .chosen_end = Position(5),
                   .first = Position(5),
                   .next = Position(6),
                   .end = Position(6),
                   .entries = {bare}};

  CHECK(sent<Accept>(member.hear(three, promise).now).empty());
  CHECK(member.core.role() == Role::candidate);

  // Another has it.
  promise.entries = {whole};
  auto proposed = sent<Accept>(member.hear(two, promise).now);
  REQUIRE_FALSE(proposed.empty());
  CHECK(proposed[0].second.values[0] == whole.value);
}

TEST_CASE("a learner is not promoted while it lacks thousands of entries", "[replog][members]") {
  Replica member(
      {.entries = {},
       .configuration = members_of(
           {{one, MemberRole::voter}, {two, MemberRole::voter}, {three, MemberRole::learner}}, 4)});
  member.lead();
  const std::uint64_t end = 5000;
  for (std::uint64_t at = 2; at < end; ++at) member.append({at, bytes("x"), 0});
  member.hear(two, Replica::accepted(ballot(1), 2, end));
  REQUIRE(member.core.chosen_end() == Position(end));
  auto promote = [&](std::uint64_t has) {
    Heard answer = heard(1);
    answer.chosen_end = Position(has);
    member.hear(three, answer);
    return change(member, {SetMemberRole{three, MemberRole::voter}});
  };

  auto refused = only<CommandEnded>(promote(100).now);
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].answer.errc == Errc::invalid_argument);
  CHECK(refused[0].answer.context.find("lacks 4900 entries") != std::string::npos);

  CHECK(only<CommandEnded>(promote(end - 100).now).empty());
}

TEST_CASE("what was granted to a leader that stepped down is no lease when it leads again",
          "[replog][lease]") {
  Replica member({.entries = {}}, with_leases());
  member.now += 2s;
  member.lead();
  auto grant = [&](std::uint64_t sequence) {
    Heard answer = heard(sequence);
    answer.grants_lease = true;
    return member.hear(two, answer);
  };
  grant(last_sequence(member.tick(60ms)));
  REQUIRE(only<CaughtUp>(member.catch_up(7).now).size() == 1);

  // It lets its voters go, so another may have been elected before it leads again.
  member.step([&](Effects& e) { member.core.on_campaign(member.now, e); });
  Ballot own = member.core.acceptor().promised();
  REQUIRE(own > ballot(1));
  member.hear(two, Promised{.ballot = own,
                            .granted = true,
                            .promised = own,
                            .chosen_end = Position(2),
                            .first = Position(2),
                            .next = Position(2),
                            .end = Position(2),
                            .entries = {}});
  member.hear(two, Replica::accepted(own, 2, 3));
  REQUIRE(member.core.leadership().is_self);
  CHECK(only<CaughtUp>(member.catch_up(8).now).empty());
}

TEST_CASE("who comes to vote does not answer for the end of a read that was asked before",
          "[replog][members]") {
  const NodeId four{4};
  Replica member({.entries = {},
                  .configuration = members_of({{one, MemberRole::voter},
                                               {two, MemberRole::voter},
                                               {three, MemberRole::voter},
                                               {four, MemberRole::learner}},
                                              5)});
  member.lead();
  member.hear(four, heard(1));
  Effects asked = change(
      member, {SetMemberRole{four, MemberRole::voter}, SetMemberRole{two, MemberRole::learner}});
  REQUIRE(sent<Accept>(member.hear(four, heard(last_sequence(asked))).now).size() == 3);
  std::uint64_t sequence = last_sequence(member.catch_up(9));
  REQUIRE(only<CaughtUp>(member.hear(four, heard(sequence)).now).empty());

  // An acceptance that was long on its way: a newer leader may have had more chosen by 2 and 3.
  Effects changed = member.hear(two, Replica::accepted(ballot(1), 2, 3));
  REQUIRE(member.core.configuration().has_voter(four));
  CHECK(only<CaughtUp>(changed.now).empty());

  CHECK(only<CaughtUp>(member.hear(four, heard(last_sequence(changed))).now) ==
        std::vector{CaughtUp{9, Position(3)}});
}

TEST_CASE("the only voter does not lead with an entry lost, until a learner gives it back",
          "[replog][damage]") {
  Replica member(settled(members_of({{one, MemberRole::voter}, {two, MemberRole::learner}}, 3), 4,
                         {range(2, 3)}));
  for (int i = 0; i < 10; ++i) member.tick(300ms);
  REQUIRE(member.core.role() == Role::follower);

  Learned told{.entries = {entry(2, ballot(1), "x")}, .chosen_end = Position(3)};
  REQUIRE(only<Repaired>(member.hear(two, told).then).size() == 1);
  member.step([&](Effects& e) { member.core.on_repaired(member.now, range(2, 3), e); });
  for (int i = 0; i < 10; ++i) member.tick(300ms);
  CHECK(member.core.role() == Role::leader);
}

TEST_CASE("a lone founder that hears of another log of its cluster is its log no more",
          "[replog][formation]") {
  Replica member({.entries = {}, .configuration = Configuration::of_voters({one})});
  member.tick(1ms);
  REQUIRE(member.core.leadership().is_self);

  // Ids from 2 on were never given out here: 2 is of the log that an earlier directory founded.
  Effects effects = member.hear(
      two, Accept{ballot(9, 2), Position(2), {value_of("of the other log")}, Position(9)});

  CHECK(sent<Accepted>(effects.then).empty());
  CHECK(only<LeadershipChanged>(effects.now).size() == 1);
  CHECK(member.core.role() == Role::follower);
  auto failed = only<AppendFailed>(member.append({5, bytes("x"), 0}).now);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].error.code == Errc::wrong_cluster);
  for (int i = 0; i < 10; ++i) member.tick(300ms);
  CHECK(member.core.role() == Role::follower);
  CHECK(member.core.acceptor().end() == Position(2));
}

TEST_CASE(
    "one that was a member and does not know that it was removed changes nothing for the last",
    "[replog][formation]") {
  Replica member(settled(members_of({{one, MemberRole::voter}}, 4), 5));
  member.tick(1ms);
  REQUIRE(member.core.role() == Role::leader);

  member.hear(three, PreVote{ballot(9, 3)});

  CHECK(member.core.role() == Role::leader);
}
