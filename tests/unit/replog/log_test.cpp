// The public face, as an embedder uses it: three members in one process, real sockets and disks.
#include "cluster/log.hpp"

#include <array>
#include <condition_variable>
#include <mutex>
#include <set>

#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace cluster::replog::test;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

// What an observer was told, with a way to wait for it.
class Told {
 public:
  std::function<void(const std::vector<Entry>&)> observer() {
    return [this](const std::vector<Entry>& batch) {
      std::lock_guard lock(mutex_);
      entries_.insert(entries_.end(), batch.begin(), batch.end());
      changed_.notify_all();
    };
  }
  // The first `count` entries, once there are as many.
  std::vector<Entry> first(std::size_t count) {
    std::unique_lock lock(mutex_);
    CHECK(changed_.wait_for(lock, 30s, [&] { return entries_.size() >= count; }));
    return entries_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Entry> entries_;
};

std::vector<std::string> texts(const std::vector<Entry>& entries) {
  std::vector<std::string> texts;
  for (const Entry& entry : entries) texts.emplace_back(entry.data.view());
  return texts;
}

}  // namespace

TEST_CASE("every member appends, and all see the same entries in the same order", "[replog][log]") {
  std::array<Told, 3> told;
  Replicas members;
  for (std::size_t i = 0; i < 3; ++i) members[i].follow(Position(1), told[i].observer());

  std::vector<Op<Position>> open;
  for (int n = 0; n < 20; ++n) {
    for (std::size_t i = 0; i < 3; ++i) {
      open.push_back(members[i].append(Bytes(std::to_string(i) + "-" + std::to_string(n))));
    }
  }
  std::set<Position> places;
  for (auto& op : open) places.insert(get(std::move(op)));
  CHECK(places.size() == 60);

  auto first = told[0].first(60);
  CHECK(first.size() == 60);
  CHECK(told[1].first(60) == first);
  CHECK(told[2].first(60) == first);
  for (std::size_t i = 1; i < first.size(); ++i) CHECK(first[i - 1].position < first[i].position);
}

TEST_CASE("a range is read as it was appended, and others are refused", "[replog][log]") {
  Replicas members;
  Position a = get(members[0].append(bytes("a")));
  Position b = get(members[0].append(bytes("b")));
  LogRange range = get(members[1].catch_up());
  REQUIRE(range.end > b);

  CHECK(texts(get(members[1].read(Position(1), range.end))) == std::vector<std::string>{"a", "b"});
  CHECK(get(members[1].read(a, a.next())) == std::vector<Entry>{{a, bytes("a")}});
  CHECK(get(members[1].read(Position(1), range.end, 1)).size() == 1);
  CHECK(get(members[1].read(b, b)).empty());
  CHECK(error_of(members[1].read(b, range.end.plus(100))).code == Errc::invalid_argument);
  CHECK(error_of(members[1].read(b, a)).code == Errc::invalid_argument);
  CHECK(error_of(members[1].read(Position(0), b)).code == Errc::truncated);
}

TEST_CASE("a newer writer fences the older one", "[replog][log]") {
  Replicas members;
  Log::Writer older = get(members[0].start_writer());
  Position first = get(older.append(bytes("of the older")));

  Log::Writer newer = get(members[1].start_writer());
  CHECK(newer.term() > older.term());
  CHECK(error_of(older.append(bytes("too late"))).code == Errc::fenced);
  Position second = get(newer.append(bytes("of the newer")));

  CHECK(first < second);
  CHECK(members[0].current_writer().has_value() == false);
  REQUIRE(members[1].current_writer().has_value());
  CHECK(members[1].current_writer().value().term() == newer.term());
  get(members[2].catch_up());
  CHECK(texts(get(members[2].read(Position(1), members[2].range().end))) ==
        std::vector<std::string>{"of the older", "of the newer"});
}

TEST_CASE("a writer's appends are chosen in the order of its calls", "[replog][log]") {
  Replicas members;
  Log::Writer writer = get(members[2].start_writer());
  std::vector<Op<Position>> open;
  for (int i = 0; i < 100; ++i) open.push_back(writer.append(Bytes(std::to_string(i))));

  Position last;
  for (auto& op : open) {
    Position at = get(std::move(op));
    CHECK(last < at);
    last = at;
  }
}

