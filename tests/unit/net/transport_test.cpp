// Sessions over real sockets on this machine.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/net/support.hpp"
#include "wire/frame.hpp"

using namespace net_test;

namespace {

// Sends every message back.
class Echo final : public Recorder {
 public:
  void answer_in(World& world) {
    when_message = [&world](SessionId id, const Bytes& message) {
      world.host.transport().send(id, message);
    };
  }
};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

std::string raw_preamble(std::uint8_t lane) {
  auto bytes = cluster::wire::encode_preamble({.lane = lane});
  return {bytes.data(), bytes.size()};
}

std::string raw_frame(ByteView payload) {
  auto header = cluster::wire::encode_frame_header(payload);
  return std::string(header.data(), header.size()) + std::string(payload);
}

}  // namespace

TEST_CASE("messages of every size come back as they were sent", "[net]") {
  Echo echo;
  Recorder client;
  World world;
  echo.answer_in(world);
  auto id = world.dial(world.serve(Lane::agent, echo), Lane::agent, client);

  std::vector<std::size_t> sizes{0, 1, 7, 8, 9, 4095, 4096, 4097, 70'000, 1'000'000, 20'000'000, 3};
  for (auto size : sizes) REQUIRE(world.send(id, Bytes(pattern(size))));

  REQUIRE(client.wait_messages(sizes.size()));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    CHECK((client.messages[i].view() == pattern(sizes[i])));
  }
  CHECK(client.opened == std::vector{id});
  CHECK(client.peers == std::vector{world.on_node(
                            [&] { return world.host.transport().endpoint(world.listener); })});
  CHECK(world.metric("cluster_net_sent_frames_total") == 2.0 * static_cast<double>(sizes.size()));
  CHECK(world.metric("cluster_net_received_frames_total") ==
        2.0 * static_cast<double>(sizes.size()));
}

