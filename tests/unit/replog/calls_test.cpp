// Calls with a deadline of their own, calls that are cancelled, several appends as one, and what a
// host's health check is told.
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "cluster/log_client.hpp"
#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace cluster::replog::test;
using Catch::Contains;

namespace {

constexpr Duration short_time = 50ms;

std::vector<std::string> texts_of(Log& log) {
  LogRange range = get(log.catch_up());
  std::vector<std::string> texts;
  for (const Entry& entry : get(log.read(range.first, range.end, 16 << 20))) {
    texts.emplace_back(entry.data.view());
  }
  return texts;
}

// One of three, while the others are away and nobody leads.
struct Lonely {
  Lonely() {
    get(members[0].append(bytes("before")));
    for (std::size_t i : {0, 1, 2}) members.stop(i);
    members.start(0);
  }
  Log& log() { return members[0]; }
  void bring_others() {
    members.start(1);
    members.start(2);
    members.lead(1);
  }
  Replicas members;
};

class Counted final : public StateMachine {
 public:
  void apply(const std::vector<Entry>& entries) override { count_ += entries.size(); }
  Result<SnapshotJob> begin_snapshot() override {
    return SnapshotJob([](SnapshotWriter& writer) { return writer.write("x"); });
  }
  Result<void> restore(SnapshotReader&) override { return {}; }

 private:
  std::size_t count_ = 0;
};

// Every call that waits, with the same options; `once_made` is called when all have been made.
std::vector<std::pair<std::string, Error>> errors_of_all(
    Log& log, const CallOptions& options, const std::function<void()>& once_made = [] {}) {
  std::vector<std::pair<std::string, Error>> errors;
  auto add = [&](std::string name, auto op) {
    errors.emplace_back(std::move(name), error_of(std::move(op)));
  };
  auto append = log.append(bytes("x"), options);
  auto batch = log.append(std::vector<Bytes>{bytes("y"), bytes("z")}, options);
  auto catch_up = log.catch_up(options);
  auto truncate = log.truncate(Position(1), options);
  auto change = log.change_members({SetMemberRole{NodeId(2), MemberRole::learner}}, options);
  auto add_member = log.add_member({.endpoint = {"127.0.0.1", 1}}, options);
  auto transfer = log.transfer_leadership(NodeId(2), options);
  auto writer = log.start_writer(options);
  once_made();
  add("append", std::move(append));
  add("append of several", std::move(batch));
  add("catch_up", std::move(catch_up));
  add("truncate", std::move(truncate));
  add("change_members", std::move(change));
  add("add_member", std::move(add_member));
  add("transfer_leadership", std::move(transfer));
  add("start_writer", std::move(writer));
  return errors;
}

}  // namespace

TEST_CASE("every call ends with its own deadline, and what was sent to nobody is not applied",
          "[replog][log][calls]") {
  Lonely one;

  for (const auto& [call, error] : errors_of_all(one.log(), {.timeout = short_time})) {
    INFO(call << ": " << error.message());
    CHECK((error.code == Errc::no_leader || error.code == Errc::timed_out));
    // An election had begun for the writer: it may yet be won.
    CHECK((error.outcome == Outcome::not_applied || call == "start_writer"));
  }

  one.bring_others();
  get(one.members[1].append(bytes("after")));  // At the leader, behind what may have been sent.
  CHECK(texts_of(one.members[1]) == std::vector<std::string>{"before", "after"});
  CHECK(texts_of(one.log()) == std::vector<std::string>{"before", "after"});
}

TEST_CASE("every call can be cancelled, from any thread, and leaves its queue",
          "[replog][log][calls]") {
  Lonely one;
  std::stop_source stop;
  auto cancel = [&] { std::thread([&] { stop.request_stop(); }).join(); };

  for (const auto& [call, error] : errors_of_all(one.log(), {.cancel = stop.get_token()}, cancel)) {
    INFO(call << ": " << error.message());
    CHECK(error.code == Errc::cancelled);
    CHECK((error.outcome == Outcome::not_applied || call == "start_writer"));
  }

  one.bring_others();
  get(one.members[1].append(bytes("after")));  // At the leader, behind what may have been sent.
  CHECK(texts_of(one.members[1]) == std::vector<std::string>{"before", "after"});
  CHECK(texts_of(one.log()) == std::vector<std::string>{"before", "after"});
}

