// The client's conversation with masters, as dialogues.
#include "scheduler/client_core.hpp"

#include "tests/catch.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Action = ClientEffects::Action;

const Endpoint client_master_a{"127.0.0.1", 5051};
const Endpoint client_master_b{"127.0.0.1", 5052};
const Endpoint client_master_c{"127.0.0.1", 5053};

// A client, its clock, and what it did since it was last asked.
struct Dialogue {
  explicit Dialogue(SchedulerOptions options = {.masters = {client_master_a, client_master_b},
                                                .name = "mine"},
                    ClientLimits limits = {})
      : core(std::move(options), 7, Logger(), limits) {
    core.start(now, effects);
  }

  std::vector<Action> done() { return std::exchange(effects.now, {}); }
  void opened() { core.on(now, SessionOpened{}, effects); }
  void closed() { core.on(now, SessionClosed{Error{Errc::unreachable, "gone"}}, effects); }
  void hears(wire::SchedulerMessage message) {
    core.on(now, SessionMessage{std::move(message)}, effects);
  }
  void calls(ClientCall call) { core.on(now, WallTime{}, call, effects); }
  void passes(Duration time) {
    now += time;
    core.on_time(now, effects);
  }
  // Until the client wants to do something, which it then does.
  void waits() { passes(core.deadline() - now); }

  void subscribes(std::string id = "f1") {
    opened();
    hears(wire::Subscribed{FrameworkId(id), 1, seconds(1)});
  }
  void loses_master_and_subscribes_again() {
    closed();
    waits();
    subscribes();
  }

  Time now = Time{} + seconds(100);
  ClientEffects effects;
  ClientCore core;
};

Action client_tells(ClientTell tell) { return tell; }

template <class T>
std::vector<T> tells_of(const std::vector<Action>& actions) {
  std::vector<T> found;
  for (const Action& action : actions) {
    const auto* tell = std::get_if<ClientTell>(&action);
    if (tell != nullptr && std::holds_alternative<T>(*tell)) found.push_back(std::get<T>(*tell));
  }
  return found;
}

template <class T>
std::vector<T> sent_of(const std::vector<Action>& actions) {
  std::vector<T> found;
  for (const Action& action : actions) {
    const auto* send = std::get_if<Send>(&action);
    if (send != nullptr && std::holds_alternative<T>(send->message)) {
      found.push_back(std::get<T>(send->message));
    }
  }
  return found;
}

TaskStatus client_status(std::string task, TaskState state, std::uint64_t sequence) {
  return {.task = TaskId(std::move(task)), .state = state, .sequence = sequence};
}

TaskSpec client_task(std::string id) {
  TaskSpec task;
  task.id = TaskId(std::move(id));
  task.command.shell = "true";
  task.resources.set("cpus", Scalar::whole(1));
  return task;
}

wire::Offers client_offers(std::uint64_t id) {
  return {{wire::Offer{.id = OfferId(id), .agent = AgentId("a1"), .hostname = "h"}}};
}

}  // namespace

TEST_CASE("a new framework subscribes without an id, and is told the one it was given",
          "[scheduler][client]") {
  Dialogue client;
  CHECK(client.done() == std::vector<Action>{Dial{client_master_a}});

  client.opened();
  CHECK(client.done() == std::vector<Action>{Send{wire::Subscribe{.name = "mine", .role = "*"}}});

  client.hears(wire::Subscribed{FrameworkId("f1"), 3, seconds(1)});
  CHECK(client.done() ==
        std::vector<Action>{client_tells(TellSubscribed{FrameworkId("f1"), false})});
}

TEST_CASE("a client redials in turn with growing, jittered rests while no master answers",
          "[scheduler][client]") {
  Dialogue client;
  std::vector<Endpoint> dialed;
  Duration longest{};
  for (int i = 0; i < 20; ++i) {
    for (const Action& action : client.done()) {
      if (const auto* dial = std::get_if<Dial>(&action)) dialed.push_back(dial->endpoint);
    }
    client.closed();
    const Duration rest = client.core.deadline() - client.now;
    CHECK(rest >= milliseconds(50));
    longest = std::max(longest, rest);
    client.waits();
  }
  CHECK(dialed[0] == client_master_a);
  CHECK(dialed[1] == client_master_b);
  CHECK(dialed[2] == client_master_a);
  CHECK(longest > seconds(1));
  CHECK(longest <= seconds(2));
}

