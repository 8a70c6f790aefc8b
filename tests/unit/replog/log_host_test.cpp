// Many logs in one process, as an embedder opens them: real sockets and disks.
#include "cluster/log_host.hpp"

#include <map>

#include "replog/force_new_cluster.hpp"
#include "replog/inspection.hpp"
#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

// Keeps what the entries say, and takes snapshots of it.
class Lines final : public StateMachine {
 public:
  void apply(const std::vector<Entry>& entries) override {
    std::lock_guard lock(mutex_);
    for (const Entry& entry : entries) {
      std::string line = std::string(entry.data.view()) + "\n";
      if (!text_.ends_with(line)) text_ += line;  // An append that was asked for again.
    }
  }
  Result<SnapshotJob> begin_snapshot() override {
    return SnapshotJob([text = text()](SnapshotWriter& to) { return to.write(text); });
  }
  Result<void> restore(SnapshotReader& from) override {
    std::string read;
    for (;;) {
      auto more = from.read(1 << 16);
      if (!more) return std::move(more).error();
      if (more->empty()) break;
      read += more->view();
    }
    std::lock_guard lock(mutex_);
    text_ = read;
    return {};
  }
  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// Three hosts in one process.
class Hosts {
 public:
  explicit Hosts(std::size_t count = 3) : hosts_(count), logs_(count) {
    for (std::size_t i = 1; i <= count; ++i) {
      peers.push_back({NodeId(i), {"127.0.0.1", cluster::test::free_port()}});
    }
    for (std::size_t i = 0; i < count; ++i) start(i);
  }

  LogHostOptions options(std::size_t i) const {
    LogHostOptions made;
    made.directory = folder_ / std::to_string(i + 1);
    made.cluster = ClusterUid(7);
    made.self = peers[i].id;
    made.listen = peers[i].endpoint;
    made.silence_max = silence_max;
    made.store_bytes_max = 256 << 20;
    return made;
  }
  LogOptions log_options() const {
    LogOptions made;
    made.members = peers;
    made.request_timeout = 60s;
    made.election_timeout = election_timeout;  // As far as the hosts' `silence_max`.
    made.heartbeat_interval = 50ms;
    return made;
  }
  void start(std::size_t i) {
    auto host = LogHost::open(runtime, options(i));
    if (!host) FAIL(host.error().message());
    hosts_[i].emplace(*std::move(host));
  }
  void stop(std::size_t i) {
    logs_[i].clear();
    hosts_[i].reset();
  }
  Log& open(std::size_t i, LogId log, LogOptions how) {
    auto opened = hosts_[i]->open_log(log, std::move(how));
    if (!opened) FAIL(opened.error().message());
    logs_[i].erase(log);
    return logs_[i].emplace(log, *std::move(opened)).first->second;
  }
  void open_everywhere(LogId log) {
    for (std::size_t i = 0; i < hosts_.size(); ++i) open(i, log, log_options());
    lead(0, log);
  }
  // Now: nobody waits for an election's timeout.
  void lead(std::size_t i, LogId log) {
    while (!logs_[i].at(log).start_writer().get()) {
    }
  }
  void close(std::size_t i, LogId log) { logs_[i].erase(log); }
  LogHost& host(std::size_t i) { return *hosts_[i]; }
  Log& log(std::size_t i, LogId log) { return logs_[i].at(log); }

  // All members of the log have stopped their heartbeats.
  bool rests(LogId log) {
    for (auto& logs : logs_) {
      auto at = logs.find(log);
      if (at == logs.end()) continue;
      for (const Metric& metric : at->second.metrics()) {
        if (metric.name == "cluster_log_resting" && metric.value == 0) return false;
      }
    }
    return true;
  }

  std::vector<Peer> peers;
  // Far above what a loaded machine keeps a thread waiting.
  Duration silence_max = 3s;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});

 private:
  TemporaryFolder folder_;
  std::vector<std::optional<LogHost>> hosts_;
  std::vector<std::map<LogId, Log>> logs_;
};

// Through an election; an answer that was lost with a leader is no failure, but may leave a double.
void append_until_taken(Log& log, ByteView text) {
  REQUIRE(comes_true([&] { return log.append(bytes(text)).get().has_value(); }));
}

std::string last_of(Log& log) {
  LogRange range = get(log.catch_up());
  auto entries = get(log.read(range.first, range.end));
  REQUIRE_FALSE(entries.empty());
  return std::string(entries.back().data.view());
}

