// Sessions over TLS on this machine's sockets: who is let in, and what those who are not hear.
#include <signal.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "tests/unit/net/tls_support.hpp"
#include "wire/frame.hpp"

using namespace net_test;
using Catch::Contains;

namespace {

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

// One that serves with member 1's certificate, and one that dials with member 2's.
struct Pair {
  explicit Pair(Certificates serving, Certificates dialing, cluster::net::TcpOptions tcp = {})
      : server_world(tcp, with_tls(std::move(serving), &server_lines)),
        client_world(tcp, with_tls(std::move(dialing), &client_lines)) {}

  SessionId dial(Lane lane = Lane::log, NodeId member = {}) {
    if (endpoint.port == 0) endpoint = server_world.serve(lane, server);
    return client_world.on_node(
        [&] { return client_world.host.transport().dial(endpoint, lane, client, member); });
  }
  // What the dialer hears of a session that does not come about.
  std::string refusal(Lane lane = Lane::log, NodeId member = {}) {
    dial(lane, member);
    REQUIRE(client.wait_closed());
    CHECK(client.opened.empty());
    CHECK(server.opened.empty());
    return client.errors[0].context;
  }
  // What the acceptor writes in its log.
  bool says(const std::string& words) {
    return eventually([&] { return server_lines.text().find(words) != std::string::npos; });
  }

  KeptLines server_lines, client_lines;
  Recorder server, client;
  World server_world, client_world;
  Endpoint endpoint;
};

}  // namespace

TEST_CASE("messages of every size pass through TLS as they were sent", "[net][tls]") {
  Authority authority;
  Pair pair(authority.member(1), authority.member(2));
  pair.server.when_message = [&](SessionId id, const Bytes& message) {
    pair.server_world.host.transport().send(id, message);
  };
  auto id = pair.dial();
  std::vector<std::size_t> sizes{0,      1,      7,      4096, 4097,      16'383,
                                 16'384, 16'385, 70'000, 3,    1'000'000, 20'000'000};

  for (auto size : sizes) REQUIRE(pair.client_world.send(id, Bytes(pattern(size))));

  REQUIRE(pair.client.wait_messages(sizes.size()));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    CHECK((pair.client.messages[i].view() == pattern(sizes[i])));
  }
  CHECK(pair.client_world.metric("cluster_net_tls_handshakes_total") == 1);
  CHECK(pair.server_world.metric("cluster_net_tls_handshakes_total") == 1);
}

