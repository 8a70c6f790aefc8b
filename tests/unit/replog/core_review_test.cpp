// Laws that a second reading of the log found broken, each by the interleaving that broke it.
#include "replog/core.hpp"
#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using namespace std::chrono_literals;

namespace {

const Configuration reviewed_members = Configuration::of_voters({one, two, three});
const Ballot candidacy = ballot(9);

Promised part_of(std::vector<LogEntry> entries, std::uint64_t first, std::uint64_t next,
                 std::uint64_t end, std::uint64_t chosen_end) {
  return {.ballot = candidacy,
          .granted = true,
          .promised = candidacy,
          .chosen_end = Position(chosen_end),
          .first = Position(first),
          .next = Position(next),
          .end = Position(end),
          .entries = std::move(entries)};
}

CoreOptions of_three() {
  CoreOptions options;
  options.self = one;
  options.incarnation = one.value();
  return options;
}

// A core whose own messages come back at once.
class Leader {
 public:
  Leader()
      : core(of_three(), Recovered{.entries = {}, .configuration = reviewed_members}, 1, Logger(),
             now) {
    step([&](Effects& e) { core.on_campaign(now, e); });
    Promised promise = part_of({}, 1, 1, 1, 1);
    promise.ballot = promise.promised = ballot(1);
    step([&](Effects& e) { core.on(now, sender(two), Message(promise), e); });
    Accepted accepted{.ballot = ballot(1),
                      .granted = true,
                      .promised = ballot(1),
                      .first = Position(1),
                      .end = Position(2)};
    step([&](Effects& e) { core.on(now, sender(two), Message(accepted), e); });
    REQUIRE(core.leadership().is_self);
  }

  template <class F>
  Effects step(F input) {
    Effects first, effects;
    input(first);
    effects = first;
    while (true) {
      std::vector<Message> own;
      for (auto* list : {&effects.now, &effects.then}) {
        for (const Action& action : *list) {
          auto* send = std::get_if<Send>(&action);
          if (send != nullptr && send->to == one) own.push_back(send->message);
        }
      }
      if (own.empty()) return first;
      effects = {};
      for (const Message& message : own) core.on(now, sender(one), message, effects);
    }
  }

  Time now{10s};
  Core core;
};

}  // namespace

TEST_CASE("one member's word that positions are chosen says nothing of what others told for them",
          "[replog][preparation]") {
  Preparation preparation(reviewed_members, candidacy, Position(1));

  // Two has learned that 3 was chosen at a ballot it never promised, and has told only 1 so far.
  preparation.take(two, part_of({entry(1, ballot(2), "a")}, 1, 2, 4, 4));
  preparation.take(three, part_of({entry(1, ballot(2), "a"), entry(2, ballot(2), "b"),
                                   entry(3, ballot(2), "never chosen")},
                                  1, 4, 4, 1));
  preparation.take(one, part_of({}, 1, 1, 1, 1));

  REQUIRE(preparation.has_quorum());
  CHECK(preparation.chosen_end() == Position(2));
}

TEST_CASE("what was told before it was chosen is not taken for the choice",
          "[replog][preparation]") {
  Preparation preparation(reviewed_members, candidacy, Position(1));

  preparation.take(two, part_of({entry(1, ballot(2), "old")}, 1, 2, 3, 1));
  preparation.take(two, part_of({entry(2, ballot(12), "b")}, 2, 3, 3, 3));

  CHECK(preparation.chosen_end() == Position(1));
}

TEST_CASE("parts of an answer that are each chosen are chosen together", "[replog][preparation]") {
  Preparation preparation(reviewed_members, candidacy, Position(1));

  preparation.take(two, part_of({entry(1, ballot(2), "a")}, 1, 2, 4, 4));
  preparation.take(two, part_of({entry(2, ballot(2), "b"), entry(3, ballot(2), "c")}, 2, 4, 4, 4));

  CHECK(preparation.chosen_end() == Position(4));
}

TEST_CASE("a leader that nobody hears steps down however often it is asked for reads",
          "[replog][core]") {
  Leader leader;

  for (std::uint64_t tag = 1; tag <= 200 && leader.core.role() == Role::leader; ++tag) {
    leader.now += 10ms;
    leader.step([&](Effects& e) { leader.core.on_catch_up(leader.now, tag, e); });
    if (leader.core.deadline() <= leader.now) {
      leader.step([&](Effects& e) { leader.core.on_time(leader.now, e); });
    }
  }

  CHECK(leader.core.role() == Role::follower);
}

TEST_CASE("a round beyond all rounds, heard of, keeps a member from being elected and no more",
          "[replog][core]") {
  Leader leader;

  Ballot last{round_max, three};
  leader.step([&](Effects& e) {
    leader.core.on(leader.now, sender(three), Message(PreVoted{ballot(1), false, last}), e);
  });
  leader.step([&](Effects& e) { leader.core.on_campaign(leader.now, e); });

  CHECK(leader.core.role() != Role::candidate);
  CHECK(leader.core.deadline() > leader.now);
}

TEST_CASE("one that was removed as a witness teaches nobody, after a restart either",
          "[replog][core]") {
  Value withheld = value_of("data", 65537).bare();
  Recovered recovered{.promised = ballot(1),
                      .chosen_end = Position(2),
                      .entries = {{Position(1), ballot(1), withheld}},
                      .configuration = Configuration::of_voters({two, three})};
  Core core(of_three(), std::move(recovered), 1, Logger(), Time(10s));

  Effects effects;
  core.on(Time(10s), sender(two), Message(Learn{Position(1)}), effects);

  CHECK(core.acceptor().is_witness());
  CHECK(effects.now.empty());
}

TEST_CASE("an entry told without its data is not learned by one that keeps data",
          "[replog][core]") {
  Core core(of_three(), with_members({}), 1, Logger(), Time(10s));
  Learned told{.entries = {{Position(1), ballot(1), value_of("data", 65537).bare()}},
               .chosen_end = Position(2)};

  Effects effects;
  core.on(Time(10s), sender(two), Message(told), effects);

  CHECK(core.chosen_end() == Position(1));
  CHECK(effects.changes.empty());
}

TEST_CASE("damage found where the log was forgotten meanwhile is left alone", "[replog][core]") {
  Recovered recovered{.promised = ballot(1),
                      .chosen_end = Position(3),
                      .entries = {entry(1, ballot(1), "a"), entry(2, ballot(1), "b")}};
  Core core(of_three(), with_members(std::move(recovered)), 1, Logger(), Time(10s));
  Effects forgotten;
  core.on_base(Position(2), 65537, forgotten);

  Effects effects;
  core.on_damage(Time(10s), Position(1), effects);

  CHECK(effects.changes.empty());
}
