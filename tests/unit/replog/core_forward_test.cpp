// Appends and commands that travel to the leader are carried out once at most, and those that were
// lost on the way are sent again.
#include "tests/unit/replog/replica.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

Forwarded::Item failed_item(std::uint64_t tag, Errc errc, Outcome outcome) {
  return {tag, {}, errc, outcome};
}

std::vector<Forwarded> answers_to(Replica& member, NodeId from, const Forward& forward) {
  std::vector<Forwarded> found;
  for (auto& [to, answer] : sent<Forwarded>(member.hear(from, forward).now)) {
    if (to == from) found.push_back(answer);
  }
  return found;
}

}  // namespace

TEST_CASE("a forwarded append that is not answered is sent again under its tag",
          "[replog][forward]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 1));
  member.append({5, bytes("x"), 0});
  REQUIRE(member.core.deadline() <= member.now + 240ms);

  auto again = sent<Forward>(member.tick(250ms).now);
  REQUIRE(again.size() == 1);
  CHECK(again[0] == std::pair(two, Forward{ballot(3, 2), {{5, bytes("x")}}}));

  // Not at once once more, and not when it is answered.
  CHECK(sent<Forward>(member.tick(10ms).now).empty());
  Effects effects =
      member.hear(two, Forwarded{ballot(3, 2), {{5, Position(9), Errc::ok, Outcome::not_applied}}});
  CHECK(only<Appended>(effects.now) == std::vector{Appended{5, Position(9)}});
  CHECK(sent<Forward>(member.tick(250ms).now).empty());
}

TEST_CASE("an append that came again is told where it stands", "[replog][forward]") {
  Replica member;
  member.lead();
  Forward forward{ballot(1), {{77, bytes("x")}}};
  member.hear(two, forward);
  CHECK(answers_to(member, two, forward).empty());  // Not settled yet.
  member.hear(two, Replica::accepted(ballot(1), 2, 3));

  CHECK(answers_to(member, two, forward) ==
        std::vector{Forwarded{ballot(1), {{77, Position(2), Errc::ok, Outcome::not_applied}}}});
  CHECK(member.core.acceptor().end() == Position(3));
}

TEST_CASE("an append for which the leader had no room is refused for good", "[replog][forward]") {
  CoreOptions narrow = Replica::options();
  narrow.pipeline.flight_entries_max = 1;
  narrow.pipeline.queue_bytes_max = 1;
  Replica member({.entries = {}}, narrow);
  member.lead();
  member.hear(two, Forward{ballot(1), {{1, bytes("goes out")}, {2, bytes("waits")}}});
  member.hear(two, Forward{ballot(1), {{3, bytes("fills the queue")}}});
  Forward forward{ballot(1), {{4, bytes("has no room")}}};
  const std::vector refused{
      Forwarded{ballot(1), {failed_item(4, Errc::overloaded, Outcome::not_applied)}}};
  REQUIRE(answers_to(member, two, forward) == refused);

  // There is room again, and its caller was told that it did not happen.
  for (std::uint64_t at = 2; at < 5; ++at) {
    member.hear(two, Replica::accepted(ballot(1), at, at + 1));
  }
  CHECK(answers_to(member, two, forward) == refused);
  CHECK(member.core.acceptor().end() == member.core.chosen_end());
}

TEST_CASE("a leader that was restarted cannot tell what it did with an append before",
          "[replog][forward]") {
  Replica member({.promised = ballot(3), .entries = {}});

  // It may have led ballot 3.1 and proposed this; a copy must not be taken for the first.
  CHECK(answers_to(member, two, Forward{ballot(3), {{77, bytes("x")}}}) ==
        std::vector{Forwarded{ballot(3), {failed_item(77, Errc::no_leader, Outcome::maybe)}}});

  Effects effects = member.hear(two, Command{ballot(3), 78, TruncateLog{Position(1)}});
  auto commanded = sent<Commanded>(effects.now);
  REQUIRE(commanded.size() == 1);
  CHECK(commanded[0].second.outcome == Outcome::maybe);
}

TEST_CASE(
    "what a leader proposed and did not see chosen may have happened, however late it is asked",
    "[replog][forward]") {
  Replica member;
  member.lead();
  Forward forward{ballot(1), {{77, bytes("x")}}};
  member.hear(two, forward);
  member.hear(three, PreVoted{ballot(1), false, ballot(5, 3)});
  member.hear(three, Accepted{.ballot = ballot(1),
                              .granted = false,
                              .promised = ballot(5, 3),
                              .first = Position(2),
                              .end = Position(3)});
  REQUIRE(member.core.role() == Role::follower);

  CHECK(answers_to(member, two, forward) ==
        std::vector{Forwarded{ballot(1), {failed_item(77, Errc::fenced, Outcome::maybe)}}});
  // And what it never saw has not.
  CHECK(
      answers_to(member, two, Forward{ballot(1), {{78, bytes("y")}}}) ==
      std::vector{Forwarded{ballot(1), {failed_item(78, Errc::no_leader, Outcome::not_applied)}}});
}

