#include "replog/acceptor.hpp"

#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

constexpr std::size_t plenty = 1 << 20;
const Position start{1};

Acceptor promised_to(Ballot promised) {
  return Acceptor(one, Recovered{.promised = promised, .entries = {}}, plenty);
}

Acceptor holding(Ballot promised, std::vector<LogEntry> entries, std::size_t answer = plenty) {
  return Acceptor(one, Recovered{.promised = promised, .entries = std::move(entries)}, answer);
}

}  // namespace

TEST_CASE("an acceptor promises once the promise is durable", "[replog][acceptor]") {
  Acceptor acceptor = promised_to({});

  Effects effects;
  acceptor.on(two, Prepare{ballot(7, 2), start}, start, effects);

  CHECK(effects.now.empty());
  CHECK(effects.changes == std::vector<Change>{SetPromise{ballot(7, 2)}});
  CHECK(effects.then == sends(two, Promised{.ballot = ballot(7, 2),
                                            .granted = true,
                                            .promised = ballot(7, 2),
                                            .chosen_end = start,
                                            .first = start,
                                            .next = start,
                                            .end = start,
                                            .entries = {}}));
}

TEST_CASE("an acceptor refuses a ballot lower than its promise and names the higher one",
          "[replog][acceptor]") {
  Acceptor acceptor = promised_to(ballot(7));

  Effects effects;
  acceptor.on(two, Prepare{ballot(6, 2), start}, start, effects);
  acceptor.on(two, Accept{ballot(6, 2), start, {value_of("x")}, start}, start, effects);

  CHECK(effects.changes.empty());
  CHECK(effects.then.empty());
  CHECK(effects.now ==
        std::vector<Action>{
            Send{two, Promised{.ballot = ballot(6, 2), .promised = ballot(7), .entries = {}}},
            Send{two, Accepted{.ballot = ballot(6, 2),
                               .promised = ballot(7),
                               .first = start,
                               .end = Position(2)}}});
  CHECK(acceptor.end() == start);
}

TEST_CASE("an acceptor accepts at its promise and above, and then promises as much",
          "[replog][acceptor]") {
  Acceptor acceptor = promised_to(ballot(7));

  Effects effects;
  acceptor.on(one, Accept{ballot(9), start, {value_of("x"), value_of("y")}, start}, start, effects);

  CHECK(effects.now.empty());
  CHECK(effects.changes == std::vector<Change>{SetPromise{ballot(9)},
                                               PutEntry{entry(1, ballot(9), "x")},
                                               PutEntry{entry(2, ballot(9), "y")}});
  CHECK(effects.then == sends(one, Accepted{.ballot = ballot(9),
                                            .granted = true,
                                            .promised = ballot(9),
                                            .first = start,
                                            .end = Position(3)}));
  CHECK(acceptor.promised() == ballot(9));
}

TEST_CASE("what was accepted is answered again and not written again", "[replog][acceptor]") {
  Acceptor acceptor = holding(ballot(9), {entry(1, ballot(9), "x")});

  Effects effects;
  acceptor.on(one, Accept{ballot(9), start, {value_of("x")}, start}, start, effects);

  CHECK(effects.changes.empty());
  CHECK(effects.then.size() == 1);
  CHECK(effects.now.empty());
}

TEST_CASE("a higher ballot replaces what a lower one had accepted", "[replog][acceptor]") {
  Acceptor acceptor = holding(ballot(2), {entry(1, ballot(2), "old")});

  Effects effects;
  acceptor.on(one, Accept{ballot(3), start, {value_of("new")}, start}, start, effects);

  CHECK(*acceptor.window().find(start) == entry(1, ballot(3), "new"));
}

TEST_CASE("settled positions are not written again", "[replog][acceptor]") {
  Acceptor acceptor = holding(ballot(2), {entry(1, ballot(2), "x")});

  Effects effects;
  acceptor.on(one, Accept{ballot(3), start, {value_of("x"), value_of("y")}, start}, Position(2),
              effects);

  CHECK(effects.changes ==
        std::vector<Change>{SetPromise{ballot(3)}, PutEntry{entry(2, ballot(3), "y")}});
}

TEST_CASE("a promise tells everything accepted from the position asked for", "[replog][acceptor]") {
  Acceptor acceptor = holding(
      ballot(2), {entry(1, ballot(1), "a"), entry(2, ballot(2), "b"), entry(4, ballot(2), "d")});

  Effects effects;
  acceptor.on(three, Prepare{ballot(5, 3), Position(2)}, Position(2), effects);

  CHECK(effects.then ==
        sends(three, Promised{.ballot = ballot(5, 3),
                              .granted = true,
                              .promised = ballot(5, 3),
                              .chosen_end = Position(2),
                              .first = Position(2),
                              .next = Position(5),
                              .end = Position(5),
                              .entries = {entry(2, ballot(2), "b"), entry(4, ballot(2), "d")}}));
}

TEST_CASE("a long promise stops at its limit and says that it is not whole", "[replog][acceptor]") {
  Acceptor acceptor =
      holding(ballot(2),
              {entry(1, ballot(2), "a"), entry(2, ballot(2), "b"), entry(3, ballot(2), "c")}, 100);

  Effects effects;
  acceptor.on(three, Prepare{ballot(5, 3), start}, start, effects);

  auto& answer = std::get<Promised>(std::get<Send>(effects.then.at(0)).message);
  CHECK(answer.entries.size() == 2);
  CHECK(answer.next == Position(3));
  CHECK(answer.end == Position(4));
}

TEST_CASE("what memory has released is told from the store", "[replog][acceptor]") {
  Acceptor acceptor = holding(ballot(2), {entry(1, ballot(2), "a"), entry(2, ballot(2), "b")});
  acceptor.release(Position(2));

  Effects effects;
  acceptor.on(three, Prepare{ballot(5, 3), start}, Position(2), effects);

  REQUIRE(effects.then.size() == 1);
  auto& stored = std::get<SendStored>(effects.then[0]);
  CHECK(stored.first == start);
  CHECK(stored.end == Position(2));
  CHECK(std::get<Promised>(stored.message).end == Position(3));
}

TEST_CASE("a chosen entry is kept unless a later ballot's stands there", "[replog][acceptor]") {
  Acceptor acceptor = holding(ballot(5), {entry(1, ballot(4), "x"), entry(2, ballot(1), "stale")});

  Effects effects;
  acceptor.keep_chosen(entry(1, ballot(3), "x"), effects);
  acceptor.keep_chosen(entry(2, ballot(3), "y"), effects);

  CHECK(effects.changes == std::vector<Change>{PutEntry{entry(2, ballot(3), "y")}});
  CHECK(acceptor.window().find(start)->ballot == ballot(4));
}
