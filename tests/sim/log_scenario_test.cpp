// Cuts of the network that have names, with the demand that those who can go on do.
#include <memory>

#include "sim/disk_faults.hpp"
#include "sim/log_cluster.hpp"
#include "tests/catch.hpp"

using namespace cluster;
using namespace cluster::sim;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// A cluster that has a leader and a quiet network.
struct Settled {
  explicit Settled(std::size_t size, std::uint64_t seed)
      : Settled(LogClusterOptions{.seed = seed, .size = size}) {}
  explicit Settled(const LogClusterOptions& options) : cluster(options) {
    cluster.start_all();
    REQUIRE(cluster.step_until(cluster.world().now() + seconds(10),
                               [this] { return cluster.leader() != nullptr; }));
    REQUIRE(cluster.leader() != nullptr);
  }

  LogMember& leader() { return *cluster.leader(); }
  std::vector<LogMember*> followers() {
    std::vector<LogMember*> found;
    for (LogMember& member : cluster.members()) {
      if (&member != cluster.leader()) found.push_back(&member);
    }
    return found;
  }
  void run(Duration duration) { cluster.step_until(cluster.world().now() + duration); }

  // How many appends through the member succeed, one after another, in that time.
  std::size_t appends_through(LogMember& member, Duration duration) {
    Time end = cluster.world().now() + duration;
    std::size_t succeeded = 0;
    while (cluster.world().now() < end && !cluster.checker().violation()) {
      auto heard = std::make_shared<std::optional<bool>>();
      cluster.append(member, "s" + std::to_string(++texts), 0,
                     [heard](const Result<Position>& at) { *heard = at.has_value(); });
      cluster.step_until(end, [&] { return heard->has_value(); });
      succeeded += heard->value_or(false) ? 1 : 0;
    }
    return succeeded;
  }

  LogCluster cluster;
  std::uint64_t texts = 0;
};

}  // namespace

TEST_CASE("a partial partition as Cloudflare's of 2020 ends no term and stops no append",
          "[sim][scenario]") {
  // "A Byzantine failure in the real world": two members did not reach each other while a third
  // reached both, and elections followed each other for hours.
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    Settled settled(3, seed);
    LogMember& leader = settled.leader();
    LogMember& cut_off = *settled.followers()[0];
    LogMember& between = *settled.followers()[1];
    std::size_t terms = settled.cluster.terms();

    settled.cluster.cut(leader, cut_off);
    settled.run(seconds(10));

    CHECK(settled.cluster.terms() == terms);
    CHECK(settled.cluster.leader() == &leader);
    CHECK(settled.appends_through(between, seconds(1)) > 20);
    CHECK(settled.appends_through(leader, seconds(1)) > 20);
    CHECK(!settled.cluster.checker().violation());
  }
}

TEST_CASE("a leader that is heard and hears nobody is followed by another", "[sim][scenario]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    Settled settled(3, seed);
    LogMember& deaf = settled.leader();
    std::vector<LogMember*> others = settled.followers();

    for (LogMember* other : others) settled.cluster.cut_one_way(*other, deaf);
    settled.run(seconds(10));

    REQUIRE(settled.cluster.leader() != nullptr);
    CHECK(settled.cluster.leader() != &deaf);
    CHECK(settled.appends_through(*others[0], seconds(1)) > 20);
    CHECK(!settled.cluster.checker().violation());
  }
}

TEST_CASE("a leader that hears and is not heard is followed by another", "[sim][scenario]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    Settled settled(3, seed);
    LogMember& mute = settled.leader();
    std::vector<LogMember*> others = settled.followers();

    for (LogMember* other : others) settled.cluster.cut_one_way(mute, *other);
    settled.run(seconds(10));

    REQUIRE(settled.cluster.leader() != nullptr);
    CHECK(settled.cluster.leader() != &mute);
    CHECK(settled.appends_through(*others[1], seconds(1)) > 20);
    CHECK(!settled.cluster.checker().violation());
  }
}

TEST_CASE("the only member that sees a majority comes to lead", "[sim][scenario]") {
  // Ng, Haridi, Carbone, "Omni-Paxos", 2023: quorum loss. Of five, one still sees all and the
  // others see only it.
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    Settled settled(5, seed);
    LogMember& hub = *settled.followers()[0];

    for (LogMember& a : settled.cluster.members()) {
      for (LogMember& b : settled.cluster.members()) {
        if (&a != &b && &a != &hub && &b != &hub) settled.cluster.cut(a, b);
      }
    }
    settled.run(seconds(15));

    CHECK(settled.cluster.leader() == &hub);
    CHECK(settled.appends_through(hub, seconds(1)) > 20);
    CHECK(!settled.cluster.checker().violation());
  }
}

