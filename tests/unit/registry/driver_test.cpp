#include "registry/driver.hpp"

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>

#include "registry/format.hpp"
#include "registry/key_entries.hpp"
#include "runtime/transport.hpp"
#include "tests/catch.hpp"
#include "tests/snapshot_text.hpp"
#include "tests/unit/registry/commands.hpp"

using namespace cluster;
using namespace cluster::test;
using registry::Digest;
using registry::RegistryDriver;

namespace {

// A host that is nothing but a node thread; the test's own thread stands for the delivery thread.
class NodeThreadHost final : public runtime::Host {
 public:
  NodeThreadHost() : logger_(sink_, "test"), thread_([this] { run(); }) {}
  ~NodeThreadHost() override {
    post([this] { ended_ = true; });
    thread_.join();
  }

  Time now() const override { return Time(); }
  WallTime wall_now() const override { return WallTime(); }
  void post(Callback callback) override {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(callback));
    wake_.notify_one();
  }
  bool on_node_thread() const override { return std::this_thread::get_id() == thread_.get_id(); }
  void post_disk(Callback) override {}
  void post_background(Callback) override {}
  const std::shared_ptr<Executor>& delivery() const override { return delivery_; }
  std::unique_ptr<runtime::Alarm> make_alarm(std::function<void()>) override { return nullptr; }
  runtime::Transport& transport() override { std::abort(); }
  const Logger& logger() const override { return logger_; }
  std::uint64_t random_seed() override { return 1; }
  Metrics metrics() const override { return {}; }

  std::vector<std::string> lines() const { return sink_.lines; }

 private:
  struct Sink final : LogSink {
    void write(const LogLine& line) override { lines.push_back(to_text(line)); }
    std::vector<std::string> lines;
  };

  void run() {
    while (!ended_) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !queue_.empty(); });
      Callback next = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      next();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Callback> queue_;
  bool ended_ = false;  // Node thread only.
  Sink sink_;
  Logger logger_;
  std::shared_ptr<Executor> delivery_;
  std::thread thread_;
};

Entry entry(std::uint64_t position, const RegistryCommand& command) {
  return {.position = Position(position), .data = encode(command)};
}

double metric(const RegistryDriver& driver, const std::string& name) {
  for (const Metric& metric : driver.metrics()) {
    if (metric.name == name) return metric.value;
  }
  return -1;
}

}  // namespace

TEST_CASE(
    "a batch that is delivered on another thread is applied on the node thread when the "
    "observer returns",
    "[registry][driver]") {
  NodeThreadHost host;
  RegistryDriver driver(host);
  std::vector<Position> seen;
  bool on_node_thread = true;
  runtime::run_on_node(host, [&] {
    driver.subscribe([&](Position at, const std::vector<RegistryEvent>& events) {
      on_node_thread = on_node_thread && host.on_node_thread();
      CLUSTER_CHECK(driver.state().applied() == at && driver.applied() == at && events.size() == 1,
                    "an observer sees the state right after its entry");
      seen.push_back(at);
    });
  });

  driver.apply({entry(2, RegisterAgent{agent_record("a1")}),
                entry(5, RegisterFramework{framework_record("f")})});

  CHECK(seen == std::vector{Position(2), Position(5)});
  CHECK(on_node_thread);
  runtime::run_on_node(host, [&] {
    CHECK(driver.applied() == Position(5));
    CHECK(driver.state().find(AgentId("a1")) != nullptr);
    CHECK(metric(driver, "cluster_registry_entries_applied_total") == 2);
    CHECK(metric(driver, "cluster_registry_agents") == 1);
  });
}

TEST_CASE("a batch that is delivered on the node thread is applied at once", "[registry][driver]") {
  NodeThreadHost host;
  RegistryDriver driver(host);
  runtime::run_on_node(host, [&] {
    driver.apply({entry(1, RegisterAgent{agent_record("a1")})});
    CHECK(driver.applied() == Position(1));
  });
}

TEST_CASE("an entry that cannot be decoded is logged, counted and passed over",
          "[registry][driver]") {
  NodeThreadHost host;
  RegistryDriver driver(host);
  std::vector<std::pair<Position, std::size_t>> seen;
  runtime::run_on_node(host, [&] {
    driver.subscribe([&](Position at, const std::vector<RegistryEvent>& events) {
      seen.emplace_back(at, events.size());
    });
  });

  driver.apply({Entry{.position = Position(3), .data = Bytes(ByteView("garbage"))},
                entry(4, LoseAgent{AgentId("nobody"), "", wall(1)})});

  CHECK(seen == std::vector{std::pair{Position(3), std::size_t{0}},
                            std::pair{Position(4), std::size_t{1}}});
  runtime::run_on_node(host, [&] {
    CHECK(driver.applied() == Position(4));
    CHECK(metric(driver, "cluster_registry_entries_skipped_total") == 1);
    CHECK(metric(driver, "cluster_registry_commands_refused_total") == 1);
    REQUIRE(host.lines().size() == 1);
    CHECK_THAT(host.lines()[0], Catch::Contains("skipped an entry position=3"));
  });
}

