// The log client's core: where it goes, what it sends, what becomes of calls when a member is lost.
#include "replog/client_core.hpp"

#include <set>

#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using namespace std::chrono_literals;

namespace {

const Endpoint first_member{"a", 1};
const Endpoint second_member{"b", 2};

struct Client {
  explicit Client(std::vector<Endpoint> members = {first_member}, std::size_t queue = 1 << 20)
      : core({.cluster = ClusterUid(7),
              .members = std::move(members),
              .queue_bytes_max = queue,
              .request_timeout = 10s},
             1, Logger(), now) {}

  ClientActions actions;
  Time now{1s};
  ClientCore core;

  std::vector<ClientMessage> sent() {
    std::vector<ClientMessage> messages;
    for (auto& action : actions) {
      if (auto* send = std::get_if<ClientSend>(&action))
        messages.push_back(decode_client_message(send->message).value());
    }
    return messages;
  }
  const ClientDone* done(std::uint64_t tag) {
    for (auto& action : actions) {
      auto* over = std::get_if<ClientDone>(&action);
      if (over != nullptr && over->tag == tag) return over;
    }
    return nullptr;
  }
  std::vector<Endpoint> dialed() {
    std::vector<Endpoint> endpoints;
    for (auto& action : actions) {
      if (auto* dial = std::get_if<ClientDial>(&action)) endpoints.push_back(dial->to);
    }
    return endpoints;
  }
  void wake() {
    now = std::max(now, core.deadline());
    core.on_time(now, actions);
  }
  // Dialed, greeted and welcomed by the leader.
  void connect() {
    wake();
    core.on_open(actions);
    say(0, ClientWelcome{.leader = {}, .leads = true});
    actions.clear();
  }
  void say(std::uint64_t tag, ClientBody body) {
    core.on_message(now, {tag, std::move(body)}, actions);
  }
  void append(std::uint64_t tag) { core.on_call(now, tag, ClientAppend{bytes("x")}, actions); }
};

}  // namespace

