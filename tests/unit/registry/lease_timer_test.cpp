#include "registry/lease_timer.hpp"

#include "base/random.hpp"
#include "tests/catch.hpp"
#include "tests/unit/registry/keys_support.hpp"

using namespace cluster;
using namespace std::chrono_literals;
using registry::ExpireLease;
using registry::GrantLease;
using registry::KeepAlive;
using registry::LeaseTimer;
using registry::RevokeLease;
using test::Keys;

namespace {

const Time start = Time(100s);

struct Leader {
  void apply(Time now, registry::KeyCommandBody body) {
    registry::KeyCommand command{.body = std::move(body)};
    auto applied = keys.apply(command);
    timer.on_applied(now, command, applied, keys.state);
  }

  Keys keys;
  LeaseTimer timer;
};

}  // namespace

TEST_CASE("a lease expires when its time has passed since it was granted", "[registry][keys]") {
  Leader leader;
  leader.timer.begin(start, leader.keys.state);
  leader.apply(start, GrantLease{LeaseId(1), 10s});
  CHECK(leader.timer.deadline() == start + 10s);
  CHECK(leader.timer.expired(start + 10s - 1us, leader.keys.state).empty());
  CHECK(leader.timer.expired(start + 10s, leader.keys.state) ==
        std::vector{ExpireLease{LeaseId(1), 0}});
}

TEST_CASE("a renewal puts the end off, and makes a proposal that came before it void",
          "[registry][keys]") {
  Leader leader;
  leader.timer.begin(start, leader.keys.state);
  leader.apply(start, GrantLease{LeaseId(1), 10s});
  leader.apply(start + 9s, KeepAlive{{LeaseId(1)}});
  CHECK(leader.timer.expired(start + 18s, leader.keys.state).empty());
  CHECK(leader.timer.deadline() == start + 19s);
  auto proposed = leader.timer.expired(start + 19s, leader.keys.state);
  REQUIRE(proposed == std::vector{ExpireLease{LeaseId(1), 1}});

  leader.apply(start + 19s, KeepAlive{{LeaseId(1)}});
  leader.apply(start + 19s, proposed[0]);
  CHECK(leader.keys.state.find_lease(LeaseId(1)));
  CHECK(leader.timer.expired(start + 28s, leader.keys.state).empty());
  CHECK(leader.timer.expired(start + 29s, leader.keys.state).size() == 1);
}

TEST_CASE("a new leader starts every lease afresh", "[registry][keys]") {
  Leader leader;
  leader.apply(start, GrantLease{LeaseId(1), 10s});
  CHECK(leader.timer.deadline() == time_never);
  leader.timer.begin(start + 9s, leader.keys.state);
  CHECK(leader.timer.expired(start + 18s, leader.keys.state).empty());
  CHECK(leader.timer.expired(start + 19s, leader.keys.state).size() == 1);
  leader.timer.end();
  CHECK(leader.timer.deadline() == time_never);
}

TEST_CASE("an expiry is proposed again until it is applied", "[registry][keys]") {
  Leader leader;
  leader.timer.begin(start, leader.keys.state);
  leader.apply(start, GrantLease{LeaseId(1), 1s});
  CHECK(leader.timer.expired(start + 1s, leader.keys.state).size() == 1);
  CHECK(leader.timer.expired(start + 2s, leader.keys.state).empty());
  CHECK(leader.timer.expired(start + 1s + LeaseTimer::proposal_timeout, leader.keys.state).size() ==
        1);
  leader.apply(start + 4s, ExpireLease{LeaseId(1), 0});
  CHECK(leader.timer.expired(start + 100s, leader.keys.state).empty());
  CHECK(leader.timer.deadline() == time_never);
}

TEST_CASE("no lease expires early and each expires in time, whatever is granted and renewed",
          "[registry][keys][property]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Leader leader;
    leader.timer.begin(start, leader.keys.state);
    std::map<LeaseId, std::pair<Time, Duration>> model;
    Time now = start;
    for (int step = 0; step < 1500; ++step) {
      now += Duration(static_cast<Duration::rep>(random.below(300'000)));
      const LeaseId lease(1 + random.below(20));
      if (random.chance(1, 3)) {
        Duration ttl = std::chrono::seconds(1 + lease.value() % 4);
        leader.apply(now, GrantLease{lease, ttl});
        model[lease] = {now, ttl};
      } else if (random.chance(1, 20)) {
        leader.apply(now, RevokeLease{lease});
        model.erase(lease);
      } else {
        leader.apply(now, KeepAlive{{lease}});
        if (model.contains(lease)) model[lease].first = now;
      }
      for (const ExpireLease& over : leader.timer.expired(now, leader.keys.state)) {
        auto [since, ttl] = model.at(over.lease);
        REQUIRE(since + ttl <= now);
        leader.apply(now, over);
        model.erase(over.lease);
      }
      for (const auto& [id, measured] : model) REQUIRE(now < measured.first + measured.second);
      REQUIRE(leader.keys.state.leases().size() == model.size());
    }
  }
}