TEST_CASE("nothing is applied after an entry that begins a format which is not read here",
          "[registry][driver][format]") {
  NodeThreadHost host;
  RegistryDriver driver(host);
  const std::uint32_t next = registry::format_newest() + 1;
  std::vector<std::string> told;
  auto listen = [&] {
    driver.on_unreadable([&](const Error& why) { told.push_back(why.context); });
  };
  runtime::run_on_node(host, listen);

  driver.apply({entry(3, RegisterAgent{agent_record("a1")}),
                entry(4, RaiseFormat{.format = next, .by = "9.9"}),
                entry(5, RegisterAgent{agent_record("a2")})});
  driver.apply({entry(6, RegisterAgent{agent_record("a3")})});

  // Who asks later is told as well, and no snapshot claims what was not applied.
  runtime::run_on_node(host, listen);
  auto job = driver.begin_snapshot();
  REQUIRE_FALSE(job);
  CHECK(job.error().code == Errc::unsupported);
  runtime::run_on_node(host, [&] {
    CHECK(driver.applied() == Position(3));
    CHECK(driver.state().agents().size() == 1);
    REQUIRE(told.size() == 2);
    CHECK_THAT(told[0], Catch::Contains("start version 9.9 or a later one"));
    CHECK(told[1] == told[0]);
  });
}

TEST_CASE("a driver that restores another's snapshot goes on from there as the other does",
          "[registry][driver]") {
  NodeThreadHost host;
  RegistryDriver one(host);
  RegistryDriver other(host);
  one.apply({entry(2, RegisterAgent{agent_record("a1")}),
             entry(5, RegisterFramework{framework_record("f")})});
  auto job = one.begin_snapshot();
  REQUIRE(job);
  one.apply({entry(6, RegisterAgent{agent_record("later")})});
  SnapshotText text;
  REQUIRE((*job)(text));

  REQUIRE(other.restore(text));
  runtime::run_on_node(host, [&] {
    CHECK(other.applied() == Position(5));
    CHECK(other.state().agents().size() == 1);
    CHECK(metric(other, "cluster_registry_restores_total") == 1);
  });
  other.apply({entry(6, RegisterAgent{agent_record("later")})});
  runtime::run_on_node(host, [&] { CHECK(same_tables(one.state(), other.state())); });
}

TEST_CASE("marked entries are users' keys, and a snapshot has them beside the cluster's state",
          "[registry][driver][shared]") {
  NodeThreadHost host;
  RegistryDriver one(host);
  RegistryDriver other(host);
  auto key_entry = [](std::uint64_t position, registry::KeyCommandBody body) {
    return Entry{
        Position(position),
        registry::mark_key_entry(registry::encode(registry::KeyCommand{.body = std::move(body)}))};
  };
  auto value_of = [](const RegistryDriver& driver, const std::string& key) {
    return driver.keys().look([&](const registry::KeysState& keys) {
      auto found = keys.range("", KeyRange::key(key), {});
      return found->keys.empty() ? std::string("-") : std::string(found->keys[0].value.view());
    });
  };
  std::vector<Position> seen;
  runtime::run_on_node(host, [&] {
    one.subscribe([&](Position at, const std::vector<RegistryEvent>& events) {
      CHECK(events.size() == (at == Position(2) ? 1 : 0));
      seen.push_back(at);
    });
  });
  Digest without{};
  one.apply({entry(2, RegisterAgent{agent_record("a1")})});
  runtime::run_on_node(host, [&] {
    without = one.digest();
    CHECK(without == one.state().digest());
  });
  one.apply({key_entry(4, PutKey{.key = "a", .value = Bytes("1")})});
  auto job = one.begin_snapshot();
  REQUIRE(job);
  one.apply({key_entry(5, PutKey{.key = "a", .value = Bytes("2")})});
  CHECK(seen == std::vector{Position(2), Position(4), Position(5)});
  CHECK(value_of(one, "a") == "2");

  SnapshotText text;
  REQUIRE((*job)(text));
  other.apply({key_entry(1, PutKey{.key = "gone", .value = Bytes("x")})});
  REQUIRE(other.restore(text));
  CHECK(value_of(other, "a") == "1");
  CHECK(value_of(other, "gone") == "-");
  other.apply({key_entry(5, PutKey{.key = "a", .value = Bytes("2")})});
  runtime::run_on_node(host, [&] {
    CHECK(other.applied() == Position(5));
    CHECK(other.last_change() == Position(5));
    CHECK(one.digest() == other.digest());
    CHECK(one.digest() != without);
    CHECK(metric(other, "cluster_registry_keys_revision") == 2);
    CHECK(metric(one, "cluster_registry_entries_skipped_total") == 0);
  });
}
