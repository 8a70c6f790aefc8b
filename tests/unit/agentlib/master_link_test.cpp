// The way to the leader: turns, redirections, silence, pace.
#include "agentlib/master_link.hpp"

#include <set>

#include "tests/unit/agentlib/support.hpp"

using namespace agent_test;

namespace {

Time link_ms(int ms) { return Time(std::chrono::milliseconds(ms)); }

const std::vector<Endpoint> three{{"a", 1}, {"b", 2}, {"c", 3}};

std::optional<Dial> dialed(const Effects& effects) {
  for (const Action& action : effects.now) {
    if (const auto* dial = std::get_if<Dial>(&action)) return *dial;
  }
  return std::nullopt;
}

// Lets time pass until the link dials.
Dial next_dial(MasterLink& link, Time& now) {
  for (int i = 0; i < 10; ++i) {
    now = std::max(now, link.deadline());
    Effects effects;
    link.on_time(now, effects);
    if (auto dial = dialed(effects)) return *dial;
  }
  FAIL("no attempt");
  return {};
}

}  // namespace

TEST_CASE("masters that do not answer are tried in turn", "[agentlib][link]") {
  MasterLink link({.masters = three, .seed = 9}, link_ms(0));
  Time now = link_ms(0);
  std::set<std::string> tried;
  for (int i = 0; i < 3; ++i) {
    Dial dial = next_dial(link, now);
    tried.insert(dial.master.host);
    link.on_close(now, dial.link, {Errc::unreachable, "refused"});
    CHECK_FALSE(link.problem().empty());
  }
  CHECK(tried == std::set<std::string>{"a", "b", "c"});
}

TEST_CASE("attempts slow down to the longest pause and no further", "[agentlib][link]") {
  MasterLink link({.masters = {{"a", 1}}, .retry_min = 100ms, .retry_max = 800ms, .seed = 2},
                  link_ms(0));
  Time now = link_ms(0);
  for (int attempt = 0; attempt < 12; ++attempt) {
    Dial dial = next_dial(link, now);
    link.on_close(now, dial.link, {Errc::unreachable, "refused"});
    Duration longest = std::min<Duration>(100ms * (1 << attempt), 800ms);
    CHECK(link.deadline() - now <= longest);
    CHECK(link.deadline() - now >= longest / 2);
  }
}

TEST_CASE("a redirection is followed at once, but masters that point at each other are not chased",
          "[agentlib][link]") {
  MasterLink link({.masters = three, .seed = 9}, link_ms(0));
  Time now = link_ms(0);
  Duration waited{};
  for (int i = 0; i < 6; ++i) {
    Time before = now;
    Dial dial = next_dial(link, now);
    waited = now - before;
    if (i > 0) CHECK(dial.master == Endpoint{"leader", 9});
    if (i > 0 && i <= 3) CHECK(waited == Duration::zero());
    REQUIRE(link.on_open(now, dial.link));
    Effects effects;
    link.on_redirect(now, {.leader = Endpoint{"leader", 9}}, effects);
    CHECK(effects.now == std::vector<Action>{Hang{dial.link}});
  }
  CHECK(waited > Duration::zero());
}

TEST_CASE("a master that knows no leader is left for the next", "[agentlib][link]") {
  MasterLink link({.masters = three, .seed = 9}, link_ms(0));
  Time now = link_ms(0);
  Dial first = next_dial(link, now);
  REQUIRE(link.on_open(now, first.link));
  Effects effects;
  link.on_redirect(now, {}, effects);
  Dial second = next_dial(link, now);
  CHECK_FALSE(second.master == first.master);
}

TEST_CASE("a registered master may be silent for five of its pings, not longer",
          "[agentlib][link]") {
  MasterLink link({.masters = three, .seed = 9}, link_ms(0));
  Time now = link_ms(0);
  Dial dial = next_dial(link, now);
  REQUIRE(link.on_open(now, dial.link));
  link.on_registered(now, 1s);
  CHECK(link.problem().empty());
  link.on_heard(now + 4s);

  Effects patient;
  link.on_time(now + 8999ms, patient);
  CHECK(link.is_registered());
  CHECK(patient.empty());

  Effects gone;
  link.on_time(now + 9s, gone);
  CHECK_FALSE(link.is_registered());
  CHECK(gone.now == std::vector<Action>{Hang{dial.link}});
}

TEST_CASE("a master that opens and says nothing is given up", "[agentlib][link]") {
  MasterLink link({.masters = three, .register_timeout = 3s, .seed = 9}, link_ms(0));
  Time now = link_ms(0);
  Dial dial = next_dial(link, now);
  REQUIRE(link.on_open(now, dial.link));
  CHECK(link.deadline() == now + 3s);

  Effects effects;
  link.on_time(now + 3s, effects);

  CHECK(effects.now == std::vector<Action>{Hang{dial.link}});
  CHECK_FALSE(next_dial(link, now).master == dial.master);
}

TEST_CASE("the end of an earlier link does not end the present one", "[agentlib][link]") {
  MasterLink link({.masters = three, .seed = 9}, link_ms(0));
  Time now = link_ms(0);
  Dial first = next_dial(link, now);
  link.on_close(now, first.link, {Errc::unreachable, "refused"});
  Dial second = next_dial(link, now);
  REQUIRE(link.on_open(now, second.link));
  link.on_registered(now, 1s);

  link.on_close(now, first.link, {Errc::unreachable, "refused"});

  CHECK(link.is_registered());
}
