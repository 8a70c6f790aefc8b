// Forgetting: what a member does with a beginning that is gone, here or elsewhere.
#include "replog/core.hpp"
#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

const Time start{std::chrono::seconds(1)};

CoreOptions of_three() {
  CoreOptions options;
  options.self = one;
  options.incarnation = one.value();
  return options;
}

LogEntry truncation(std::uint64_t at, std::uint64_t to) {
  return {Position(at), ballot(1), Value{Kind::truncate, encode_position(Position(to)), 65537}};
}

}  // namespace

TEST_CASE("a truncation that a crash kept from being carried out is carried out at the start",
          "[replog][core]") {
  Recovered recovered{
      .promised = ballot(1),
      .chosen_end = Position(4),
      .entries = {entry(1, ballot(1), "a"), entry(2, ballot(1), "b"), truncation(3, 2)}};
  Core core(of_three(), with_members(std::move(recovered)), 1, Logger(), start);

  Effects effects;
  core.on_time(start, effects);

  CHECK(effects.then == std::vector<Action>{ForgetBefore{Position(2)}});
}

TEST_CASE("a base is never beyond what is chosen, and never goes back", "[replog][core]") {
  Recovered recovered{
      .promised = ballot(1),
      .chosen_end = Position(3),
      .entries = {entry(1, ballot(1), "a"), entry(2, ballot(1), "b"), entry(3, ballot(1), "open")}};
  Core core(of_three(), with_members(std::move(recovered)), 1, Logger(), start);

  Effects effects;
  core.on_base(Position(9), 65537, effects);
  core.on_base(Position(2), 65537, effects);

  CHECK(core.kept_from() == Position(3));
  REQUIRE(effects.changes.size() == 1);
  CHECK(effects.changes.front() == Change{SetBase{Position(3), 65537}});
}

TEST_CASE("with a state machine a log is not shortened by a truncation", "[replog][core]") {
  CoreOptions options = of_three();
  options.has_state_machine = true;
  Recovered recovered{.promised = ballot(1),
                      .chosen_end = Position(3),
                      .entries = {entry(1, ballot(1), "a"), truncation(2, 2)}};
  Core core(options, with_members(std::move(recovered)), 1, Logger(), start);

  Effects effects;
  core.on_time(start, effects);

  CHECK(effects.then.empty());
}

TEST_CASE("what a member accepted beyond an offered base it keeps", "[replog][core]") {
  Recovered recovered{
      .promised = ballot(1),
      .entries = {entry(1, ballot(1), "a"), entry(9, ballot(1), "accepted beyond")}};
  Core core(of_three(), with_members(std::move(recovered)), 1, Logger(), start);

  Effects effects;
  Message offered = SnapshotOffered{.end = Position(5),
                                    .term = 65537,
                                    .configuration = Configuration::of_voters({one, two, three})};
  core.on(start, sender(two), offered, effects);

  CHECK(core.chosen_end() == Position(5));
  CHECK(core.acceptor().window().find(Position(1)) == nullptr);
  REQUIRE(core.acceptor().window().find(Position(9)) != nullptr);
  CHECK(effects.changes ==
        std::vector<Change>{SetBase{Position(5), 65537}, SetChosenEnd{Position(5), 65537}});
}