TEST_CASE("a client says whose log it means before it asks anything", "[replog][client]") {
  Client client;
  client.append(1);
  client.wake();
  CHECK(client.dialed() == std::vector<Endpoint>{first_member});
  client.core.on_open(client.actions);
  CHECK(client.sent() == std::vector<ClientMessage>{{0, ClientHello{ClusterUid(7)}}});

  client.actions.clear();
  client.say(0, ClientWelcome{.leader = {}, .leads = true});
  CHECK(client.sent() == std::vector<ClientMessage>{{1, ClientAppend{bytes("x")}, 10'001}});
}

TEST_CASE("a client that reached a follower moves to the leader before it asks",
          "[replog][client]") {
  Client client;
  client.append(1);
  client.wake();
  client.core.on_open(client.actions);
  client.actions.clear();
  client.say(0, ClientWelcome{.leader = second_member});

  CHECK(client.sent().empty());
  CHECK(client.dialed() == std::vector<Endpoint>{second_member});
}

TEST_CASE("when the leader moves, open calls are answered before the client follows",
          "[replog][client]") {
  Client client;
  client.connect();
  client.append(1);
  client.say(0, ClientWelcome{.leader = second_member});
  client.append(2);
  CHECK(client.dialed().empty());
  CHECK(client.sent().size() == 1);

  client.say(1, ClientAppended{Position(4)});
  REQUIRE(client.done(1) != nullptr);
  CHECK(client.dialed() == std::vector<Endpoint>{second_member});
  CHECK(client.done(2) == nullptr);
}

TEST_CASE("an append that was sent when its member was lost may have been carried out",
          "[replog][client]") {
  Client client;
  client.connect();
  client.append(1);
  client.core.on_call(client.now, 2, ClientCatchUp{}, client.actions);
  client.core.on_close(client.now, Error{Errc::unreachable, "gone"}, client.actions);
  client.append(3);

  REQUIRE(client.done(1) != nullptr);
  CHECK(client.done(1)->answer.error().outcome == Outcome::maybe);
  CHECK(client.done(2) == nullptr);
  CHECK(client.done(3) == nullptr);

  client.connect();
  client.say(2, ClientRange{{Position(1), Position(5)}});
  REQUIRE(client.done(2) != nullptr);
  CHECK(client.done(2)->answer.has_value());
}

TEST_CASE("a call that no member took in time says so, and why", "[replog][client]") {
  Client client;
  client.append(1);
  client.wake();
  client.core.on_close(client.now, Error{Errc::unreachable, "connection refused"}, client.actions);
  client.now += 10s;
  client.core.on_time(client.now, client.actions);

  REQUIRE(client.done(1) != nullptr);
  Error error = client.done(1)->answer.error();
  CHECK(error.code == Errc::timed_out);
  CHECK(error.outcome == Outcome::not_applied);
  CHECK_THAT(error.context, Catch::Contains("connection refused"));
}

TEST_CASE("calls beyond the queue's size are refused at once", "[replog][client]") {
  Client client({first_member}, 300);
  client.append(1);
  client.append(2);
  client.append(3);
  CHECK(client.done(1) == nullptr);
  CHECK(client.done(2) == nullptr);
  REQUIRE(client.done(3) != nullptr);
  CHECK(client.done(3)->answer.error().code == Errc::overloaded);
}

TEST_CASE("an answer that fits another question is an error, not a wrong answer",
          "[replog][client]") {
  Client client;
  client.connect();
  client.append(1);
  client.say(1, ClientRange{{Position(1), Position(5)}});
  REQUIRE(client.done(1) != nullptr);
  CHECK(client.done(1)->answer.error().code == Errc::protocol);
}

TEST_CASE("a client goes from member to member until one serves it", "[replog][client]") {
  Client client({first_member, second_member});
  client.append(1);
  std::set<Endpoint> tried;
  for (int i = 0; i < 4; ++i) {
    client.wake();
    for (const Endpoint& endpoint : client.dialed()) tried.insert(endpoint);
    client.actions.clear();
    client.core.on_open(client.actions);
    client.say(0, ClientFailed{{Errc::wrong_cluster, "another cluster"}});
  }
  CHECK(tried == std::set<Endpoint>{first_member, second_member});
}

TEST_CASE("a call that is cancelled is not sent, and one that was sent may have been carried out",
          "[replog][client]") {
  Client client;
  client.append(1);
  client.core.on_cancel(1, client.actions);
  REQUIRE(client.done(1) != nullptr);
  CHECK(client.done(1)->answer.error().code == Errc::cancelled);
  CHECK(client.done(1)->answer.error().outcome == Outcome::not_applied);
  client.connect();
  client.append(2);
  CHECK(client.sent() == std::vector<ClientMessage>{{2, ClientAppend{bytes("x")}, 10'001}});
  client.core.on_cancel(2, client.actions);
  REQUIRE(client.done(2) != nullptr);
  CHECK(client.done(2)->answer.error().outcome == Outcome::maybe);

  client.actions.clear();
  client.say(2, ClientAppended{Position(9)});
  client.core.on_cancel(2, client.actions);
  CHECK(client.actions.empty());
}

TEST_CASE("calls time out each at its own time, in whatever order they came", "[replog][client]") {
  Client client;
  client.core.on_call(client.now, 1, ClientCatchUp{}, client.actions);
  client.core.on_call(client.now, 2, ClientCatchUp{}, client.actions, 20s);
  client.core.on_call(client.now, 3, ClientCatchUp{}, client.actions, 1s);
  auto is_done = [&](std::uint64_t tag) { return client.done(tag) != nullptr; };
  auto begin = client.now;
  for (auto [after, first, second, third] :
       {std::tuple{999ms, false, false, false}, std::tuple{1000ms, false, false, true},
        std::tuple{9999ms, false, false, true}, std::tuple{10000ms, true, false, true},
        std::tuple{20000ms, true, true, true}}) {
    client.now = begin + after;
    client.core.on_time(client.now, client.actions);
    CHECK(is_done(1) == first);
    CHECK(is_done(2) == second);
    CHECK(is_done(3) == third);
  }
}

TEST_CASE("every error of a member reaches its client", "[replog][log_client]") {
  for (std::uint16_t code = 1; code <= static_cast<std::uint16_t>(errc_last); ++code) {
    ClientMessage told{5, ClientFailed{{static_cast<Errc>(code), "why", Outcome::maybe}}};
    CHECK(decode_client_message(encode(told)).value() == told);
  }
}

TEST_CASE("a member is told how long a client still waits", "[replog][client]") {
  Client client;
  client.core.on_call(client.now, 1, ClientCatchUp{}, client.actions, 300ms);
  client.core.on_call(client.now, 2, ClientCatchUp{}, client.actions, Duration::max());
  client.now += 100ms;
  client.wake();
  client.core.on_open(client.actions);
  client.actions.clear();
  client.say(0, ClientWelcome{.leader = {}, .leads = true});
  client.core.on_call(client.now, 3, ClientCatchUp{}, client.actions, 50ms);

  std::vector<std::uint32_t> told;
  for (const ClientMessage& one : client.sent()) told.push_back(one.timeout_ms);
  CHECK(told == std::vector<std::uint32_t>{201, 0, 51});
}