TEST_CASE("a client follows a redirect at once, and remembers whom it was sent to",
          "[scheduler][client]") {
  Dialogue client({.masters = {client_master_a}, .name = "mine"});
  client.opened();
  client.done();

  client.hears(wire::SchedulerRedirect{client_master_c});
  CHECK(client.done() == std::vector<Action>{Hangup{}, Dial{client_master_c}});

  // The master whose address was given is down when its leader dies, and another one is known.
  client.subscribes();
  client.done();
  std::vector<Endpoint> dialed;
  for (int i = 0; i < 2; ++i) {
    client.closed();
    client.waits();
    for (const Action& action : client.done()) {
      if (const auto* dial = std::get_if<Dial>(&action)) dialed.push_back(dial->endpoint);
    }
  }
  CHECK(std::set<Endpoint>(dialed.begin(), dialed.end()) ==
        std::set<Endpoint>{client_master_a, client_master_c});
}

TEST_CASE("masters that point at each other are not asked in a tight loop", "[scheduler][client]") {
  Dialogue client;
  int dials = 0;
  for (int i = 0; i < 50; ++i) {
    for (const Action& action : client.done()) dials += std::holds_alternative<Dial>(action);
    client.opened();
    client.hears(wire::SchedulerRedirect{i % 2 == 0 ? client_master_b : client_master_a});
  }
  CHECK(dials < 8);
}

TEST_CASE("a client that must not follow the leadership dials only who it was given",
          "[scheduler][client]") {
  Dialogue client({.masters = {client_master_a}, .name = "mine"}, {.follow_leader = false});
  client.opened();
  client.done();
  client.hears(wire::SchedulerRedirect{client_master_c});
  CHECK(client.done() == std::vector<Action>{Hangup{}});
  client.waits();
  CHECK(client.done() == std::vector<Action>{Dial{client_master_a}});
}

TEST_CASE("after a failover a client subscribes again with its id and says that it resumed",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();

  client.closed();
  CHECK(tells_of<TellDisconnected>(client.done()).size() == 1);
  client.waits();
  client.opened();
  const auto subscribe = sent_of<wire::Subscribe>(client.done());
  REQUIRE(subscribe.size() == 1);
  CHECK(subscribe[0].framework == FrameworkId("f1"));
  client.hears(wire::Subscribed{FrameworkId("f1"), 4, seconds(1)});
  CHECK(client.done() ==
        std::vector<Action>{client_tells(TellSubscribed{FrameworkId("f1"), true})});
}

TEST_CASE("a master that leads an earlier term than one that was followed is left",
          "[scheduler][client]") {
  Dialogue client;
  client.opened();
  client.hears(wire::Subscribed{FrameworkId("f1"), 3, seconds(1)});
  client.closed();
  client.waits();
  client.opened();
  client.done();

  client.hears(wire::Subscribed{FrameworkId("f1"), 2, seconds(1)});

  CHECK(client.done() == std::vector<Action>{Hangup{}});
  CHECK_FALSE(client.core.is_subscribed());
  client.waits();
  CHECK(client.done() == std::vector<Action>{Dial{client_master_a}});
}

TEST_CASE("five ping intervals without a word mean that the master is gone",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();
  for (int i = 0; i < 10; ++i) {
    client.passes(seconds(4));
    client.hears(wire::SchedulerPing{});
    CHECK(client.done() == std::vector<Action>{Send{wire::SchedulerPong{}}});
  }
  client.passes(milliseconds(4900));
  CHECK(client.done().empty());
  client.passes(milliseconds(100));
  const auto actions = client.done();
  REQUIRE(actions.size() == 2);
  CHECK(actions[0] == Action{Hangup{}});
  CHECK(tells_of<TellDisconnected>(actions).size() == 1);
}

TEST_CASE("a master that accepts the session and never answers is given up",
          "[scheduler][client]") {
  Dialogue client;
  client.opened();
  client.done();
  client.waits();
  CHECK(client.done() == std::vector<Action>{Hangup{}});
  client.waits();
  CHECK(client.done() == std::vector<Action>{Dial{client_master_b}});
}

TEST_CASE("an accept names the master's offers and carries the encoded tasks",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();
  client.hears(client_offers(90));
  const auto offers = tells_of<TellOffers>(client.done());
  REQUIRE(offers.size() == 1);

  client.calls(AcceptCall{{offers[0].offers[0].id}, {client_task("t1")}, seconds(5)});
  CHECK(client.done() == std::vector<Action>{Send{wire::Accept{
                             {OfferId(90)}, {wire::encode(client_task("t1"))}, seconds(5)}}});
}

