// The kit as its users use it: what they build on the library, on made-up machines.
#include <algorithm>
#include <filesystem>
#include <set>

#include "cluster/coroutine.hpp"
#include "cluster/recipes.hpp"
#include "cluster/testing.hpp"
#include "tests/catch.hpp"

using namespace cluster;
using namespace std::chrono_literals;
using Catch::Contains;
using testing::Cluster;

namespace {

// Adds numbers up, one node's program: a state machine on a log.
struct Adder final : StateMachine {
  explicit Adder(testing::Node& node, bool is_checked = true) {
    LogOptions options = node.log_options();
    options.state_machine = is_checked ? &node.checked(*this) : this;
    log.emplace(Log::open(node.runtime(), options).value());
  }

  void apply(const std::vector<Entry>& entries) override {
    for (const Entry& entry : entries) sum += std::stol(std::string(entry.data.view()));
    count += entries.size();
  }
  Result<SnapshotJob> begin_snapshot() override {
    return SnapshotJob([text = std::to_string(sum) + " " + std::to_string(count)](
                           SnapshotWriter& to) { return to.write(text); });
  }
  Result<void> restore(SnapshotReader& from) override {
    auto text = from.read(100);
    if (!text) return std::move(text).error();
    std::size_t at = 0;
    sum = std::stol(std::string(text->view()), &at);
    count = std::stoul(std::string(text->view()).substr(at));
    return {};
  }

  long sum = 0;
  std::size_t count = 0;
  std::optional<Log> log;
};

auto adder = [](testing::Node& node) { return std::make_unique<Adder>(node); };

// Everybody adds as long as it can, and all agree in the end.
void add_for_a_while(Cluster& sim) {
  sim.start_all([](testing::Node& node) {
    auto made = std::make_shared<Adder>(node);
    struct Loop {
      static void go(testing::Node& at, const std::weak_ptr<Adder>& weak) {
        auto self = weak.lock();
        if (!self) return;
        self->log->append(Bytes("1")).then([&at, weak](const Result<Position>&) {
          at.after(10ms, [&at, weak] { go(at, weak); });
        });
      }
    };
    Loop::go(node, made);
    return made;
  });
  sim.run_for(8s);
  sim.end_faults();
  auto ends = [&] {
    std::set<Position> found;
    for (std::size_t i = 0; i < sim.size(); ++i) {
      Adder* one = sim.running<Adder>(i);
      found.insert(one == nullptr ? Position(0) : one->log->range().end);
    }
    return found;
  };
  bool is_moving = sim.run_until([&] {
    Adder* one = sim.running<Adder>(0);
    return one != nullptr && one->count > 20 && ends().size() == 1;
  });
  sim.check(is_moving, "they do not come to agree");
}

}  // namespace

TEST_CASE("a log on simulated nodes is used as on real ones, with its operations waited for",
          "[testing]") {
  Cluster sim;
  std::vector<Log> logs;
  for (std::size_t i = 0; i < 3; ++i) {
    logs.push_back(Log::open(sim.runtime(i), sim.log_options(i)).value());
  }

  Position at = sim.wait(logs[1].append(Bytes("hello"))).value();
  LogRange range = sim.wait(logs[2].catch_up()).value();
  auto entries = sim.wait(logs[2].read(range.first, range.end)).value();

  CHECK(entries == std::vector<Entry>{{at, Bytes("hello")}});
  CHECK(sim.now() < Time(4s));  // An election, and messages.
}

namespace {

Op<Position> append_twice(Log& log) {
  Bytes data("twice");
  Result<Position> first = co_await log.append(data);
  if (!first) co_return first;
  Result<Position> second = co_await log.append(data);
  co_return second;
}

}  // namespace