TEST_CASE("ten thousand small messages arrive in the order sent", "[net]") {
  Echo echo;
  Recorder client;
  World world;
  echo.answer_in(world);
  auto id = world.dial(world.serve(Lane::log, echo), Lane::log, client);

  world.on_node([&] {
    for (int i = 0; i < 10'000; ++i) {
      CHECK(world.host.transport().send(id, Bytes(std::to_string(i))));
    }
  });

  REQUIRE(client.wait_messages(10'000));
  bool is_in_order = true;
  for (std::size_t i = 0; i < 10'000; ++i) {
    is_in_order = is_in_order && client.messages[i].view() == std::to_string(i);
  }
  CHECK(is_in_order);
}

TEST_CASE("on the log's lane a small message overtakes one of megabytes", "[net]") {
  Recorder server, client;
  World world;
  auto id = world.dial(world.serve(Lane::log, server), Lane::log, client);
  REQUIRE(client.wait_open());

  // Both ends live on one thread, so that nothing is received before both are sent.
  world.on_node([&] {
    CHECK(world.host.transport().send(id, Bytes(pattern(30'000'000))));
    CHECK(world.host.transport().send(id, bytes("beat")));
  });

  REQUIRE(server.wait_messages(2));
  CHECK(server.messages[0].view() == "beat");
  CHECK((server.messages[1].view() == pattern(30'000'000)));
}

TEST_CASE("nothing is told inside the call that causes it", "[net]") {
  Recorder server, client;
  World world;
  auto endpoint = world.serve(Lane::log, server);
  world.on_node([&] {
    auto& transport = world.host.transport();
    auto id = transport.dial(endpoint, Lane::log, client);
    CHECK(transport.send(id, bytes("early")));
    auto nobody = transport.dial({.host = "127.0.0.1", .port = 1}, Lane::log, client);
    CHECK(transport.send(nobody, bytes("lost")));
    CHECK(client.opened.empty());
    CHECK(client.closed.empty());
  });
  CHECK(client.wait_open());
  CHECK(client.wait_closed());
  CHECK(server.wait_messages(1));
}

TEST_CASE("a session for a lane that nobody serves is refused with words", "[net]") {
  Recorder server, client;
  World world;
  auto id = world.dial(world.serve(Lane::log, server), Lane::admin, client);
  REQUIRE(client.wait_closed());
  CHECK(client.opened.empty());
  CHECK(client.errors[0].code == Errc::unsupported);
  CHECK_THAT(client.errors[0].context, Catch::Contains("does not serve lane 4"));
  CHECK_FALSE(world.send(id, bytes("x")));
  CHECK(server.opened.empty());
  CHECK(world.metric("cluster_net_refused_total") == 1);
}

TEST_CASE("each lane of a listener has its own handler", "[net]") {
  Recorder log, agent, client;
  World world;
  auto endpoint = world.serve(Lane::log, log);
  world.on_node([&] { world.host.transport().serve(world.listener, Lane::agent, &agent); });
  world.send(world.dial(endpoint, Lane::agent, client), bytes("to the agent lane"));
  REQUIRE(agent.wait_messages(1));
  world.send(world.dial(endpoint, Lane::log, client), bytes("to the log lane"));
  REQUIRE(log.wait_messages(1));
  CHECK(agent.messages == std::vector{bytes("to the agent lane")});
  CHECK(log.messages == std::vector{bytes("to the log lane")});
}

TEST_CASE("a port in use and other bad addresses are errors that say so", "[net]") {
  Recorder server;
  World world;
  auto endpoint = world.serve(Lane::log, server);
  auto error_of = [&](const Endpoint& bad) {
    return world.on_node([&] { return world.host.transport().listen(bad); }).error();
  };
  auto in_use = error_of(endpoint);
  CHECK(in_use.code == Errc::address_in_use);
  CHECK(in_use.context == "cannot listen on " + to_string(endpoint) +
                              ": another process listens there; choose another port");
  CHECK(error_of({.host = "192.0.2.1", .port = 0}).code == Errc::invalid_argument);
  CHECK(error_of({.host = "", .port = 0}).code == Errc::invalid_argument);
  CHECK(error_of({.host = "no such host", .port = 0}).code == Errc::invalid_argument);
}

TEST_CASE("a name is looked up, by dialers and listeners", "[net]") {
  Recorder server, client;
  World world;
  auto endpoint = world.on_node([&] {
    auto& transport = world.host.transport();
    world.listener = transport.listen({.host = "localhost", .port = 0}).value();
    transport.serve(world.listener, Lane::log, &server);
    return transport.endpoint(world.listener);
  });
  CHECK(endpoint.host == "localhost");
  CHECK(endpoint.port != 0);
  world.dial(endpoint, Lane::log, client);
  CHECK(client.wait_open());
}

TEST_CASE("a peer that speaks garbage is dropped and counted, and others go on", "[net]") {
  Echo echo;
  Recorder client;
  World world;
  echo.answer_in(world);
  auto endpoint = world.serve(Lane::log, echo);
  auto id = world.dial(endpoint, Lane::log, client);
  REQUIRE(client.wait_open());

  std::string torn = raw_frame("a message");
  torn.back() = 'x';
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("CLU1\1\1\1\0", 8),
        std::string("CLU1\1\7\0\0", 8), raw_preamble(1) + torn,
        raw_preamble(1) + std::string(64, '\xff'), std::string("x")}) {
    RawPeer peer(endpoint);
    REQUIRE(peer.is_connected());
    REQUIRE(peer.write(garbage));
    CHECK(peer.is_ended());
  }

  CHECK(eventually([&] { return world.metric("cluster_net_garbage_total") == 6; }));
  CHECK(echo.wait([&] { return echo.closed.size() == 2; }));  // Those that got past the preamble.
  for (const auto& error : echo.errors) CHECK(error.code == Errc::protocol);
  REQUIRE(world.send(id, bytes("still here")));
  CHECK(client.wait_messages(1));
  CHECK(client.closed.empty());
}

TEST_CASE("what came before garbage is still delivered", "[net]") {
  Recorder server;
  World world;
  RawPeer peer(world.serve(Lane::log, server));
  REQUIRE(
      peer.write(raw_preamble(1) + raw_frame("one") + raw_frame("two") + std::string(16, '\xff')));
  REQUIRE(server.wait_closed());
  CHECK(server.messages == std::vector{bytes("one"), bytes("two")});
}

TEST_CASE("a peer that says nothing is dropped after a while", "[net]") {
  Recorder server;
  World world({.preamble_timeout = std::chrono::milliseconds(50)});
  RawPeer peer(world.serve(Lane::log, server));
  REQUIRE(peer.write("CLU1"));
  CHECK(peer.is_ended());
  CHECK(eventually([&] { return world.metric("cluster_net_garbage_total") == 1; }));
  CHECK(eventually([&] { return world.metric("cluster_net_sessions") == 0; }));
}