TEST_CASE("a call that was cancelled before it was made does nothing", "[replog][log][calls]") {
  Replicas members;
  std::stop_source stop;
  stop.request_stop();
  CallOptions options{.cancel = stop.get_token()};

  for (const auto& [call, error] : errors_of_all(members[0], options)) {
    INFO(call);
    CHECK(error == Error{Errc::cancelled, "the caller cancelled it", Outcome::not_applied});
  }

  get(members[0].append(bytes("only")));
  CHECK(texts_of(members[0]) == std::vector<std::string>{"only"});
  CHECK(members[0].leadership().leader == NodeId(1));
}

TEST_CASE("a cancelled append that had gone out may have been applied, and is told so once",
          "[replog][log][calls]") {
  Replicas members;
  Log::Writer writer = get(members[0].start_writer());
  get(writer.append(bytes("before")));
  members.stop(1);
  members.stop(2);
  std::stop_source stop;
  auto open = writer.append(bytes("in flight"), {.cancel = stop.get_token()});
  // What comes after it was taken by the same thread: the first is in flight by now.
  CHECK(error_of(writer.append(bytes("late"), {.timeout = short_time})).outcome == Outcome::maybe);
  stop.request_stop();

  Error error = error_of(std::move(open));
  CHECK((error.code == Errc::cancelled || error.code == Errc::fenced));
  CHECK(error.outcome == Outcome::maybe);
}

TEST_CASE("what is done in time is not touched by its deadline or by a late cancel",
          "[replog][log][calls]") {
  Replicas members;
  std::stop_source stop;
  CallOptions options{.timeout = 60s, .cancel = stop.get_token()};
  for (std::size_t i = 0; i < 3; ++i) get(members[i].append(Bytes(std::to_string(i)), options));
  get(members[2].catch_up(options));
  stop.request_stop();
  get(members[1].append(bytes("3")));

  CHECK(texts_of(members[0]).size() == 4);
}

TEST_CASE("waits for a state machine have deadlines and can be cancelled", "[replog][log][calls]") {
  Counted counted;
  Replicas members(1, [&](LogOptions& options) { options.state_machine = &counted; });
  get(members[0].append(bytes("x")));
  std::stop_source stop;
  stop.request_stop();

  CHECK(get(members[0].read_barrier({.timeout = 60s})) > Position(1));
  CHECK(get(members[0].take_snapshot({.timeout = 60s})) > Position(1));
  CHECK(error_of(members[0].read_barrier({.cancel = stop.get_token()})).code == Errc::cancelled);
  CHECK(error_of(members[0].take_snapshot({.cancel = stop.get_token()})).code == Errc::cancelled);
  members.stop(0);  // Before the state machine.
}

TEST_CASE("several appends as one stand in their order, whoever is asked", "[replog][log][calls]") {
  Replicas members;
  Log::Writer writer = get(members[0].start_writer());
  std::vector<Bytes> entries;
  for (int i = 0; i < 1000; ++i) entries.push_back(Bytes(std::to_string(i)));

  auto by_writer = get(writer.append(std::span<const Bytes>(entries)));
  auto by_leader = get(members[0].append(entries));
  auto by_follower = get(members[1].append(std::span<const Bytes>(entries)));

  std::vector<Position> places;
  for (const auto& some : {by_writer, by_leader, by_follower}) {
    REQUIRE(some.size() == entries.size());
    places.insert(places.end(), some.begin(), some.end());
  }
  CHECK(std::is_sorted(places.begin(), places.end()));
  CHECK(std::adjacent_find(places.begin(), places.end()) == places.end());
  auto texts = texts_of(members[2]);
  REQUIRE(texts.size() == 3000);
  for (std::size_t i = 0; i < texts.size(); ++i) CHECK(texts[i] == std::to_string(i % 1000));
  CHECK(get(members[0].append(std::vector<Bytes>{})).empty());
}