TEST_CASE(
    "an offer of an earlier session is void, even where the next master uses its number again",
    "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.hears(client_offers(1));
  const OfferId stale = tells_of<TellOffers>(client.done())[0].offers[0].id;
  client.loses_master_and_subscribes_again();
  client.hears(client_offers(1));
  client.done();

  client.calls(AcceptCall{{stale}, {client_task("t1"), client_task("t2")}, seconds(5)});

  const auto actions = client.done();
  CHECK(sent_of<wire::Accept>(actions).empty());
  const auto updates = tells_of<TellUpdate>(actions);
  REQUIRE(updates.size() == 2);
  CHECK(updates[0].status.state == TaskState::dropped);
  CHECK(updates[1].status.reason == "invalid_offers");
}

TEST_CASE("an accept while disconnected answers each of its tasks as dropped",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.hears(client_offers(1));
  const OfferId offer = tells_of<TellOffers>(client.done())[0].offers[0].id;
  client.closed();
  client.done();

  client.calls(AcceptCall{{offer}, {client_task("t1")}, seconds(5)});
  const auto updates = tells_of<TellUpdate>(client.done());
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.task == TaskId("t1"));
  CHECK(updates[0].status.state == TaskState::dropped);
  CHECK(updates[0].status.reason == "disconnected");
  CHECK(updates[0].status.sequence == 0);
}

TEST_CASE("a rescinded offer can't be used any more", "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.hears(client_offers(5));
  const OfferId offer = tells_of<TellOffers>(client.done())[0].offers[0].id;
  client.hears(wire::Rescind{OfferId(5)});
  CHECK(client.done() == std::vector<Action>{client_tells(TellRescind{offer})});

  client.calls(DeclineCall{{offer}, seconds(1)});
  CHECK(client.done().empty());
}

TEST_CASE("an accept whose session broke is asked about by the next one", "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.hears(client_offers(1));
  const OfferId offer = tells_of<TellOffers>(client.done())[0].offers[0].id;
  client.calls(AcceptCall{{offer}, {client_task("t1"), client_task("t2")}, seconds(5)});
  client.hears(wire::Update{client_status("t2", TaskState::running, 1)});
  client.loses_master_and_subscribes_again();

  const auto asked = sent_of<wire::Reconcile>(client.done());
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].tasks == std::vector<TaskId>{TaskId("t1")});
}

TEST_CASE("kill, suppress and reconcile made while disconnected are sent after resubscription",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.closed();
  client.done();
  client.calls(KillCall{TaskId("t1")});
  client.calls(SuppressCall{});
  client.calls(ReconcileCall{{TaskId("t2")}});
  CHECK(client.done().empty());

  client.waits();
  client.subscribes();
  const auto actions = client.done();
  CHECK(sent_of<wire::Kill>(actions) == std::vector<wire::Kill>{{TaskId("t1")}});
  CHECK(sent_of<wire::Suppress>(actions).size() == 1);
  CHECK(sent_of<wire::Revive>(actions).empty());
  CHECK(sent_of<wire::Reconcile>(actions) == std::vector<wire::Reconcile>{{{TaskId("t2")}}});
}

TEST_CASE("a revive made while disconnected undoes a suppress and is sent once",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.calls(SuppressCall{});
  client.closed();
  client.calls(ReviveCall{});
  client.done();
  client.waits();
  client.subscribes();
  const auto actions = client.done();
  CHECK(sent_of<wire::Suppress>(actions).empty());
  CHECK(sent_of<wire::Revive>(actions).size() == 1);

  client.loses_master_and_subscribes_again();
  CHECK(sent_of<wire::Revive>(client.done()).empty());
}

TEST_CASE("a kill is repeated to each master until the task's end is heard of",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.calls(KillCall{TaskId("t1")});
  CHECK(sent_of<wire::Kill>(client.done()).size() == 1);
  client.loses_master_and_subscribes_again();
  CHECK(sent_of<wire::Kill>(client.done()).size() == 1);

  client.hears(wire::Update{client_status("t1", TaskState::killed, 3)});
  client.loses_master_and_subscribes_again();
  CHECK(sent_of<wire::Kill>(client.done()).empty());
}

TEST_CASE("kills beyond the limit are refused while there is nobody to send them to",
          "[scheduler][client]") {
  Dialogue client({.masters = {client_master_a}, .name = "mine"}, {.kills_max = 2});
  for (const char* task : {"t1", "t2", "t2", "t3"}) client.calls(KillCall{TaskId(task)});
  const auto errors = tells_of<TellError>(client.done());
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].error.code == Errc::overloaded);
  CHECK_FALSE(errors[0].fatal);
}