TEST_CASE("only the leader that was asked can say that an append did not happen",
          "[replog][forward]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 1));
  member.append({5, bytes("x"), 0});
  Forwarded refusal{ballot(3, 2), {failed_item(5, Errc::no_leader, Outcome::not_applied)}};

  CHECK(member.hear(three, refusal).empty());

  // Nor does one that is not that leader say anything.
  CHECK(member.hear(three, Forward{ballot(3, 2), {{6, bytes("y")}}}).empty());
}

TEST_CASE("a late refusal of an append does not make it be sent once more", "[replog][forward]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 1));
  member.append({5, bytes("x"), 0});
  Forwarded refusal{ballot(3, 2), {failed_item(5, Errc::no_leader, Outcome::not_applied)}};
  member.hear(two, refusal);
  REQUIRE(sent<Forward>(member.hear(three, Replica::beat(ballot(4, 3), 1)).now).size() == 1);

  // The copy of the refusal speaks of ballot 3.2. The leader of 4.3 may have carried it out.
  CHECK(member.hear(two, refusal).empty());
  Effects effects = member.hear(two, Replica::beat(ballot(5, 2), 1));
  CHECK(sent<Forward>(effects.now).empty());
  REQUIRE(only<AppendFailed>(effects.now).size() == 1);
  CHECK(only<AppendFailed>(effects.now)[0].error.outcome == Outcome::maybe);
}

TEST_CASE("a late refusal of a command does not make it be sent once more", "[replog][forward]") {
  Replica member;
  member.hear(two, Replica::beat(ballot(3, 2), 1));
  member.step(
      [&](Effects& e) { member.core.on_command(member.now, 8, TruncateLog{Position(1)}, e); });
  Commanded refusal{.tag = 8, .errc = Errc::no_leader, .ballot = ballot(3, 2)};
  member.hear(two, refusal);
  auto again = sent<Command>(member.hear(three, Replica::beat(ballot(4, 3), 1)).now);
  REQUIRE(again.size() == 1);

  // The copy of the first refusal speaks of ballot 3.2, and the command is with the leader of 4.3.
  CHECK(member.hear(two, refusal).empty());
  Effects effects = member.hear(two, Replica::beat(ballot(5, 2), 1));
  CHECK(sent<Command>(effects.now).empty());
  REQUIRE(only<CommandEnded>(effects.now).size() == 1);
  CHECK(only<CommandEnded>(effects.now)[0].answer.outcome == Outcome::maybe);
}

TEST_CASE("tags are remembered in any order, and what is too old is not called new",
          "[replog][forward]") {
  using Fate = Taken::Fate;
  Taken taken;
  const std::uint64_t life = std::uint64_t{7} << 32;
  taken.add(life + 9);
  CHECK(taken.fate(life + 9) == Fate::under_way);
  CHECK(taken.fate(life + 8) == Fate::unseen);
  CHECK(taken.fate(life + 10) == Fate::unseen);
  taken.settle(life + 9, Position(5));
  CHECK(taken.fate(life + 9) == Fate::settled);
  CHECK(taken.position(life + 9) == Position(5));
  taken.refuse(life + 8);
  CHECK(taken.fate(life + 8) == Fate::refused);
  taken.remove(life + 8);
  CHECK(taken.fate(life + 8) == Fate::unseen);

  // Another life's tags are others.
  CHECK(taken.fate(life * 2 + 9) == Fate::unseen);
  taken.add(9);
  CHECK(taken.fate(9) == Fate::under_way);
  CHECK(taken.fate(life + 9) == Fate::settled);

  for (std::uint64_t tag : {life + 70'000, life + 80'000, life + 300'000}) taken.add(tag);
  CHECK(taken.fate(life + 9) == Fate::forgotten);
  CHECK(taken.fate(life + 80'000) == Fate::forgotten);
  CHECK(taken.fate(life + 299'999) == Fate::unseen);
  taken.settle(life + 9, Position(5));  // Late, and of no use any more.
  CHECK(taken.fate(life + 9) == Fate::forgotten);
}