std::size_t leader_of(Hosts& hosts, LogId log, std::size_t count = 3) {
  std::size_t leader = count;
  REQUIRE(comes_true([&] {
    for (std::size_t i = 0; i < count; ++i) {
      if (hosts.log(i, log).leadership().is_self) leader = i;
    }
    return leader < count;
  }));
  return leader;
}

}  // namespace

TEST_CASE("logs of one host are apart, and each has its own state machine", "[replog][host]") {
  Hosts hosts;
  Lines lines[2][3];
  for (std::size_t log = 0; log < 2; ++log) {
    for (std::size_t i = 0; i < 3; ++i) {
      LogOptions options = hosts.log_options();
      options.state_machine = &lines[log][i];
      hosts.open(i, LogId(log + 1), options);
    }
    hosts.lead(log, LogId(log + 1));
  }

  append_until_taken(hosts.log(0, LogId(1)), "of one");
  append_until_taken(hosts.log(1, LogId(2)), "of two");
  append_until_taken(hosts.log(2, LogId(1)), "again");

  for (std::size_t i = 0; i < 3; ++i) {
    get(hosts.log(i, LogId(1)).read_barrier());
    get(hosts.log(i, LogId(2)).read_barrier());
    CHECK(lines[0][i].text() == "of one\nagain\n");
    CHECK(lines[1][i].text() == "of two\n");
  }
  get(hosts.log(0, LogId(1)).take_snapshot());
}

TEST_CASE("a host that is started again has all of its logs", "[replog][host]") {
  Hosts hosts;
  for (std::uint64_t log = 1; log <= 3; ++log) {
    hosts.open_everywhere(LogId(log));
    append_until_taken(hosts.log(0, LogId(log)), "entry of " + std::to_string(log));
  }
  hosts.stop(1);
  append_until_taken(hosts.log(0, LogId(2)), "meanwhile");
  hosts.start(1);
  CHECK(hosts.host(1).logs() == std::vector{LogId(1), LogId(2), LogId(3)});

  for (std::uint64_t log = 1; log <= 3; ++log) {
    LogOptions plain;
    plain.request_timeout = 60s;
    Log& again = hosts.open(1, LogId(log), plain);  // It is a member: no list is needed.
    std::string last = log == 2 ? "meanwhile" : "entry of " + std::to_string(log);
    CHECK(last_of(again) == last);
  }
}

TEST_CASE("logs without work rest, and take appends and reads at once when there is some",
          "[replog][host]") {
  Hosts hosts;
  constexpr LogId id{5};
  hosts.open_everywhere(id);
  append_until_taken(hosts.log(0, id), "first");

  REQUIRE(comes_true([&] { return hosts.rests(id); }));
  std::size_t leader = leader_of(hosts, id);
  CHECK(hosts.log(leader, id).health().is_ready);
  append_until_taken(hosts.log((leader + 1) % 3, id), "second");
  REQUIRE(comes_true([&] { return hosts.rests(id); }));
  CHECK(last_of(hosts.log((leader + 2) % 3, id)) == "second");
}

TEST_CASE("a log that rests elects another leader when its leader's host ends", "[replog][host]") {
  Hosts hosts;
  constexpr LogId id{5};
  hosts.open_everywhere(id);
  append_until_taken(hosts.log(0, id), "first");
  std::size_t leader = leader_of(hosts, id);
  REQUIRE(comes_true([&] { return hosts.rests(id); }));

  hosts.stop(leader);

  append_until_taken(hosts.log((leader + 1) % 3, id), "second");
  // Those that are left rest without it.
  REQUIRE(comes_true([&] { return hosts.rests(id); }));
  hosts.start(leader);
  CHECK(last_of(hosts.open(leader, id, hosts.log_options())) == "second");
}

TEST_CASE("a log that is closed on its leader's host is led by another", "[replog][host]") {
  Hosts hosts;
  hosts.open_everywhere(LogId(1));
  hosts.open_everywhere(LogId(2));
  append_until_taken(hosts.log(0, LogId(1)), "first");
  std::size_t leader = leader_of(hosts, LogId(1));
  REQUIRE(comes_true([&] { return hosts.rests(LogId(1)); }));

  hosts.close(leader, LogId(1));

  append_until_taken(hosts.log((leader + 1) % 3, LogId(1)), "second");
  append_until_taken(hosts.log(leader, LogId(2)), "the other goes on");
  CHECK(last_of(hosts.open(leader, LogId(1), hosts.log_options())) == "second");
}