TEST_CASE("a dial to where nobody listens ends in on_close with the reason", "[net]") {
  Recorder client;
  World world;
  auto endpoint = world.on_node([&] {
    auto listener = world.host.transport().listen(any_port).value();
    auto free = world.host.transport().endpoint(listener);
    world.host.transport().stop_listening(listener);
    return free;
  });
  auto id = world.dial(endpoint, Lane::log, client);
  REQUIRE(client.wait_closed());
  CHECK(client.closed == std::vector{id});
  CHECK(client.errors[0].code == Errc::unreachable);
  CHECK(client.errors[0].context == "cannot reach " + to_string(endpoint) + ": Connection refused");
  CHECK(client.opened.empty());

  world.dial({.host = "no such host", .port = 1}, Lane::log, client);
  REQUIRE(client.wait([&] { return client.closed.size() == 2; }));
  CHECK_THAT(client.errors[1].context, Catch::Contains("no address for 'no such host'"));
  CHECK(world.metric("cluster_net_dials_failed_total") == 2);
}

TEST_CASE("a dial to a listener that never answers is given up", "[net]") {
  Recorder client;
  World world({.dial_timeout = std::chrono::milliseconds(50)});
  int mute = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(mute, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(mute, 1) == 0);
  world.dial(cluster::net::local_endpoint(mute), Lane::log, client);
  REQUIRE(client.wait_closed());
  CHECK(client.errors[0].code == Errc::unreachable);
  CHECK_THAT(client.errors[0].context, Catch::Contains("says nothing within"));
  ::close(mute);
}