TEST_CASE("a leader that was stopped while another took over does not answer reads from the past",
          "[sim][scenario]") {
  for (bool stops_clock : {false, true}) {
    Settled settled(3, 1);
    LogMember& stopped = settled.leader();
    LogMember& next = *settled.followers()[0];

    settled.cluster.pause(stopped, seconds(4), stops_clock);
    settled.run(seconds(3));
    REQUIRE(settled.cluster.leader() != nullptr);
    // It calls itself the leader still; what others append it has not heard of.
    CHECK(settled.appends_through(next, milliseconds(500)) > 10);
    std::size_t answers = 0;
    settled.cluster.catch_up(stopped,
                             [&](const Result<LogRange>& range) { answers += range ? 1 : 0; });
    settled.run(seconds(6));

    // The checker knows what it must cover.
    CHECK(settled.cluster.checker().violation().value_or("") == "");
    CHECK(answers == 1);
  }
}

namespace {

double metric(const LogMember& member, std::string_view name) {
  for (const Metric& metric : member.driver->metrics()) {
    if (metric.name == name) return metric.value;
  }
  FAIL("there is no metric " << name);
  return 0;
}

}  // namespace

TEST_CASE(
    "a follower whose disk stands still takes no more than it may, delays nobody, and catches up",
    "[sim][scenario]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    LogClusterOptions options{.seed = seed, .size = 3};
    options.limits.window_bytes = 20'000;
    options.limits.unsynced_bytes_max = 50'000;
    options.limits.group_bytes_max = 10'000;
    options.limits.pipeline.accept_bytes_max = 5'000;
    Settled settled(options);
    LogMember& slow = *settled.followers()[0];
    LogCluster& cluster = settled.cluster;
    const Time end = cluster.world().now() + seconds(10);

    slow.host->stall_disk(end);
    std::uint64_t acknowledged = 0;
    double most = 0;
    for (int i = 0; cluster.world().now() < end - seconds(1); ++i) {
      cluster.append(settled.leader(), std::to_string(i) + std::string(1000, 'x'), 0,
                     [&](const Result<Position>& at) { acknowledged += at ? 1 : 0; });
      settled.run(milliseconds(10));
      most = std::max(most, metric(slow, "cluster_log_unsynced_bytes"));
    }

    CHECK(acknowledged > 800);
    CHECK(most > 40'000);
    CHECK(most < 60'000);
    CHECK(metric(slow, "cluster_log_dropped_total") > 0);
    CHECK(cluster.step_until(end + seconds(10), [&] {
      return slow.driver->core().chosen_end() == cluster.checker().chosen_end();
    }));
    CHECK(slow.driver->core().chosen_end() == cluster.checker().chosen_end());
    CHECK(cluster.checker().violation().value_or("") == "");
  }
}

namespace {

LogClusterOptions with_scrubber(std::uint64_t seed, std::size_t size, std::size_t window_bytes) {
  LogClusterOptions options{.seed = seed, .size = size};
  options.limits.window_bytes = window_bytes;
  options.limits.scrubber = {.slice_bytes = 700,
                             .first_after = milliseconds(100),
                             .rest = seconds(1),
                             .patience = milliseconds(500)};
  return options;
}

Position any_data_of(LogCluster& cluster, const LogMember& member) {
  const auto& entries = member.disk.entries;
  while (true) {
    auto at = entries.begin();
    std::advance(at, cluster.random().below(entries.size()));
    if (at->second.value.kind == replog::Kind::data) return at->first;
  }
}

}  // namespace

TEST_CASE(
    "what a disk gives back wrong under a right checksum is found by comparison, and replaced",
    "[sim][scenario][scrub]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    // In memory it is there still, or it must be asked for.
    for (std::size_t window : {500u, 100'000u}) {
      INFO("seed " << seed << ", window " << window);
      Settled settled(with_scrubber(seed, 3, window));
      LogCluster& cluster = settled.cluster;
      REQUIRE(settled.appends_through(settled.leader(), seconds(1)) > 50);
      settled.run(seconds(1));
      LogMember& liar = cluster.member(cluster.random().below(3));
      LogMember& honest = cluster.member(liar.peer.id == NodeId(1) ? 1 : 0);
      Position at = any_data_of(cluster, liar);
      const replog::Value right = liar.disk.entries.at(at).value;
      REQUIRE(lie(liar, at));

      settled.run(seconds(8));

      CHECK(liar.disk.entries.at(at).value == right);
      CHECK(honest.disk.entries.at(at).value == right);
      CHECK(metric(liar, "cluster_log_scrub_found_total") == 1);
      CHECK(metric(liar, "cluster_log_repaired_total") == 1);
      CHECK(metric(honest, "cluster_log_scrub_found_total") == 0);
      CHECK(liar.driver->core().damage().empty());
      CHECK(cluster.checker().violation().value_or("") == "");
      CHECK(settled.appends_through(liar, seconds(1)) > 20);
    }
  }
}

TEST_CASE("where two copies differ and no third can tell, both stay and it is said",
          "[sim][scenario][scrub]") {
  Settled settled(with_scrubber(4, 3, 500));
  LogCluster& cluster = settled.cluster;
  REQUIRE(settled.appends_through(settled.leader(), seconds(1)) > 50);
  settled.run(seconds(1));
  LogMember& liar = *settled.followers()[0];
  cluster.crash(*settled.followers()[1]);
  Position at = any_data_of(cluster, liar);
  REQUIRE(lie(liar, at));
  const replog::Value wrong = liar.disk.entries.at(at).value;

  settled.run(seconds(8));

  CHECK(liar.disk.entries.at(at).value == wrong);
  for (LogMember* member : {&liar, &settled.leader()}) {
    CHECK(metric(*member, "cluster_log_scrub_differences_total") > 0);
    CHECK(metric(*member, "cluster_log_scrub_found_total") == 0);
  }
}

TEST_CASE("what flipped on a disk and nobody reads is found by reading all of it, and repaired",
          "[sim][scenario][scrub]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    Settled settled(with_scrubber(seed, 3, 500));
    REQUIRE(settled.appends_through(settled.leader(), seconds(1)) > 50);
    settled.run(seconds(1));
    LogMember& victim = *settled.followers()[0];
    victim.disk.damaged.insert(any_data_of(settled.cluster, victim));

    settled.run(seconds(5));

    CHECK(victim.disk.damaged.empty());
    CHECK(metric(victim, "cluster_log_repaired_total") == 1);
    CHECK(metric(victim, "cluster_log_scrub_passes_total") > 1);
    CHECK(metric(victim, "cluster_log_scrubbed_bytes_total") > 1000);
  }
}

