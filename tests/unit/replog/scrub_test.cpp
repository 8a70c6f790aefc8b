// What a core does about comparisons of stores. tests/sim has them between members.
#include "replog/core.hpp"
#include "replog/store.hpp"
#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

// Member 1 knows three entries to be chosen and has accepted a fourth; it begins at `kept_from`.
struct Known {
  explicit Known(std::uint64_t kept_from = 1)
      : core(options(), recovered(kept_from), 1, Logger(), Time{}) {}

  static CoreOptions options() {
    CoreOptions options;
    options.self = one;
    options.incarnation = one.value();
    return options;
  }
  static Recovered recovered(std::uint64_t kept_from) {
    Recovered recovered{.promised = ballot(1),
                        .chosen_end = Position(4),
                        .first = Position(kept_from),
                        .entries = {},
                        .kept_from = Position(kept_from)};
    for (std::uint64_t at = kept_from; at < 5; ++at) {
      recovered.entries.push_back(entry(at, ballot(1), "entry " + std::to_string(at)));
    }
    return with_members(std::move(recovered));
  }
  Effects hear(Message message) {
    Effects effects;
    core.on(Time{}, sender(two), message, effects);
    return effects;
  }

  Core core;
};

}  // namespace

TEST_CASE("only what is chosen and kept is looked after", "[replog][scrub]") {
  Known known(2);
  Effects effects;
  known.core.on_scrub(Position(1), effects);
  CHECK(effects.then == std::vector<Action>{ScrubRange{{Position(2), Position(4)}}});

  Effects end;
  known.core.on_scrub(Position(4), end);
  CHECK(end.then == std::vector<Action>{ScrubRange{{Position(4), Position(4)}}});
}

TEST_CASE("a sum is told of a range that is whole here, and of no other", "[replog][scrub]") {
  Known known(2);
  auto asked = [](std::uint64_t first, std::uint64_t end) {
    return RangeSum{.first = Position(first), .end = Position(end), .checksum = 5};
  };
  Effects whole = known.hear(asked(2, 4));
  CHECK(whole.now.empty());
  CHECK(whole.then == std::vector<Action>{SumRange{two, {Position(2), Position(4)}}});
  for (auto [first, end] : {std::pair{1u, 3u}, std::pair{2u, 5u}}) {
    Effects other = known.hear(asked(first, end));
    CHECK(other.then.empty());
    CHECK(other.now == sends(two, RangeSummed{.first = Position(first), .end = Position(end)}));
  }
  Effects nothing = known.hear(asked(3, 3));
  CHECK(nothing.now.empty());
  CHECK(nothing.then.empty());
}

TEST_CASE("an entry that is the odd one is written again from memory where that is right",
          "[replog][scrub]") {
  Known known;
  LogEntry held = entry(2, ballot(1), "entry 2");
  Effects effects;
  known.core.on_odd_copy(Time{}, Position(2), checksum_value(0, held), effects);
  CHECK(effects.changes == std::vector<Change>{PutEntry{held}});
  CHECK(known.core.damage().empty());
}

TEST_CASE("an entry that is the odd one in memory too is asked for, and not told to others before",
          "[replog][scrub]") {
  Known known;
  LogEntry right = entry(2, ballot(1), "another");
  Effects effects;
  known.core.on_odd_copy(Time{}, Position(2), checksum_value(0, right), effects);
  CHECK(effects.changes.empty());
  REQUIRE(effects.now.size() == 1);
  CHECK(std::get<Send>(effects.now[0]).message == Message(Learn{Position(2), Position(3)}));
  CHECK(known.hear(Learn{Position(2), Position(3)}).now.empty());

  Effects repaired = known.hear(Learned{.entries = {right}, .chosen_end = Position(4)});
  REQUIRE_FALSE(repaired.changes.empty());
  CHECK(repaired.changes[0] == Change(PutEntry{right}));
  Effects done;
  known.core.on_repaired(Time{}, {Position(2), Position(3)}, done);
  CHECK(known.core.damage().empty());
  CHECK(known.core.acceptor().window().find(Position(2))->value == right.value);
}