TEST_CASE("a log that one host lacks goes on without it, and with it once it is opened",
          "[replog][host]") {
  Hosts hosts;
  hosts.open_everywhere(LogId(1));
  append_until_taken(hosts.log(0, LogId(1)), "first");
  hosts.close(2, LogId(1));

  append_until_taken(hosts.log(0, LogId(1)), "second");
  append_until_taken(hosts.log(1, LogId(1)), "third");

  CHECK(last_of(hosts.open(2, LogId(1), hosts.log_options())) == "third");
}

TEST_CASE("what cannot be opened on a host is refused with the reason", "[replog][host]") {
  Hosts hosts(1);
  get(hosts.open(0, LogId(1), hosts.log_options()).append(bytes("it is a member")));
  auto why = [&](LogId log, LogOptions options) {
    auto opened = hosts.host(0).open_log(log, std::move(options));
    REQUIRE_FALSE(opened.has_value());
    return opened.error().message();
  };
  using Catch::Matchers::Contains;

  CHECK_THAT(why(LogId(1), hosts.log_options()), Contains("log 1 is open already"));
  CHECK_THAT(why(LogId(), hosts.log_options()), Contains("id is not 0"));
  CHECK_THAT(why(LogId(2), LogOptions{}), Contains("no member yet"));
  LogOptions serves = hosts.log_options();
  serves.serve_clients = true;
  CHECK_THAT(why(LogId(2), serves), Contains("names no log"));
  LogOptions elsewhere = hosts.log_options();
  elsewhere.directory = "/tmp";
  CHECK_THAT(why(LogId(2), elsewhere), Contains("leave them empty"));
  LogOptions other = hosts.log_options();
  other.cluster = ClusterUid(8);
  CHECK_THAT(why(LogId(2), other), Contains("another cluster"));

  hosts.close(0, LogId(1));
  hosts.open(0, LogId(1), LogOptions{});
}

TEST_CASE("a directory of one log is no host's, and the other way round", "[replog][host]") {
  Hosts hosts(1);
  LogOptions alone = hosts.log_options();
  TemporaryFolder folder;
  alone.directory = folder / "alone";
  alone.cluster = ClusterUid(7);
  alone.self = NodeId(1);
  alone.members = {{NodeId(1), {"127.0.0.1", cluster::test::free_port()}}};
  { REQUIRE(Log::open(hosts.runtime, alone).has_value()); }
  LogHostOptions host = hosts.options(0);
  host.directory = alone.directory;
  host.listen.port = cluster::test::free_port();

  auto as_host = LogHost::open(hosts.runtime, host);
  REQUIRE_FALSE(as_host.has_value());
  CHECK(as_host.error().code == Errc::wrong_cluster);

  alone.directory = hosts.options(0).directory;
  hosts.stop(0);
  auto as_log = Log::open(hosts.runtime, alone);
  REQUIRE_FALSE(as_log.has_value());
  CHECK_THAT(as_log.error().message(), Catch::Matchers::Contains("many logs in one journal"));
}

TEST_CASE("what looks at the directory of one log says that a host's holds many",
          "[replog][host]") {
  Hosts hosts(1);
  std::string directory = hosts.options(0).directory;
  hosts.stop(0);

  auto inspected = inspect_directory(directory, Look::quick);
  REQUIRE_FALSE(inspected.has_value());
  CHECK(inspected.error().code == Errc::unsupported);
  auto forced = force_new_cluster(directory, directory + "-new", ClusterUid(8), {"127.0.0.1", 1}, 1,
                                  64 << 20);
  REQUIRE_FALSE(forced.has_value());
  CHECK_THAT(forced.error().message(), Catch::Matchers::Contains("holds the logs of a LogHost"));
}

TEST_CASE("a newcomer's host joins a log with its token", "[replog][host]") {
  Hosts hosts(1);
  hosts.open(0, LogId(1), hosts.log_options());
  Log& founder = hosts.log(0, LogId(1));
  get(founder.append(bytes("first")));
  Endpoint endpoint{"127.0.0.1", cluster::test::free_port()};
  JoinToken token = get(founder.add_member(AddMember{.endpoint = endpoint}));

  TemporaryFolder folder;
  LogHostOptions options = hosts.options(0);
  options.directory = folder / "newcomer";
  options.self = token.id;
  options.listen = endpoint;
  auto host = LogHost::open(hosts.runtime, options);
  REQUIRE(host.has_value());
  LogOptions joining;
  joining.join = to_string(token);
  joining.request_timeout = 60s;
  auto joined = host->open_log(LogId(1), joining);
  REQUIRE(joined.has_value());

  LogRange range = get(joined->catch_up());
  CHECK(get(joined->read(range.first, range.end)).size() == 1);
}