TEST_CASE("ten thousand small messages through TLS arrive in the order sent", "[net][tls]") {
  Authority authority;
  Pair pair(authority.member(1), authority.member(2));
  auto id = pair.dial();
  pair.client_world.on_node([&] {
    for (int i = 0; i < 10'000; ++i) {
      CHECK(pair.client_world.host.transport().send(id, Bytes(std::to_string(i))));
    }
  });
  REQUIRE(pair.server.wait_messages(10'000));
  bool is_in_order = true;
  for (std::size_t i = 0; i < 10'000; ++i) {
    is_in_order = is_in_order && pair.server.messages[i].view() == std::to_string(i);
  }
  CHECK(is_in_order);
}

TEST_CASE("what is queued is still sent through TLS after close", "[net][tls]") {
  Authority authority;
  Pair pair(authority.member(1), authority.member(2));
  pair.endpoint = pair.server_world.serve(Lane::log, pair.server);
  SECTION("of a session that is open") {
    auto id = pair.dial();
    REQUIRE(pair.client.wait_open());
    REQUIRE(pair.client_world.send(id, Bytes(pattern(5'000'000))));
    pair.client_world.close(id);
  }
  SECTION("of one whose handshake has not even begun") {
    pair.client_world.on_node([&] {
      auto& transport = pair.client_world.host.transport();
      auto id = transport.dial(pair.endpoint, Lane::log, pair.client);
      CHECK(transport.send(id, Bytes(pattern(5'000'000))));
      transport.close(id);
    });
  }
  REQUIRE(pair.server.wait_closed());
  REQUIRE(pair.server.messages.size() == 1);
  CHECK((pair.server.messages[0].view() == pattern(5'000'000)));
  CHECK(pair.server.errors[0].code == Errc::closed);
}

TEST_CASE("each end of a session knows the names on the other's certificate", "[net][tls]") {
  Authority authority;
  Pair pair(authority.member(1), authority.member(2));
  auto id = pair.dial(Lane::log, NodeId(1));
  REQUIRE(pair.client.wait_open());
  REQUIRE(pair.server.wait_open());
  pair.client_world.on_node([&] {
    const auto& peer = pair.client_world.host.transport().peer(id);
    CHECK(peer.is_authenticated);
    CHECK(peer.names == std::vector<std::string>{"cluster:member:1", "127.0.0.1", "localhost"});
    CHECK(peer.may_be(NodeId(1)));
    CHECK_FALSE(peer.may_be(NodeId(2)));
  });
  pair.server_world.on_node([&] {
    auto& transport = pair.server_world.host.transport();
    CHECK(transport.peer(pair.server.opened[0]).members == std::vector{NodeId(2)});
    CHECK_FALSE(transport.peer(SessionId(12345)).may_be(NodeId(2)));
  });
}

TEST_CASE("who dials a member takes nobody else", "[net][tls]") {
  Authority authority;
  Pair pair(authority.member(1), authority.member(2));
  CHECK_THAT(pair.refusal(Lane::log, NodeId(3)),
             Contains("its certificate is of cluster:member:1, 127.0.0.1, localhost, not of "
                      "cluster:member:3"));
  CHECK(pair.client.errors[0].code == Errc::permission);
  CHECK(pair.says("our certificate is not of whom it wanted to reach"));
}

TEST_CASE("a name that only looks like a member's is none", "[net][tls]") {
  Authority authority;
  for (std::string name : {"cluster:member:01", "cluster:member:", "cluster:member:1x",
                           "cluster:member:0", "cluster:member:99999999999999999999"}) {
    Pair pair(authority.issue({name}, {"127.0.0.1"}), authority.member(2));
    CHECK_THAT(pair.refusal(Lane::log, NodeId(1)), Contains("not of cluster:member:1"));
  }
}

TEST_CASE("certificates of another authority are refused by both ends, which say so",
          "[net][tls]") {
  Authority ours("ours"), theirs("theirs");
  SECTION("the acceptor's") {
    Certificates mixed = ours.member(1);
    mixed.authorities = theirs.certificate();
    Pair pair(mixed, theirs.member(2));
    CHECK_THAT(pair.refusal(), Contains("of an authority that we do not know"));
    CHECK(pair.says("it does not know the authority of our certificate"));
  }
  SECTION("the dialer's") {
    Certificates mixed = theirs.member(2);
    mixed.authorities = ours.certificate();
    Pair pair(ours.member(1), mixed);
    CHECK_THAT(pair.refusal(), Contains("it does not know the authority of our certificate"));
    CHECK(pair.says("of an authority that we do not know"));
    CHECK(pair.server_world.metric("cluster_net_tls_failed_total") == 1);
  }
}

TEST_CASE("certificates out of their time are refused, with the time", "[net][tls]") {
  Authority authority;
  SECTION("the acceptor's") {
    Pair pair(authority.member(1, an_hour_long_ago()), authority.member(2));
    CHECK_THAT(pair.refusal(), Contains("its certificate expired at 20"));
    CHECK(pair.says("it says that our certificate has expired"));
    CHECK(pair.says("peers will refuse our certificate"));
  }
  SECTION("the dialer's") {
    Pair pair(authority.member(1), authority.member(2, an_hour_long_ago()));
    CHECK_THAT(pair.refusal(), Contains("it says that our certificate has expired"));
    CHECK(pair.says("its certificate expired at 20"));
  }
  SECTION("one of tomorrow") {
    auto tomorrow = wall_now() + std::chrono::hours(24);
    Pair pair(authority.member(1, {.begin = tomorrow, .end = tomorrow + std::chrono::hours(1)}),
              authority.member(2));
    CHECK_THAT(pair.refusal(), Contains("is not valid before"));
  }
}

TEST_CASE("a client's certificate does not serve", "[net][tls]") {
  Authority authority;
  Pair pair(authority.client(), authority.member(2));
  CHECK_THAT(pair.refusal(Lane::admin), Contains("not made for this end"));
}

TEST_CASE("the lanes of masters are served by members only", "[net][tls]") {
  Authority authority;
  Pair pair(authority.issue({"cluster:agent:a1"}, {"127.0.0.1"}), authority.client());
  for (Lane lane : {Lane::agent, Lane::scheduler, Lane::log}) {
    Recorder nobody;
    Pair one(authority.issue({"cluster:agent:a1"}, {"127.0.0.1"}), authority.client());
    CHECK_THAT(one.refusal(lane), Contains("not of a member of the cluster"));
  }
  pair.dial(Lane::admin);
  CHECK(pair.client.wait_open());
}

TEST_CASE("on the admin lane an agent is known by its host, a member by its name", "[net][tls]") {
  Authority authority;
  SECTION("an agent of another host") {
    Pair pair(authority.issue({"cluster:agent:a1"}, {"10.0.0.1"}), authority.client());
    CHECK_THAT(pair.refusal(Lane::admin), Contains("or of the host '127.0.0.1'"));
  }
  SECTION("a member of another host") {
    Pair pair(authority.issue({"cluster:member:1"}, {"10.0.0.1"}), authority.client());
    pair.dial(Lane::admin);
    CHECK(pair.client.wait_open());
  }
}

TEST_CASE("without a choice of security nothing listens and nothing dials", "[net][tls]") {
  Recorder client;
  World world({}, {});
  auto error = world.on_node([&] { return world.host.transport().listen(any_port); }).error();
  CHECK(error.code == Errc::invalid_argument);
  for (auto words : {"127.0.0.1:0", "cluster::Tls", "--certs", "cluster::Insecure", "--insecure"}) {
    CHECK_THAT(error.context, Contains(words));
  }
  world.dial({.host = "127.0.0.1", .port = 1}, Lane::log, client);
  REQUIRE(client.wait_closed());
  CHECK_THAT(client.errors[0].context, Contains("no security was chosen"));
}

TEST_CASE("plain text and TLS tell each other apart, and both ends say so", "[net][tls]") {
  Authority authority;
  KeptLines lines;
  Recorder server, client;
  World secure({}, with_tls(authority.member(1), &lines));
  World plain({}, {.security = cluster::Insecure{}, .log_sink = &lines});
  SECTION("plain text to a TLS port") {
    plain.dial(secure.serve(Lane::log, server), Lane::log, client);
    REQUIRE(client.wait_closed());
    CHECK_THAT(client.errors[0].context,
               Contains("it speaks TLS, and here is plain text (--insecure)"));
    CHECK_THAT(client.errors[0].context, Contains("--certs DIR"));
    CHECK(eventually([&] {
      return lines.text().find("it speaks plain text, and here TLS is required") !=
             std::string::npos;
    }));
    CHECK(secure.metric("cluster_net_tls_failed_total") == 1);
  }
  SECTION("TLS to a plain port") {
    secure.dial(plain.serve(Lane::log, server), Lane::log, client);
    REQUIRE(client.wait_closed());
    CHECK_THAT(client.errors[0].context,
               Contains("it speaks plain text, and here TLS is required"));
    CHECK(eventually([&] {
      return lines.text().find("it speaks TLS, and here is plain text") != std::string::npos;
    }));
    CHECK(plain.metric("cluster_net_tls_failed_total") == 1);
  }
  CHECK(client.errors[0].code == Errc::protocol);
  CHECK(server.opened.empty());
}

TEST_CASE("a session is resumed, and one of other certificates is not", "[net][tls]") {
  Authority authority;
  auto source = std::make_shared<HeldCertificates>(authority.member(1));
  Recorder server, client;
  World server_world({}, with_tls(source));
  World client_world({}, with_tls(authority.member(2)));
  auto endpoint = server_world.serve(Lane::log, server);
  std::size_t dials = 0;
  // A ticket comes after the handshake; a message that was answered says that it has come.
  server.when_message = [&](SessionId id, const Bytes& message) {
    server_world.host.transport().send(id, message);
  };
  auto dial_once = [&](NodeId member) {
    auto id = client_world.on_node(
        [&] { return client_world.host.transport().dial(endpoint, Lane::log, client, member); });
    REQUIRE(client_world.send(id, bytes("x")));
    REQUIRE(client.wait_messages(++dials));
    bool is_known = server_world.on_node(
        [&] { return server_world.host.transport().peer(server.opened.back()).may_be(NodeId(2)); });
    CHECK(is_known);
    client_world.close(id);
  };
  auto resumed = [&] { return client_world.metric("cluster_net_tls_resumed_total"); };

  dial_once(NodeId(1));
  CHECK(resumed() == 0);
  dial_once(NodeId(1));
  dial_once(NodeId(1));
  CHECK(resumed() == 2);
  CHECK(server_world.metric("cluster_net_tls_resumed_total") == 2);
  dial_once(NodeId());  // Another name was asked for.
  CHECK(resumed() == 2);
  source->hold(authority.member(1));
  dial_once(NodeId(1));
  CHECK(resumed() == 2);
  dial_once(NodeId(1));
  CHECK(resumed() == 3);
}

TEST_CASE("resuming a session is no way round the end of a certificate", "[net][tls]") {
  Authority authority;
  cluster::net::Validity short_time{.begin = wall_now() - std::chrono::hours(1),
                                    .end = wall_now() + std::chrono::seconds(3)};
  Pair pair(authority.member(1), authority.member(2, short_time));
  std::size_t dials = 0;
  bool is_refused = eventually([&] {
    ++dials;
    auto id = pair.dial();
    REQUIRE(pair.client.wait(
        [&] { return pair.client.opened.size() + pair.client.closed.size() == dials; }));
    pair.client_world.close(id);
    return pair.client.opened.size() < dials;
  });
  REQUIRE(is_refused);
  CHECK(pair.says("its certificate expired at"));
  CHECK(pair.client_world.metric("cluster_net_tls_resumed_total") > 0);
}

TEST_CASE("new certificates are used without a restart, and open sessions go on", "[net][tls]") {
  Authority before("before"), after("after");
  auto serving = std::make_shared<HeldCertificates>(before.member(1));
  auto dialing = std::make_shared<HeldCertificates>(before.member(2));
  Recorder server, client;
  World server_world({}, with_tls(serving));
  World client_world({}, with_tls(dialing));
  auto endpoint = server_world.serve(Lane::log, server);
  auto old = client_world.dial(endpoint, Lane::log, client);
  REQUIRE(client.wait_open());

  serving->hold(after.member(1));
  client_world.dial(endpoint, Lane::log, client);
  REQUIRE(client.wait_closed());  // One end is new, the other is not.
  dialing->hold(after.member(2));
  client_world.dial(endpoint, Lane::log, client);
  REQUIRE(client.wait([&] { return client.opened.size() == 2; }));

  REQUIRE(client_world.send(old, bytes("still here")));
  CHECK(server.wait_messages(1));
}

TEST_CASE("broken new certificates leave the last good ones in use, with one warning",
          "[net][tls]") {
  Authority authority;
  KeptLines lines;
  auto source = std::make_shared<HeldCertificates>(authority.member(1));
  Recorder server, client;
  World server_world({}, with_tls(source, &lines));
  World client_world({}, with_tls(authority.member(2)));
  auto endpoint = server_world.serve(Lane::log, server);
  std::string words;
  SECTION("a key of another certificate") {
    auto mixed = authority.member(1);
    mixed.key = authority.member(1).key;
    source->hold(mixed);
    words = "the key is not that of the certificate";
  }
  SECTION("no certificate at all") {
    auto torn = authority.member(1);
    torn.chain = torn.chain.substr(0, 100);
    source->hold(torn);
    words = "the certificate is no PEM text";
  }
  SECTION("no authority") {
    auto bare = authority.member(1);
    bare.authorities = "";
    source->hold(bare);
    words = "the authority's certificate is no PEM text";
  }
  SECTION("a source that fails") {
    source->fail({Errc::not_found, "cannot read key.pem"});
    words = "cannot read key.pem";
  }
  for (std::size_t i = 1; i <= 3; ++i) {
    client_world.dial(endpoint, Lane::log, client);
    REQUIRE(client.wait([&] { return client.opened.size() == i; }));
  }
  std::string text = lines.text();
  auto first = text.find("last good ones stay in use");
  CHECK_THAT(text, Contains(words));
  CHECK(first != std::string::npos);
  CHECK(text.find("last good ones stay in use", first + 1) == std::string::npos);
}

TEST_CASE("a silent or broken source keeps nothing from ending", "[net][tls]") {
  Authority authority;
  auto source = std::make_shared<HeldCertificates>(authority.member(1));
  source->fail({Errc::not_found, "cannot read cert.pem"});
  Recorder client;
  World world({}, with_tls(source));
  CHECK_THAT(world.on_node([&] { return world.host.transport().listen(any_port); }).error().context,
             Contains("cannot read cert.pem"));
  world.dial({.host = "127.0.0.1", .port = 1}, Lane::log, client);
  REQUIRE(client.wait_closed());
  CHECK_THAT(client.errors[0].context, Contains("cannot read cert.pem"));
}

TEST_CASE("a peer that falls silent or goes in mid-handshake is dropped", "[net][tls]") {
  Authority authority;
  Recorder server, client;
  std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  World world({.preamble_timeout = std::chrono::milliseconds(100)}, with_tls(authority.member(1)));
  auto endpoint = world.serve(Lane::log, server);
  {
    RawPeer silent(endpoint), half(endpoint), gone(endpoint);
    REQUIRE(half.write(hello));
    REQUIRE(gone.write(hello));
    gone.stop_writing();
    CHECK(silent.is_ended());
    CHECK(half.is_ended());
    CHECK(gone.is_ended());
  }
  CHECK(eventually([&] { return world.metric("cluster_net_sessions") == 0; }));
  World dialing({}, with_tls(authority.member(2)));
  dialing.dial(endpoint, Lane::log, client);
  CHECK(client.wait_open());
}

TEST_CASE("garbage on a TLS port costs its sender the connection and nobody else anything",
          "[net][tls]") {
  Authority authority;
  Recorder server, client;
  World world({.preamble_timeout = std::chrono::milliseconds(300)}, with_tls(authority.member(1)));
  World dialing({}, with_tls(authority.member(2)));
  auto endpoint = world.serve(Lane::log, server);
  auto id = dialing.dial(endpoint, Lane::log, client);
  REQUIRE(client.wait_open());
  cluster::Random random(7);
  for (int round = 0; round < 200; ++round) {
    // Every other begins as a handshake's record does.
    std::string garbage(1 + random.below(600), '\0');
    for (char& byte : garbage) byte = static_cast<char>(random.below(256));
    if (round % 2 == 0)
      garbage.replace(0, std::min<std::size_t>(3, garbage.size()), "\x16\x03\x01");
    RawPeer peer(endpoint);
    REQUIRE(peer.is_connected());
    peer.write(garbage);
    if (round % 3 == 0) peer.stop_writing();
    if (round % 10 == 0) CHECK(peer.is_ended());
  }
  CHECK(eventually([&] { return world.metric("cluster_net_sessions") == 1; }));
  REQUIRE(dialing.send(id, bytes("still here")));
  CHECK(server.wait_messages(1));
  CHECK(server.opened.size() == 1);
}

TEST_CASE("a TLS peer that breaks off under load raises no signal in the host", "[net][tls]") {
  static std::atomic<int> raised;
  raised = 0;
  struct sigaction before {
  }, counting{};
  counting.sa_handler = [](int) { ++raised; };
  sigaction(SIGPIPE, &counting, &before);
  {
    Authority authority;
    Recorder client;
    World world({}, with_tls(authority.member(2)));
    for (int i = 0; i < 5; ++i) {
      Recorder server;
      auto other =
          std::make_unique<World>(cluster::net::TcpOptions{}, with_tls(authority.member(1)));
      auto id = world.dial(other->serve(Lane::log, server), Lane::log, client);
      REQUIRE(server.wait_open());
      for (int n = 0; n < 20; ++n) world.send(id, Bytes(pattern(1'000'000)));
      other.reset();
      CHECK(client.wait([&] { return client.closed.size() == static_cast<std::size_t>(i + 1); }));
    }
  }
  sigaction(SIGPIPE, &before, nullptr);
  CHECK(raised == 0);
}