TEST_CASE(
    "get() of what has not ended is refused on the simulation's thread, and wait() inside of it",
    "[testing]") {
  Cluster sim({.nodes = 1});
  Log log = Log::open(sim.runtime(0), sim.log_options(0)).value();
  auto refused = log.append(Bytes("x")).get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::would_deadlock);

  // A coroutine's operation knows no runtime.
  auto refused_too = append_twice(log).get();
  REQUIRE_FALSE(refused_too);
  CHECK(refused_too.error().code == Errc::would_deadlock);
  CHECK(sim.wait(append_twice(log)));

  std::optional<Result<Position>> inside;
  log.append(Bytes("y")).then([&](const Result<Position>&) {
    inside = sim.wait(log.append(Bytes("z")));
  });
  sim.run_for(5s);
  REQUIRE(inside);
  REQUIRE_FALSE(*inside);
  CHECK(inside->error().code == Errc::would_deadlock);
}

TEST_CASE("a program runs again after a crash, with its disk kept", "[testing]") {
  Cluster sim;
  sim.start_all(adder);
  sim.wait(sim.running<Adder>(0)->log->append(Bytes("5"))).value();
  REQUIRE(sim.run_until([&] { return sim.running<Adder>(2)->sum == 5; }));

  sim.crash(2);
  CHECK(sim.running<Adder>(2) == nullptr);
  CHECK_FALSE(sim.node(2).is_up());
  sim.wait(sim.running<Adder>(0)->log->append(Bytes("6"))).value();
  sim.restart(2);
  CHECK(sim.run_until([&] { return sim.running<Adder>(2)->sum == 11; }));
  CHECK(sim.failure() == std::nullopt);
}

TEST_CASE("what a crash destroys has no effect on others: a lock is not given up", "[testing]") {
  Cluster sim;
  std::vector<std::optional<Lock>> locks(3);
  sim.start_all([](testing::Node& node) {
    return std::make_unique<Registry>(
        Registry::open(node.runtime(), {.log = node.log_options()}).value());
  });
  RecipeOptions lease{.ttl = 5s};
  locks[0] =
      sim.wait(Lock::acquire(*sim.running<Registry>(0), "a", Lock::Kind::exclusive, lease)).value();
  Revision first = locks[0]->token();
  Op<Lock> next = Lock::acquire(*sim.running<Registry>(1), "a", Lock::Kind::exclusive, lease);
  sim.run_for(2s);
  CHECK_FALSE(next.is_done());

  sim.crash(0);
  locks[0].reset();  // Of a dead process.
  sim.run_for(3s);
  CHECK_FALSE(next.is_done());
  auto got = sim.wait(std::move(next));
  REQUIRE(got);
  CHECK(first < got->token());
}

TEST_CASE("a partition stops a minority, and heals", "[testing]") {
  Cluster sim;
  sim.start_all(adder);
  sim.wait(sim.running<Adder>(0)->log->append(Bytes("1"))).value();

  sim.partition({0}, {1, 2});
  auto cut_off = sim.wait(sim.running<Adder>(0)->log->append(Bytes("2"), {.timeout = 3s}));
  CHECK_FALSE(cut_off);
  CHECK(sim.wait(sim.running<Adder>(1)->log->append(Bytes("4"))));
  sim.heal();
  CHECK(sim.run_until([&] { return sim.running<Adder>(0)->sum >= 5; }));
  CHECK(sim.network().messages() > 50);
}

TEST_CASE("a node whose disk fails stops its log, and is whole after a restart", "[testing]") {
  Cluster sim;
  sim.start_all(adder);
  sim.wait(sim.running<Adder>(0)->log->append(Bytes("1"))).value();

  std::size_t victim = sim.running<Adder>(1)->log->leadership().is_self ? 2 : 1;
  sim.disk(victim).fail_syncs();
  sim.wait(sim.running<Adder>(0)->log->append(Bytes("2"))).value();
  CHECK(sim.run_until([&] { return !sim.running<Adder>(victim)->log->health().is_live; }));
  sim.disk(victim).fail_syncs(false);
  sim.restart(victim);
  CHECK(sim.run_until([&] { return sim.running<Adder>(victim)->sum == 3; }));
}