TEST_CASE("several appends as one need no more groups than one", "[replog][log][calls]") {
  Replicas members(1);
  auto groups = [&] {
    for (const Metric& metric : members[0].metrics()) {
      if (metric.name == "cluster_log_groups_total") return metric.value;
    }
    return 0.0;
  };
  get(members[0].append(bytes("x")));
  double before = groups();
  get(members[0].append(std::vector<Bytes>(500, bytes("y"))));
  CHECK(groups() <= before + 2);  // One may have been made for what is known to be chosen.
}

TEST_CASE("several appends are refused as one", "[replog][log][calls]") {
  Replicas members(1, [](LogOptions& options) { options.queue_bytes_max = 1 << 20; });
  std::string large(members.options(0).entry_size_max + 1, 'x');
  auto too_large = error_of(members[0].append({bytes("a"), Bytes(ByteView(large))}));
  CHECK(too_large.code == Errc::too_large);
  CHECK(too_large.outcome == Outcome::not_applied);

  auto open = members[0].append(std::vector<Bytes>(64, Bytes(std::string(10'000, 'x'))));
  auto second = members[0].append(std::vector<Bytes>(64, Bytes(std::string(10'000, 'y')))).get();
  if (!second) CHECK(second.error().code == Errc::overloaded);  // Unless the first was done.
  get(std::move(open));
  auto texts = texts_of(members[0]);
  CHECK(texts.size() == (second ? 128 : 64));
}

TEST_CASE("health says that a member is ready, and in words why it is not",
          "[replog][log][health]") {
  Replicas members;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Health> told;
  auto heard = [&](auto is_it) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 60s, [&] { return !told.empty() && is_it(told.back()); });
  };
  members[1].watch_health([&](const Health& health) {
    std::lock_guard lock(mutex);
    told.push_back(health);
    changed.notify_all();
  });
  CHECK(heard([](const Health& health) { return health.is_ready && health.reason.empty(); }));
  CHECK(comes_true([&] { return members[1].health().is_ready; }));

  members.stop(0);
  members.stop(2);
  CHECK(heard([](const Health& health) {
    return health.is_live && !health.is_ready &&
           health.reason.find("majority") != std::string::npos;
  }));
  CHECK_FALSE(members[1].health().is_ready);

  members.start(0);
  CHECK(heard([](const Health& health) { return health.is_ready; }));
  members.stop(1);  // Its observer ends here.
}

TEST_CASE("a founder that waits for the others is live and not ready", "[replog][log][health]") {
  TemporaryFolder folder;
  Runtime runtime = Runtime::threads({.security = Insecure{}});
  LogOptions options;
  options.directory = folder / "1";
  options.self = NodeId(1);
  options.cluster = ClusterUid(7);
  for (std::uint64_t id : {1, 2, 3}) {
    options.members.push_back({NodeId(id), {"127.0.0.1", cluster::test::free_port()}});
  }
  auto log = Log::open(runtime, options);
  REQUIRE(log.has_value());

  CHECK(log->health().is_live);
  CHECK_FALSE(log->health().is_ready);
  CHECK_THAT(log->health().reason, Contains("founders"));
}

TEST_CASE("a client's calls have deadlines of their own and can be cancelled",
          "[replog][client][calls]") {
  Runtime runtime = Runtime::threads({.security = Insecure{}});
  LogClientOptions options;
  options.cluster = ClusterUid(7);
  options.members = {{"127.0.0.1", cluster::test::free_port()}};
  options.request_timeout = 60s;
  auto client = LogClient::open(runtime, options);
  REQUIRE(client.has_value());
  std::stop_source stop;
  CallOptions cancelled{.cancel = stop.get_token()};

  auto append = client->append(bytes("x"), cancelled);
  auto read = client->read(Position(1), Position(2), 100, cancelled);
  auto patient = client->append(bytes("y"));
  Error late = error_of(client->catch_up({.timeout = short_time}));
  CHECK(late.code == Errc::timed_out);
  stop.request_stop();
  CHECK(error_of(std::move(append)).message() ==
        Error{Errc::cancelled, "the caller cancelled it", Outcome::not_applied}.message());
  CHECK(error_of(std::move(read)).code == Errc::cancelled);
  CHECK(error_of(client->append(bytes("z"), cancelled)).code == Errc::cancelled);
  CHECK_FALSE(patient.is_done());
}