TEST_CASE("a repeated update is acknowledged again and not shown twice", "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();
  const wire::Update running{client_status("t1", TaskState::running, 1)};
  client.hears(running);
  CHECK(client.done() == std::vector<Action>{client_tells(TellUpdate{running.status})});
  client.calls(AcknowledgeCall{TaskId("t1"), 1});
  client.loses_master_and_subscribes_again();
  client.done();

  client.hears(running);
  CHECK(client.done() == std::vector<Action>{Send{wire::Acknowledge{TaskId("t1"), 1}}});
}

TEST_CASE("a repeated update that the framework has not acknowledged stays unacknowledged",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  const wire::Update running{client_status("t1", TaskState::running, 1)};
  client.hears(running);
  client.done();
  client.hears(running);
  CHECK(client.done().empty());
}

TEST_CASE("an end is shown whatever its sequence, once", "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.hears(wire::Update{client_status("t1", TaskState::running, 4)});
  client.calls(AcknowledgeCall{TaskId("t1"), 4});
  client.done();
  const wire::Update lost{client_status("t1", TaskState::lost, 1)};
  client.hears(lost);
  CHECK(client.done() == std::vector<Action>{client_tells(TellUpdate{lost.status})});
  client.hears(lost);
  CHECK(client.done().empty());
  client.calls(AcknowledgeCall{TaskId("t1"), 1});
  client.done();
  client.hears(lost);
  CHECK(client.done() == std::vector<Action>{Send{wire::Acknowledge{TaskId("t1"), 1}}});
}

TEST_CASE("answers to a reconciliation are shown each time and never acknowledged",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();
  const wire::Update answer{client_status("t1", TaskState::running, 0)};
  client.hears(answer);
  client.calls(AcknowledgeCall{TaskId("t1"), 0});
  client.hears(answer);
  CHECK(client.done() == std::vector<Action>{client_tells(TellUpdate{answer.status}),
                                             client_tells(TellUpdate{answer.status})});
}

TEST_CASE("a fatal error ends the client: it is told, hangs up and never dials again",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();
  const Error removed{Errc::not_found, "the framework was removed"};
  client.hears(wire::SchedulerError{removed, true});
  CHECK(client.done() == std::vector<Action>{Hangup{}, client_tells(TellError{removed, true}),
                                             client_tells(TellEnded{removed})});
  CHECK(client.core.deadline() == time_never);
  client.calls(KillCall{TaskId("t1")});
  CHECK(client.done().empty());
}

TEST_CASE("a refused call is told and leaves the session standing", "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();
  const Error refused{Errc::invalid_argument, "no"};
  client.hears(wire::SchedulerError{refused, false});
  CHECK(client.done() == std::vector<Action>{client_tells(TellError{refused, false})});
  CHECK(client.core.is_subscribed());
}

TEST_CASE("stop hangs up and ends; the framework stays", "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();
  client.calls(StopCall{});
  CHECK(client.done() == std::vector<Action>{Hangup{}, client_tells(TellEnded{})});
}

TEST_CASE("a teardown goes on through a failover until a master says that nothing is left",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.done();
  client.calls(TeardownCall{});
  CHECK(client.done() == std::vector<Action>{Send{wire::Teardown{}}});
  client.loses_master_and_subscribes_again();
  CHECK(sent_of<wire::Teardown>(client.done()).size() == 1);
  client.closed();
  client.waits();
  client.opened();
  client.done();
  client.hears(wire::SchedulerError{Error{Errc::not_found, "removed"}, true});
  CHECK(client.done() == std::vector<Action>{Hangup{}, client_tells(TellEnded{})});
}

TEST_CASE("a teardown that no master takes ends in time, as one that may have happened",
          "[scheduler][client]") {
  Dialogue client;
  client.subscribes();
  client.closed();
  client.done();
  client.calls(TeardownCall{});
  const Time end = client.now + seconds(10);
  while (!client.core.is_ended() && client.now <= end) client.waits();
  CHECK(client.now == end);
  const auto ended = tells_of<TellEnded>(client.done());
  REQUIRE(ended.size() == 1);
  REQUIRE(ended[0].error);
  CHECK(ended[0].error->code == Errc::timed_out);
  CHECK(ended[0].error->outcome == Outcome::maybe);
}

}  // namespace cluster::scheduler