TEST_CASE("a node that is paused does nothing, and goes on", "[testing]") {
  Cluster sim;
  sim.start_all(adder);
  sim.wait(sim.running<Adder>(0)->log->append(Bytes("1"))).value();
  std::vector<std::string> seen;
  sim.node(2).after(100ms, [&] { seen.push_back("timer"); });
  sim.pause(2, 2s);
  sim.run_for(1900ms);
  CHECK(seen.empty());
  sim.run_for(200ms);
  CHECK(seen.size() == 1);
}

TEST_CASE("a later node joins by a token", "[testing]") {
  Cluster sim({.nodes = 4, .founders = 3});
  std::vector<Log> logs;
  for (std::size_t i = 0; i < 3; ++i) {
    logs.push_back(Log::open(sim.runtime(i), sim.log_options(i)).value());
  }
  sim.wait(logs[0].append(Bytes("before"))).value();
  auto token = sim.wait(logs[0].add_member({.endpoint = sim.node(3).endpoint()})).value();
  LogOptions options = sim.log_options(3);
  options.join = to_string(token);
  logs.push_back(Log::open(sim.runtime(3), options).value());
  CHECK(sim.run_until([&] { return logs[3].range().end > Position(1); }));
}

TEST_CASE("what is delivered comes in the order in which it was given", "[testing]") {
  Cluster sim;
  std::vector<int> seen;
  std::vector<Op<int>> open;
  Log log = Log::open(sim.runtime(0), sim.log_options(0)).value();
  for (int i = 0; i < 200; ++i) {
    log.read(Position(0), Position(1)).then([&seen, i](const auto&) { seen.push_back(i); });
  }
  sim.run_for(1s);
  REQUIRE(seen.size() == 200);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
}

TEST_CASE("users' state machines agree under all faults, and equal seeds are equal runs",
          "[testing]") {
  auto failure =
      testing::find_failure({.seed = 1, .faults = testing::Faults::all()}, 60, add_for_a_while);
  INFO((failure ? failure->report : ""));
  CHECK_FALSE(failure);

  std::set<std::uint64_t> digests;
  for (std::uint64_t seed : {7, 7, 8}) {
    Cluster sim({.seed = seed, .faults = testing::Faults::all()});
    add_for_a_while(sim);
    digests.insert(sim.digest());
  }
  CHECK(digests.size() == 2);
}

TEST_CASE("a state machine that is not deterministic is seen, with the seed and what happened",
          "[testing]") {
  struct Wrong final : StateMachine {
    explicit Wrong(testing::Node& node) : me(node.index()) {
      LogOptions options = node.log_options();
      options.state_machine = &node.checked(*this);
      log.emplace(Log::open(node.runtime(), options).value());
    }
    void apply(const std::vector<Entry>& entries) override {
      for (const Entry& entry : entries) text += entry.data.view();
      if (me == 2) text += "!";
    }
    Result<SnapshotJob> begin_snapshot() override {
      return SnapshotJob([now = text](SnapshotWriter& to) { return to.write(now); });
    }
    Result<void> restore(SnapshotReader&) override { return {}; }
    std::size_t me;
    std::string text;
    std::optional<Log> log;
  };
  Cluster sim({.seed = 99});
  sim.start_all([](testing::Node& node) { return std::make_unique<Wrong>(node); });
  (void)sim.wait(sim.running<Wrong>(0)->log->append(Bytes("a")));
  sim.run_for(2s);
  REQUIRE(sim.failure());
  CHECK_THAT(*sim.failure(), Contains("states of") && Contains("differ"));
  CHECK_THAT(sim.report(), Contains("seed 99") && Contains("node 2  starts"));
}