TEST_CASE("close sends what is queued, and the peer hears the end", "[net]") {
  Recorder server, client;
  World world;
  auto endpoint = world.serve(Lane::log, server);
  auto id = world.dial(endpoint, Lane::log, client);
  REQUIRE(client.wait_open());
  // What the server sends meanwhile is unread at our close, and must not cost it our messages.
  server.when_open = nullptr;
  server.when_message = [&](SessionId session, const Bytes&) {
    world.host.transport().send(session, Bytes(pattern(100'000)));
  };
  world.on_node([&] {
    auto& transport = world.host.transport();
    for (int i = 0; i < 20; ++i) CHECK(transport.send(id, Bytes(pattern(1'000'000))));
    transport.close(id);
    CHECK_FALSE(transport.send(id, bytes("late")));
    CHECK(transport.queued_bytes(id) == 0);
    transport.close(id);
  });
  REQUIRE(server.wait_closed());
  REQUIRE(server.messages.size() == 20);
  CHECK(server.errors[0].code == Errc::closed);
  for (const auto& message : server.messages) CHECK(message.size() == 1'000'000);
  CHECK(client.closed.empty());
  CHECK(eventually([&] { return world.metric("cluster_net_sessions") == 0; }));
}

TEST_CASE("a message sent and a session closed before it is connected still arrive", "[net]") {
  Recorder server, client;
  World world;
  auto endpoint = world.serve(Lane::log, server);
  world.on_node([&] {
    auto id = world.host.transport().dial(endpoint, Lane::log, client);
    CHECK(world.host.transport().send(id, bytes("parting word")));
    world.host.transport().close(id);
    auto other = world.host.transport().dial(endpoint, Lane::log, client);
    world.host.transport().close(other);
  });
  REQUIRE(server.wait_closed());
  CHECK(server.messages == std::vector{bytes("parting word")});
  CHECK(client.opened.empty());
  CHECK(client.closed.empty());
}

TEST_CASE("a peer that does not read is closed once its queue is full", "[net]") {
  Recorder server, client, other;
  World world({.queue_bytes_max = 4 << 20});
  auto endpoint = world.serve(Lane::log, server);
  auto healthy = world.dial(endpoint, Lane::log, other);
  REQUIRE(server.wait_open());
  RawPeer peer(endpoint);
  REQUIRE(peer.write(raw_preamble(1)));
  REQUIRE(server.wait([&] { return server.opened.size() == 2; }));
  auto deaf = server.opened[1];

  bool was_told_inside = world.on_node([&] {
    for (int i = 0; i < 1000; ++i) {
      if (!world.host.transport().send(deaf, Bytes(pattern(100'000)))) break;
    }
    CHECK_FALSE(world.host.transport().send(deaf, bytes("x")));
    return !server.closed.empty();
  });
  CHECK_FALSE(was_told_inside);
  REQUIRE(server.wait_closed());
  CHECK(server.closed == std::vector{deaf});
  CHECK(server.errors[0].code == Errc::overloaded);
  CHECK(world.metric("cluster_net_overloaded_total") == 1);
  CHECK(world.send(healthy, bytes("fine")));
  CHECK(server.wait_messages(1));
}

TEST_CASE("a message over the limit closes its session, later", "[net]") {
  Recorder server, client;
  World world;
  auto id = world.dial(world.serve(Lane::log, server), Lane::log, client);
  REQUIRE(client.wait_open());
  CHECK_FALSE(world.send(id, Bytes(std::string(cluster::runtime::message_size_max + 1, 'x'))));
  REQUIRE(client.wait_closed());
  CHECK(client.errors[0].code == Errc::too_large);
  CHECK(server.wait_closed());
}

TEST_CASE("a listener that stops closes its sessions without a word to their handler", "[net]") {
  Recorder server, client;
  World world;
  auto endpoint = world.serve(Lane::log, server);
  world.dial(endpoint, Lane::log, client);
  REQUIRE(client.wait_open());
  world.on_node([&] { world.host.transport().stop_listening(world.listener); });
  REQUIRE(client.wait_closed());
  CHECK(client.errors[0].code == Errc::closed);
  CHECK(server.closed.empty());

  Recorder late;
  world.dial(endpoint, Lane::log, late);
  REQUIRE(late.wait_closed());
  CHECK(late.errors[0].code == Errc::unreachable);
}

TEST_CASE("a lane that is no longer served closes its sessions only", "[net]") {
  Recorder log, agent, log_client, agent_client;
  World world;
  auto endpoint = world.serve(Lane::log, log);
  world.on_node([&] { world.host.transport().serve(world.listener, Lane::agent, &agent); });
  world.dial(endpoint, Lane::log, log_client);
  auto kept = world.dial(endpoint, Lane::agent, agent_client);
  REQUIRE(log_client.wait_open());
  REQUIRE(agent_client.wait_open());
  world.on_node([&] { world.host.transport().serve(world.listener, Lane::log, nullptr); });
  REQUIRE(log_client.wait_closed());
  CHECK(log.closed.empty());
  REQUIRE(world.send(kept, bytes("on")));
  CHECK(agent.wait_messages(1));
}

TEST_CASE("a handler may close its session, or end, inside any callback", "[net]") {
  Recorder client;
  auto server = std::make_unique<Recorder>();
  int seen = 0;
  int dials = 0;
  World world;
  auto endpoint = world.serve(Lane::log, *server);
  SECTION("in on_message, with more messages of the same read to come") {
    server->when_message = [&](SessionId id, const Bytes&) {
      ++seen;
      world.host.transport().close(id);
    };
    auto id = world.dial(endpoint, Lane::log, client);
    world.on_node([&] {
      for (int i = 0; i < 100; ++i) world.host.transport().send(id, bytes("again"));
    });
    REQUIRE(client.wait_closed());
    CHECK(world.on_node([&] { return seen; }) == 1);
  }
  SECTION("in on_open, together with its handler") {
    client.when_open = [&](SessionId) {
      world.host.post([&] {
        world.host.transport().serve(world.listener, Lane::log, nullptr);
        server.reset();
      });
    };
    auto id = world.dial(endpoint, Lane::log, client);
    world.send(id, bytes("to nobody"));
    CHECK(client.wait_closed());
  }
  SECTION("in on_close, dialing anew") {
    client.when_close = [&](SessionId) {
      if (++dials < 20) {
        world.host.transport().dial({.host = "127.0.0.1", .port = 1}, Lane::log, client);
      }
    };
    world.dial({.host = "127.0.0.1", .port = 1}, Lane::log, client);
    CHECK(client.wait([&] { return client.closed.size() == 20; }));
  }
}

TEST_CASE("accepting stops at the limit and goes on when a session ends", "[net]") {
  Recorder server, first, second, third;
  World world({.accepted_max = 2, .accept_pause = std::chrono::milliseconds(5)});
  auto endpoint = world.serve(Lane::log, server);
  auto id = world.dial(endpoint, Lane::log, first);
  world.dial(endpoint, Lane::log, second);
  REQUIRE(first.wait_open());
  REQUIRE(second.wait_open());
  world.dial(endpoint, Lane::log, third);
  REQUIRE(eventually([&] { return world.metric("cluster_net_accept_pauses_total") > 3; }));
  CHECK(third.opened.empty());
  world.close(id);
  CHECK(third.wait_open());
  CHECK(world.metric("cluster_net_accepted_total") == 3);
}