TEST_CASE("an entry over the limit is refused, one at the limit is not", "[replog][log]") {
  Replicas members(1);
  std::size_t limit = members.options(0).entry_size_max;

  Error error = error_of(members[0].append(Bytes(std::string(limit + 1, 'x'))));
  CHECK(error.code == Errc::too_large);
  CHECK(error.outcome == Outcome::not_applied);
  CHECK_THAT(error.context, Contains(std::to_string(limit)));
  CHECK(get(members[0].append(Bytes(std::string(limit, 'x')))));
}

TEST_CASE("a member that was away catches up, from memory and from the others' disks",
          "[replog][log]") {
  Told told;
  Replicas members;  // The first leads: what one that goes away had in flight would be in doubt.
  get(members[0].append(bytes("before")));
  members.stop(2);
  std::vector<Op<Position>> open;
  for (int i = 0; i < 200; ++i)
    open.push_back(members[i % 2 == 0].append(Bytes(std::string(1000, 'x'))));
  for (auto& op : open) get(std::move(op));

  members.start(2);
  get(members[2].catch_up());
  members[2].follow(Position(1), told.observer());

  CHECK(told.first(201).size() == 201);
}

TEST_CASE("a restart of all members keeps everything", "[replog][log]") {
  Replicas members;
  std::vector<std::string> appended;
  for (int i = 0; i < 10; ++i) {
    appended.push_back("entry " + std::to_string(i));
    get(members[static_cast<std::size_t>(i % 3)].append(Bytes(ByteView(appended.back()))));
  }
  for (std::size_t i = 0; i < 3; ++i) members.stop(i);
  for (std::size_t i = 0; i < 3; ++i) members.start(i);

  for (std::size_t i = 0; i < 3; ++i) {
    LogRange range = get(members[i].catch_up());
    CHECK(texts(get(members[i].read(Position(1), range.end))) == appended);
  }
}

TEST_CASE("without a majority an append fails, and may have happened", "[replog][log]") {
  Replicas members;
  Log::Writer writer = get(members[0].start_writer());
  get(members[0].append(bytes("with all")));
  members.stop(1);
  members.stop(2);

  // The leader has it in flight until it notices that it hears nobody.
  Error error = error_of(writer.append(bytes("alone")));
  CHECK((error.code == Errc::fenced || error.code == Errc::timed_out));
  CHECK(error.outcome == Outcome::maybe);

  members.start(1);
  CHECK(get(members[0].append(bytes("with two"))));
}

TEST_CASE("calls that nobody can answer end in time", "[replog][log]") {
  Replicas members;
  members.stop(1);
  members.stop(2);
  members.stop(0);
  members.request_timeout = 500ms;
  members.start(0);

  Error append = error_of(members[0].append(bytes("x")));
  CHECK(append.code == Errc::no_leader);
  CHECK(append.outcome == Outcome::not_applied);  // It was sent to nobody.
  CHECK_THAT(append.context, Contains("majority"));
  CHECK(error_of(members[0].catch_up()).code == Errc::no_leader);
  CHECK(error_of(members[0].start_writer()).code == Errc::no_leader);
}

TEST_CASE("leadership is told as it is and as it changes", "[replog][log]") {
  std::mutex mutex;
  std::condition_variable changed;
  Leadership seen;
  Replicas members;
  members[2].watch_leadership([&](const Leadership& leadership) {
    std::lock_guard lock(mutex);
    seen = leadership;
    changed.notify_all();
  });
  for (std::size_t leader : {0, 2, 1}) {
    Log::Writer writer = get(members[leader].start_writer());
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, 30s, [&] {
      return seen.term == writer.term() && seen.leader == NodeId(leader + 1) &&
             (leader != 2 || seen.is_self);
    }));
  }
  members.stop(2);
}

