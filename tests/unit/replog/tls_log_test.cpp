// The log over TLS: its members know each other by their certificates.
#include "cluster/log.hpp"
#include "replog/messages.hpp"
#include "tests/unit/net/tls_support.hpp"
#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace net_test;
using replog::test::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

double metric_of(const Log& log, const std::string& name) {
  for (const auto& metric : log.metrics()) {
    if (metric.name == name) return metric.value;
  }
  FAIL("no metric " << name);
  return 0;
}

LogOptions options_of(std::uint64_t id, const std::vector<Peer>& members, std::string directory) {
  LogOptions options;
  options.directory = std::move(directory);
  options.self = NodeId(id);
  options.members = members;
  options.cluster = ClusterUid(7);
  options.election_timeout = replog::test::election_timeout;
  options.heartbeat_interval = 50ms;
  options.request_timeout = 60s;
  return options;
}

// Where nobody listens now.
Endpoint free_endpoint(World& world) {
  return world.on_node([&] {
    auto& transport = world.host.transport();
    auto listener = transport.listen(any_port).value();
    auto endpoint = transport.endpoint(listener);
    transport.stop_listening(listener);
    return endpoint;
  });
}

Bytes vote(std::uint64_t from) {
  return encode(replog::Envelope{.cluster = ClusterUid(7),
                                 .from = NodeId(from),
                                 .incarnation = from,
                                 .message = replog::PreVote{{.round = 1, .member = NodeId(from)}}});
}

}  // namespace

TEST_CASE("members agree over TLS, each with a certificate of its own", "[replog][log][tls]") {
  Authority authority;
  TemporaryFolder folder;
  World ports;
  std::vector<Peer> members;
  for (std::uint64_t id = 1; id <= 3; ++id) members.push_back({NodeId(id), free_endpoint(ports)});
  std::vector<Runtime> runtimes;
  std::vector<Log> logs;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    runtimes.push_back(Runtime::threads(with_tls(authority.member(static_cast<int>(id)))));
    auto log = Log::open(runtimes.back(), options_of(id, members, folder / std::to_string(id)));
    REQUIRE(log);
    logs.push_back(*std::move(log));
  }
  while (!logs[0].start_writer().get()) {
  }
  for (auto& log : logs) {
    auto at = log.append(Bytes(std::string("over TLS"))).get();
    if (!at) FAIL(at.error().message());
  }
  logs.clear();
}

TEST_CASE("a message that claims another member than its certificate ends its session",
          "[replog][log][tls]") {
  Authority authority;
  TemporaryFolder folder;
  Recorder honest, impostor;
  World three({}, with_tls(authority.member(3)));
  Runtime runtime = Runtime::threads(with_tls(authority.member(1)));
  World ports;
  std::vector<Peer> members;
  for (std::uint64_t id = 1; id <= 3; ++id) members.push_back({NodeId(id), free_endpoint(ports)});
  auto log = Log::open(runtime, options_of(1, members, folder / "1"));
  REQUIRE(log);

  auto lying = three.dial(members[0].endpoint, Lane::log, impostor);
  auto telling = three.dial(members[0].endpoint, Lane::log, honest);
  REQUIRE(three.send(telling, vote(3)));
  REQUIRE(three.send(lying, vote(2)));

  CHECK(impostor.wait_closed());
  CHECK(metric_of(*log, "cluster_log_garbage_total") == 1);
  REQUIRE(three.send(telling, vote(3)));
  CHECK(honest.closed.empty());
}
