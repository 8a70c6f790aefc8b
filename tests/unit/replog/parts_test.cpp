// Configuration, Window and LeaseGrant.
#include "replog/configuration.hpp"
#include "replog/lease.hpp"
#include "replog/window.hpp"
#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

TEST_CASE("any two quorums share a member", "[replog][configuration]") {
  for (std::uint64_t size = 1; size <= 9; ++size) {
    std::vector<NodeId> members;
    for (std::uint64_t i = size; i >= 1; --i) members.push_back(NodeId(i));
    Configuration configuration = Configuration::of_voters(members);
    CHECK(2 * configuration.quorum() > size);
    CHECK(2 * (configuration.quorum() - 1) <= size);
    CHECK(configuration.has(NodeId(size)));
    CHECK_FALSE(configuration.has(NodeId(size + 1)));
  }
}

TEST_CASE("what a quorum reached is the greatest value that enough members have",
          "[replog][configuration]") {
  Configuration of_four = Configuration::of_voters({one, two, three, NodeId(4)});

  CHECK(of_four.reached_by_quorum([](NodeId member) { return member.value() * 10; }) == 20);
  CHECK(Configuration::of_voters({two}).reached_by_quorum([](NodeId) { return 7; }) == 7);
}

TEST_CASE("a window holds entries with gaps, and finds what is there", "[replog][window]") {
  Window window{Position(5)};
  window.put(entry(6, ballot(1), "f"));
  window.put(entry(8, ballot(1), "h"));

  CHECK(window.first() == Position(5));
  CHECK(window.end() == Position(9));
  CHECK(window.find(Position(4)) == nullptr);
  CHECK(window.find(Position(5)) == nullptr);
  CHECK(*window.find(Position(6)) == entry(6, ballot(1), "f"));
  CHECK(window.find(Position(9)) == nullptr);
  CHECK(window.bytes() == 2 * value_of("f").cost());
}

TEST_CASE("a window counts what it holds when entries are replaced and released",
          "[replog][window]") {
  Window window{Position(1)};
  window.put(entry(1, ballot(1), "short"));
  window.put(entry(1, ballot(2), "much longer than that"));
  window.put(entry(2, ballot(2), "b"));
  CHECK(window.bytes() == value_of("much longer than that").cost() + value_of("b").cost());

  window.release_before(Position(2));
  CHECK(window.bytes() == value_of("b").cost());
  CHECK(window.first() == Position(2));
  window.release_before(Position(9));
  CHECK(window.bytes() == 0);
}

TEST_CASE("a range stops at its limit, after at least one entry", "[replog][window]") {
  Window window{Position(1)};
  for (std::uint64_t at : {1, 3, 4}) window.put(entry(at, ballot(1), "x"));
  Position next;

  CHECK(window.range(Position(1), Position(5), 1, next).size() == 1);
  CHECK(next == Position(2));
  CHECK(window.range(Position(2), Position(5), 1000, next) ==
        std::vector<LogEntry>{entry(3, ballot(1), "x"), entry(4, ballot(1), "x")});
  CHECK(next == Position(5));
}

TEST_CASE("the last term of a range is its last entry's that has one", "[replog][window]") {
  Window window{Position(1)};
  window.put({Position(1), ballot(1), value_of("x", 5)});
  window.put({Position(2), ballot(1), Value{Kind::noop, {}}});

  CHECK(last_term(window, Position(1), Position(3)) == 5);
  CHECK(last_term(window, Position(2), Position(3)) == 0);
}

TEST_CASE("a lease is given back once: later heartbeats that want none are heartbeats like any",
          "[replog][lease]") {
  Time now{std::chrono::seconds(1)};
  Ballot holder{.round = 1, .member = two};
  LeaseGrant grant(std::chrono::seconds(1), Time::min());
  grant.grant(holder, 1, now);

  CHECK(grant.revoke(holder, 2));
  CHECK_FALSE(grant.revoke(holder, 3));
  CHECK_FALSE(grant.forbids(three, now));
}