TEST_CASE("a log that is destroyed completes what is open as closed", "[replog][log]") {
  Replicas members;
  members.stop(1);
  members.stop(2);
  std::vector<Op<Position>> open;
  for (int i = 0; i < 50; ++i) open.push_back(members[0].append(bytes("x")));
  Op<LogRange> catch_up = members[0].catch_up();
  members.stop(0);

  for (auto& op : open) {
    Error error = error_of(std::move(op));
    CHECK((error.code == Errc::closed || error.code == Errc::fenced));
  }
  CHECK(error_of(std::move(catch_up)).code == Errc::closed);
}

TEST_CASE("a writer outlives its log without harm", "[replog][log]") {
  Replicas members(1);
  Log::Writer writer = get(members[0].start_writer());
  members.stop(0);
  CHECK(error_of(writer.append(bytes("x"))).code == Errc::closed);
}

TEST_CASE("another member's directory, and a taken port, are refused in plain words",
          "[replog][log]") {
  Replicas members;
  LogOptions taken = members.options(1);
  taken.directory += "-other";
  auto second = Log::open(members.runtime, taken);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == Errc::address_in_use);

  members.stop(0);
  members.stop(1);
  LogOptions foreign = members.options(0);
  foreign.directory = members.options(1).directory;
  auto stranger = Log::open(members.runtime, foreign);
  REQUIRE_FALSE(stranger.has_value());
  CHECK(stranger.error().code == Errc::wrong_cluster);
  CHECK_THAT(stranger.error().context, Contains("is member 2's, not member 1's"));

  LogOptions elsewhere = members.options(1);
  elsewhere.cluster = ClusterUid(8);
  auto wrong = Log::open(members.runtime, elsewhere);
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().code == Errc::wrong_cluster);
}

TEST_CASE("options that make no sense are refused before anything is touched", "[replog][log]") {
  Replicas members(1);
  auto refusal = [&](auto change) {
    LogOptions options = members.options(0);
    change(options);
    auto log = Log::open(members.runtime, options);
    REQUIRE_FALSE(log.has_value());
    CHECK(log.error().code == Errc::invalid_argument);
    return log.error().context;
  };
  // Of an empty directory nothing is known that was not said.
  CHECK_THAT(refusal([](LogOptions& o) {
               o.cluster = ClusterUid();
               o.directory += "-empty";
             }),
             Contains("cluster"));
  CHECK_THAT(refusal([](LogOptions& o) { o.self = NodeId(9); }), Contains("not among"));
  CHECK_THAT(refusal([](LogOptions& o) { o.members.push_back(o.members[0]); }), Contains("twice"));
  CHECK_THAT(refusal([](LogOptions& o) { o.members[0].id = NodeId(70'000); }), Contains("65535"));
  CHECK_THAT(refusal([](LogOptions& o) { o.heartbeat_interval = o.election_timeout; }),
             Contains("heartbeat"));
}

TEST_CASE("metrics tell what a member did", "[replog][log]") {
  Replicas members(1);
  for (int i = 0; i < 3; ++i) get(members[0].append(bytes("x")));

  std::set<std::string> wanted = {"cluster_log_appends_total", "cluster_log_chosen_total",
                                  "cluster_log_groups_total", "cluster_log_leading"};
  for (const Metric& metric : members[0].metrics()) {
    if (wanted.erase(metric.name) == 1) CHECK(metric.value > 0);
  }
  CHECK(wanted.empty());
}

TEST_CASE("large entries rest and travel compressed where that is asked for, and are read whole",
          "[replog][log]") {
  Replicas members(3, [](LogOptions& options) { options.compress_min = 1000; });
  std::string large(200'000, 'a');
  std::string small = "small";
  for (std::size_t i = 0; i < 3; ++i) {
    get(members[i].append(Bytes(large + std::to_string(i))));
    get(members[i].append(Bytes(small)));
  }
  LogRange range = get(members[1].catch_up());
  auto entries = get(members[1].read(Position(1), range.end));
  std::size_t whole = 0;
  for (const Entry& entry : entries) whole += entry.data.size() == large.size() + 1 ? 1 : 0;
  CHECK(entries.size() == 6);
  CHECK(whole == 3);
}
