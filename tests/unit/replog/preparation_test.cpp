#include "replog/preparation.hpp"

#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

const Configuration of_three = Configuration::of_voters({one, two, three});
const Ballot mine = ballot(9);

Promised answer_of(std::vector<LogEntry> entries, std::uint64_t first, std::uint64_t next,
                   std::uint64_t end, std::uint64_t chosen_end = 1) {
  return {.ballot = mine,
          .granted = true,
          .promised = mine,
          .chosen_end = Position(chosen_end),
          .first = Position(first),
          .next = Position(next),
          .end = Position(end),
          .entries = std::move(entries)};
}

LogEntry of_term(std::uint64_t at, Ballot accepted, std::uint64_t term, ByteView text) {
  return {Position(at), accepted, value_of(text, term)};
}

std::vector<std::string> said(const std::vector<Value>& values) {
  std::vector<std::string> texts;
  for (const Value& value : values) texts.push_back(text(value));
  return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the value of the highest ballot is proposed again, and nothing in a hole",
          "[replog][preparation]") {
  Preparation preparation(of_three, mine, Position(1));

  CHECK(preparation.take(
      one, answer_of({entry(1, ballot(2), "old"), entry(3, ballot(2), "c")}, 1, 4, 4)));
  CHECK_FALSE(preparation.has_quorum());
  CHECK(preparation.take(two, answer_of({entry(1, ballot(5), "new")}, 1, 2, 2)));

  CHECK(preparation.has_quorum());
  CHECK(preparation.end() == Position(4));
  CHECK(said(preparation.open_values(Position(1), 0)) == Texts{"new", "<noop>", "c"});
}

TEST_CASE("an answer counts when all its parts are there, each taken once",
          "[replog][preparation]") {
  Preparation preparation(of_three, mine, Position(1));
  preparation.take(one, answer_of({}, 1, 1, 1));
  Promised first = answer_of({entry(1, ballot(2), "a")}, 1, 2, 3);

  CHECK(preparation.take(two, first));
  CHECK(preparation.next_of(two) == Position(2));
  CHECK_FALSE(preparation.has_quorum());
  CHECK_FALSE(preparation.take(two, first));
  CHECK_FALSE(preparation.has_quorum());

  CHECK(preparation.take(two, answer_of({entry(2, ballot(2), "b")}, 2, 3, 3)));
  CHECK(preparation.has_quorum());
}

TEST_CASE("answers of strangers, of other ballots and without progress are ignored",
          "[replog][preparation]") {
  Preparation preparation(of_three, mine, Position(1));
  Promised of_another = answer_of({}, 1, 1, 1);
  of_another.ballot = ballot(8);

  CHECK_FALSE(preparation.take(NodeId(4), answer_of({}, 1, 1, 1)));
  CHECK_FALSE(preparation.take(two, of_another));
  CHECK_FALSE(preparation.take(two, answer_of({}, 1, 1, 5)));
  CHECK_FALSE(preparation.take(two, answer_of({}, 2, 2, 2)));
}

TEST_CASE("what a learner promises is kept, and does not count", "[replog][preparation]") {
  const NodeId four{4};
  std::vector<Member> members;
  for (NodeId id : {one, two, three, four}) {
    MemberRole role = id == four ? MemberRole::learner : MemberRole::voter;
    members.push_back(Member{.id = id, .incarnation = id.value(), .role = role, .endpoint = {}});
  }
  // As it may come from one that was a voter when it was asked.
  Preparation preparation(Configuration(Position{}, std::move(members), NodeId(5)), mine,
                          Position(1));
  preparation.take(one, answer_of({}, 1, 1, 1));
  preparation.take(four, answer_of({entry(1, ballot(3), "x")}, 1, 2, 2));
  CHECK_FALSE(preparation.has_quorum());
  CHECK(said(preparation.open_values(Position(1), 0)) == Texts{"x"});

  preparation.take(two, answer_of({}, 1, 1, 1));
  CHECK(preparation.has_quorum());
}

TEST_CASE("the furthest that anyone knows to be chosen is where proposing begins",
          "[replog][preparation]") {
  Preparation preparation(of_three, mine, Position(1));
  preparation.take(one, answer_of({}, 1, 1, 1));
  preparation.take(three, answer_of({entry(1, ballot(2), "a")}, 1, 2, 2, 2));

  CHECK(preparation.chosen_end() == Position(2));
  CHECK(*preparation.best(Position(1)) == entry(1, ballot(2), "a"));
}

TEST_CASE("what an older leader left after a newer one's entry is not proposed again",
          "[replog][preparation]") {
  Preparation preparation(of_three, mine, Position(1));
  preparation.take(one, answer_of({of_term(1, ballot(4), 4, "of 4")}, 1, 2, 2));
  preparation.take(two, answer_of({of_term(2, ballot(3), 3, "of 3")}, 1, 3, 3));

  CHECK(said(preparation.open_values(Position(1), 0)) == Texts{"of 4", "<noop>"});
}

TEST_CASE("of two entries whose terms fall, the higher ballot's stays", "[replog][preparation]") {
  // The leader of ballot 6 did not see the entry of term 4, and proposed that of term 3 again.
  Preparation preparation(of_three, mine, Position(1));
  preparation.take(one, answer_of({of_term(1, ballot(4), 4, "of 4")}, 1, 2, 2));
  preparation.take(two, answer_of({of_term(2, ballot(6), 3, "of 3")}, 1, 3, 3));

  CHECK(said(preparation.open_values(Position(1), 0)) == Texts{"<noop>", "of 3"});
}

TEST_CASE("what is settled is older than nothing that is proposed after it",
          "[replog][preparation]") {
  Preparation preparation(of_three, mine, Position(1));
  preparation.take(one, answer_of({of_term(1, ballot(3), 3, "of 3")}, 1, 2, 2));
  preparation.take(two, answer_of({of_term(2, ballot(5), 5, "of 5")}, 1, 3, 3));

  CHECK(said(preparation.open_values(Position(1), 5)) == Texts{"<noop>", "of 5"});
  CHECK(said(preparation.open_values(Position(1), 3)) == Texts{"of 3", "of 5"});
}