namespace {

// A leader with a lease is cut off; after another has taken over and appended, it is asked to read.
struct Deposed {
  explicit Deposed(std::int64_t drift_permille)
      : settled(LogClusterOptions{.seed = 3, .has_leases = true, .drift_permille_max = 62}) {
    LogMember& old = settled.leader();
    LogMember& next = *settled.followers()[0];
    settled.run(seconds(1));
    CHECK(settled.appends_through(next, milliseconds(200)) > 0);
    old.host->set_drift(drift_permille);
    settled.run(milliseconds(300));
    for (LogMember& other : settled.cluster.members()) {
      if (&other != &old) settled.cluster.cut(old, other);
    }
    settled.cluster.step_until(settled.cluster.world().now() + seconds(3), [&] {
      return settled.cluster.leader() != nullptr && settled.cluster.leader() != &old;
    });
    CHECK(settled.appends_through(next, milliseconds(200)) > 0);
    settled.cluster.catch_up(
        old, [this](const Result<LogRange>& range) { answers += range.has_value() ? 1 : 0; });
    settled.run(milliseconds(200));
  }

  Settled settled;
  std::size_t answers = 0;
};

}  // namespace

TEST_CASE("a lease is over before another leads, where clocks keep to the stated bound",
          "[sim][scenario]") {
  for (std::int64_t drift : {-30, 0, 30}) {
    Deposed deposed(drift);
    CHECK(deposed.answers == 0);
    CHECK(deposed.settled.cluster.checker().violation().value_or("") == "");
  }
}

TEST_CASE("a clock that is slower than the bound lets a deposed leader answer, and that is noticed",
          "[sim][scenario]") {
  Deposed deposed(-900);
  REQUIRE(deposed.settled.cluster.checker().violation());
  WARN(*deposed.settled.cluster.checker().violation());
}
