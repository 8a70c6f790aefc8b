#include "replog/reads.hpp"

#include "replog/lease.hpp"
#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using namespace std::chrono_literals;

namespace {

const Time start{10s};

std::vector<std::uint64_t> tags(const std::vector<LeaderReads::Question>& questions) {
  std::vector<std::uint64_t> tags;
  for (const auto& question : questions) tags.push_back(question.tag);
  return tags;
}

using Tags = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("questions that come during a round share the next one", "[replog][reads]") {
  LeaderReads reads;
  reads.ask(one, 1);
  CHECK(reads.wants_round());
  reads.join(5, Position(10));
  reads.ask(two, 2);
  reads.ask(three, 3);

  CHECK_FALSE(reads.wants_round());
  CHECK(tags(reads.answered(4)).empty());
  CHECK(tags(reads.answered(5)) == Tags{1});
  CHECK(reads.wants_round());
  reads.join(6, Position(12));
  auto answered = reads.answered(6);
  CHECK(tags(answered) == Tags{2, 3});
  CHECK(answered[0].end == Position(12));
}

TEST_CASE("any heartbeat takes the waiting questions along", "[replog][reads]") {
  LeaderReads reads;
  reads.ask(one, 1);
  reads.join(5, Position(10));
  reads.ask(one, 2);
  reads.join(6, Position(11));
  CHECK(tags(reads.answered(6)) == Tags{1, 2});
}

TEST_CASE("a member asks once for all that wait, and again under the same tag", "[replog][reads]") {
  OwnReads reads;
  reads.add(3);
  reads.add(4);
  CHECK(reads.question(start, 100ms) == 4);
  reads.add(5);
  CHECK_FALSE(reads.question(start + 50ms, 100ms));
  CHECK(reads.question(start + 100ms, 100ms) == 4);
  CHECK(reads.deadline() == start + 200ms);

  reads.answered(9, Position(7));  // Nobody's question.
  CHECK(reads.reached(Position(100)).empty());
  reads.answered(4, Position(7));
  CHECK(reads.reached(Position(6)).empty());
  CHECK(reads.reached(Position(7)).size() == 2);
  CHECK(reads.question(start + 300ms, 100ms) == 5);
}

TEST_CASE("an answer to a question whose readers gave up ends nobody's wait", "[replog][reads]") {
  OwnReads reads;
  reads.add(1);
  REQUIRE(reads.question(start, 100ms) == 1);
  reads.forget(1);
  reads.add(2);
  reads.answered(1, Position(7));
  CHECK(reads.reached(Position(100)).empty());
  CHECK(reads.question(start, 100ms) == 2);
}

TEST_CASE("a lease is counted from when its heartbeat left, and less the clocks' drift",
          "[replog][lease]") {
  Configuration voters = Configuration::of_voters({one, two, three});
  Lease lease(1000ms, 250);
  lease.sent(1, start);
  CHECK_FALSE(lease.is_held(start, one, voters));
  lease.granted(two, 1);
  CHECK(lease.is_held(start + 799ms, one, voters));
  CHECK_FALSE(lease.is_held(start + 800ms, one, voters));

  lease.sent(2, start + 500ms);
  lease.give_up();
  lease.granted(three, 2);  // Given before it was given up.
  CHECK_FALSE(lease.is_held(start + 500ms, one, voters));
}

TEST_CASE("a voter that granted helps nobody else, itself included, until its time is over",
          "[replog][lease]") {
  LeaseGrant grant(1000ms, Time::min());
  CHECK_FALSE(grant.forbids(two, start));
  grant.grant(ballot(1, 1), 7, start);
  CHECK_FALSE(grant.forbids(one, start));
  CHECK(grant.forbids(two, start + 999ms));
  CHECK_FALSE(grant.forbids(two, start + 1000ms));
}

TEST_CASE("a late copy of a revocation does not end what was granted after it", "[replog][lease]") {
  LeaseGrant grant(1000ms, Time::min());
  grant.grant(ballot(1, 1), 9, start);
  CHECK_FALSE(grant.revoke(ballot(1, 1), 8));
  CHECK_FALSE(grant.revoke(ballot(2, 1), 10));
  CHECK(grant.forbids(two, start));
  CHECK(grant.revoke(ballot(1, 1), 10));
  CHECK_FALSE(grant.forbids(two, start));
}

TEST_CASE("a voter that starts may have granted what it does not remember", "[replog][lease]") {
  LeaseGrant grant(1000ms, start + 1000ms);
  CHECK(grant.forbids(one, start + 999ms));
  CHECK_FALSE(grant.forbids(one, start + 1000ms));
}