TEST_CASE("a snapshot that does not hold the whole state is seen", "[testing]") {
  struct Forgetful final : StateMachine {
    explicit Forgetful(testing::Node& node) {
      LogOptions options = node.log_options();
      options.state_machine = &node.checked(*this);
      options.snapshots = {.after_bytes = 0, .after_entries = 5, .keep_bytes = 0};
      log.emplace(Log::open(node.runtime(), options).value());
    }
    void apply(const std::vector<Entry>& entries) override { count += entries.size(); }
    Result<SnapshotJob> begin_snapshot() override {
      return SnapshotJob(
          [now = std::to_string(count)](SnapshotWriter& to) { return to.write(now); });
    }
    Result<void> restore(SnapshotReader&) override { return {}; }  // It stays at nothing.
    std::size_t count = 0;
    std::optional<Log> log;
  };
  Cluster sim;
  sim.start_all([](testing::Node& node) { return std::make_unique<Forgetful>(node); });
  for (int i = 0; i < 30; ++i) sim.wait(sim.running<Forgetful>(0)->log->append(Bytes("x"))).value();
  CHECK(sim.failure() == std::nullopt);
  sim.run_for(1s);
  sim.restart(1);
  sim.run_for(2s);
  REQUIRE(sim.failure());
  CHECK_THAT(*sim.failure(), Contains("from a snapshot"));
}

TEST_CASE("two actions by tokens in the wrong order are seen", "[testing]") {
  Cluster sim({.nodes = 1});
  testing::Fencing printer(sim, "the printer");
  printer.began(0, 5);
  printer.accepted(0, 5);
  printer.began(1, 9);
  printer.accepted(0, 5);
  printer.accepted(1, 9);
  printer.began(2, 7);  // It was told late.
  CHECK(sim.failure() == std::nullopt);
  SECTION("an older one after a newer") { printer.accepted(0, 5); }
  SECTION("one of two nodes") { printer.accepted(2, 9); }
  SECTION("two holders of one token") { printer.began(2, 9); }
  REQUIRE(sim.failure());
  CHECK_THAT(*sim.failure(), Contains("token 9"));
}

TEST_CASE("logs, registries and what they were asked go at any moment, and leave nothing behind",
          "[testing]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Cluster sim({.seed = seed, .faults = testing::Faults::all()});
    std::vector<Op<Revision>> open;
    sim.start_all([](testing::Node& node) {
      return std::make_unique<Registry>(
          Registry::open(node.runtime(), {.log = node.log_options()}).value());
    });
    for (int round = 0; round < 12; ++round) {
      for (std::size_t i = 0; i < sim.size(); ++i) {
        Registry* one = sim.running<Registry>(i);
        if (one == nullptr) continue;
        open.push_back(one->put("a", Bytes("x")));
        Lock::acquire(*one, "l").then([](const Result<Lock>&) {});
      }
      sim.run_for(Duration(1000 + sim.below(700'000)));
      std::size_t victim = sim.below(sim.size());
      // Destroyed in good order, from inside and from outside of the simulation.
      if (sim.chance(500)) {
        sim.restart(victim);
      } else {
        sim.node(victim).after(1ms, [&sim, victim] { sim.restart(victim); });
      }
    }
    CHECK(sim.failure() == std::nullopt);
  }
}

TEST_CASE("two hundred openings and closings of a log and a registry on one runtime leave nothing",
          "[testing]") {
  Cluster sim({.nodes = 1});
  for (int i = 0; i < 200; ++i) {
    {
      Log log = Log::open(sim.runtime(0), sim.log_options(0)).value();
      if (i % 3 != 0) (void)sim.wait(log.append(Bytes("x")));
      if (i % 3 == 1) log.append(Bytes("y")).then([](const auto&) {});
    }
    Registry registry = Registry::open(sim.runtime(0), {.log = sim.log_options(0, "keys")}).value();
    if (i % 2 == 0) (void)sim.wait(registry.put("a", Bytes("b")));
  }
  Log log = Log::open(sim.runtime(0), sim.log_options(0)).value();
  CHECK(sim.wait(log.catch_up()).value().end > Position(133));
}

TEST_CASE("a local cluster has real members, and removes their directories", "[testing]") {
  std::string directory;
  {
    testing::LocalCluster local(3);
    directory = local.directory(0);
    std::vector<Log> logs;
    for (std::size_t i = 0; i < local.size(); ++i) {
      logs.push_back(Log::open(local.runtime(i), local.log_options(i)).value());
    }
    auto at = logs[1].append(Bytes("x"), {.timeout = 60s}).get();
    REQUIRE(at);
    CHECK(std::filesystem::exists(directory));
  }
  CHECK_FALSE(std::filesystem::exists(directory));
}
