// Clients of a log over real sockets.
#include "cluster/log_client.hpp"

#include <optional>

#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace cluster::replog::test;
using namespace std::chrono_literals;

namespace {

class Served {
 public:
  Served() {
    for (std::uint64_t i = 1; i <= 3; ++i) {
      peers_.push_back({NodeId(i), {"127.0.0.1", cluster::test::free_port()}});
    }
    for (std::size_t i = 0; i < 3; ++i) start(i);
    while (!logs_[0]->start_writer().get()) {
    }
  }

  void start(std::size_t i) {
    LogOptions options;
    options.directory = folder_ / std::to_string(i + 1);
    options.self = peers_[i].id;
    options.members = peers_;
    options.cluster = ClusterUid(7);
    options.serve_clients = true;
    options.election_timeout = election_timeout;
    options.heartbeat_interval = 50ms;
    options.request_timeout = 60s;
    auto log = Log::open(runtime, options);
    if (!log) FAIL(log.error().message());
    logs_[i].emplace(*std::move(log));
  }
  void stop(std::size_t i) { logs_[i].reset(); }
  Log& operator[](std::size_t i) { return *logs_[i]; }
  std::size_t leader() {
    CHECK(logs_[0]->append(bytes("who leads?")).get().has_value());
    return static_cast<std::size_t>(logs_[0]->leadership().leader.value()) - 1;
  }

  LogClient client(std::vector<std::size_t> members = {0, 1, 2}, ClusterUid uid = ClusterUid(7)) {
    LogClientOptions options;
    options.cluster = uid;
    for (std::size_t i : members) options.members.push_back(peers_[i].endpoint);
    options.request_timeout = request_timeout;
    auto client = LogClient::open(runtime, options);
    if (!client) FAIL(client.error().message());
    return *std::move(client);
  }

  Duration request_timeout = 60s;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});

 private:
  TemporaryFolder folder_;
  std::vector<Peer> peers_;
  std::array<std::optional<Log>, 3> logs_;
};

}  // namespace

TEST_CASE("a client appends and reads what members hold", "[replog][client]") {
  Served served;
  LogClient client = served.client();
  std::vector<Op<Position>> open;
  for (int i = 0; i < 100; ++i) open.push_back(client.append(Bytes(std::to_string(i))));
  Position last;
  for (auto& op : open) {
    auto at = op.get();
    REQUIRE(at.has_value());
    last = std::max(last, *at);
  }
  auto range = client.catch_up().get();
  REQUIRE(range.has_value());
  CHECK(range->end > last);
  auto entries = client.read(Position(1), range->end).get();
  REQUIRE(entries.has_value());
  CHECK(entries->size() == 100);
  CHECK(client.read(range->end, range->end.plus(9)).get().error().code == Errc::invalid_argument);
}

TEST_CASE("a client follows the leader from whatever member it knows", "[replog][client]") {
  Served served;
  std::size_t leader = served.leader();
  LogClient client = served.client({(leader + 1) % 3});
  REQUIRE(client.append(bytes("x")).get().has_value());
  auto metrics = client.metrics();
  auto moves = std::find_if(metrics.begin(), metrics.end(), [](const Metric& metric) {
    return metric.name == "cluster_log_client_moves_total";
  });
  REQUIRE(moves != metrics.end());
  CHECK(moves->value == 1);

  served.stop(leader);
  auto again = client.append(bytes("y")).get();
  while (!again && again.error().outcome == Outcome::maybe) again = client.append(bytes("y")).get();
  CHECK(again.has_value());
}

TEST_CASE("a client of another cluster is refused with the reason", "[replog][client]") {
  Served served;
  served.request_timeout = 1s;
  LogClient client = served.client({0, 1, 2}, ClusterUid(8));
  auto refused = client.append(bytes("x")).get();
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::timed_out);
  CHECK_THAT(refused.error().context, Catch::Contains("another cluster"));
}
