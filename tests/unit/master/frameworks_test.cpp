// Frameworks: subscription, takeover, failover, removal; offers and what is accepted of them.
#include "tests/unit/master/world.hpp"

namespace cluster::master::test {

TEST_CASE("a framework is committed before it is subscribed, and is given an id",
          "[master][frameworks]") {
  World world;
  const SessionId one = world.open(Lane::scheduler);
  const SessionId two = world.open(Lane::scheduler);
  world.scheduler_says(one, wire::Subscribe{.name = "x"});
  world.scheduler_says(two, wire::Subscribe{.name = "y"});
  CHECK(world.heard<wire::Subscribed>(one).empty());
  world.apply_all();
  const auto first = world.heard<wire::Subscribed>(one);
  const auto second = world.heard<wire::Subscribed>(two);
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  CHECK(first[0].framework == FrameworkId("framework-000001"));
  CHECK(second[0].framework == FrameworkId("framework-000002"));
}

TEST_CASE("an id that was never given is no framework", "[master][frameworks]") {
  World world;
  const SessionId session = world.framework("framework-000009");
  const auto errors = world.heard<wire::SchedulerError>(session);
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].fatal);
  CHECK(errors[0].error.code == Errc::not_found);
  CHECK_FALSE(world.is_open(session));
}

TEST_CASE("a second subscription takes the framework over and the first hears so",
          "[master][frameworks]") {
  World world;
  world.agent("a");
  const SessionId first = world.framework();
  REQUIRE(world.offers(first).size() == 1);
  const SessionId second = world.framework();
  const auto errors = world.heard<wire::SchedulerError>(first);
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].fatal);
  CHECK(errors[0].error.code == Errc::fenced);
  CHECK_FALSE(world.is_open(first));
  CHECK(world.heard<wire::Subscribed>(second).size() == 1);
  CHECK(world.offers(second).size() == 1);
}

TEST_CASE("calls before subscription, and malformed subscriptions, end the session",
          "[master][frameworks]") {
  World world;
  const SessionId session = world.open(Lane::scheduler);
  SECTION("a call") { world.scheduler_says(session, wire::Revive{}); }
  SECTION("no name") { world.scheduler_says(session, wire::Subscribe{}); }
  SECTION("no role") { world.scheduler_says(session, wire::Subscribe{.name = "x", .role = ""}); }
  SECTION("negative timeout") {
    world.scheduler_says(session, wire::Subscribe{.name = "x", .failover_timeout = -1s});
  }
  const auto errors = world.heard<wire::SchedulerError>(session);
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].fatal);
  CHECK_FALSE(world.is_open(session));
}

TEST_CASE("a framework that stays away for its failover timeout is removed and its tasks killed",
          "[master][frameworks]") {
  World world;
  auto [agent, framework] = world.running();
  world.hang_up(framework);
  for (int i = 0; i < 59; ++i) {
    world.advance(1s);
    world.agent_says(agent, wire::AgentPong{});
  }
  CHECK(world.proposed.empty());
  world.advance(2s);
  REQUIRE(world.proposals<RemoveFramework>().size() == 1);
  world.apply_all();
  CHECK(world.heard<wire::KillAgentTask>(agent).size() == 1);
  world.update(agent, TaskState::killed, 2);
  world.apply_all();
  CHECK(world.heard<wire::AgentUpdateAck>(agent).size() == 1);
  CHECK(world.state.tasks().empty());
  CHECK(world.core->allocator().available(AgentId("a")) == resources("cpus:4;mem:1000"));

  const SessionId back = world.framework();
  CHECK(world.heard<wire::SchedulerError>(back).at(0).fatal);
}

TEST_CASE("a framework with an endless timeout is never removed", "[master][frameworks]") {
  World world;
  world.hang_up(world.framework("jobs", Duration::max()));
  world.advance(1h);
  world.lead();
  world.advance(1h);
  CHECK(world.proposed.empty());
}

TEST_CASE("a new leader gives a framework without failover timeout time to find it",
          "[master][frameworks]") {
  World world;
  world.framework("f", 0s);
  world.lead();
  world.advance(14s);
  CHECK(world.proposed.empty());
  world.advance(2s);
  CHECK(world.proposals<RemoveFramework>().size() == 1);
}

TEST_CASE("a framework without failover timeout is removed when it hangs up",
          "[master][frameworks]") {
  World world;
  world.hang_up(world.framework("f", 0s));
  CHECK(world.proposals<RemoveFramework>().size() == 1);
}

TEST_CASE("a scheduler that answers no pings is disconnected", "[master][frameworks]") {
  World world;
  const SessionId framework = world.framework();
  world.advance(16s);
  CHECK(world.heard<wire::SchedulerPing>(framework).size() >= 10);
  CHECK_FALSE(world.is_open(framework));
}

TEST_CASE("teardown removes the framework and kills its tasks", "[master][frameworks]") {
  World world;
  auto [agent, framework] = world.running();
  world.scheduler_says(framework, wire::Teardown{});
  CHECK(world.is_open(framework));
  world.apply_all();
  CHECK_FALSE(world.is_open(framework));
  CHECK(world.heard<wire::KillAgentTask>(agent).size() == 1);
}

TEST_CASE("nobody can have the cluster's own framework removed, whatever it subscribes with",
          "[master][frameworks]") {
  World world;
  const SessionId session = world.framework("jobs", 0s);
  world.scheduler_says(session, wire::Teardown{});
  const auto errors = world.heard<wire::SchedulerError>(session);
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].error.code == Errc::permission);
  CHECK_FALSE(errors[0].fatal);

  world.hang_up(session);
  world.advance(1h);

  CHECK(world.proposals<RemoveFramework>().empty());
  CHECK(world.heard<wire::Subscribed>(world.framework("jobs", Duration::max())).size() == 1);
}

TEST_CASE("an offer goes out at once when nothing else was offered of late", "[master][offers]") {
  World world;
  const SessionId framework = world.framework();
  world.advance(1s);
  world.heard<wire::Offers>(framework);
  world.agent("a");
  CHECK(world.heard<wire::Offers>(framework).size() == 1);
  world.agent("b");
  world.agent("c");
  CHECK(world.heard<wire::Offers>(framework).empty());  // These share the next round.
  world.advance(5ms);
  const auto batches = world.heard<wire::Offers>(framework);
  REQUIRE(batches.size() == 1);
  CHECK(batches[0].offers.size() == 2);
}

TEST_CASE("offers of an agent that goes are rescinded, and are no longer valid",
          "[master][offers]") {
  World world;
  const SessionId agent = world.agent("a");
  const SessionId framework = world.framework();
  const OfferId offer = world.offers(framework).at(0).id;
  world.hang_up(agent);
  const auto rescinded = world.heard<wire::Rescind>(framework);
  REQUIRE(rescinded.size() == 1);
  CHECK(rescinded[0].offer == offer);

  world.accept(framework, offer, {task_spec("t")});
  const auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::lost);
  CHECK(updates[0].status.reason == "invalid_offers");
  CHECK(world.proposed.empty());
  CHECK(world.offers(framework).empty());
}

TEST_CASE("a declined offer comes back when its filter ends, or on revive", "[master][offers]") {
  World world;
  const SessionId agent = world.agent("a");
  const SessionId framework = world.framework();
  const OfferId offer = world.offers(framework).at(0).id;
  world.scheduler_says(framework, wire::Decline{{offer}, 5s});
  world.advance(4s);
  CHECK(world.heard<wire::Offers>(framework).empty());
  SECTION("the filter ends") {
    world.advance(1100ms);
    CHECK(world.heard<wire::Offers>(framework).size() == 1);
  }
  SECTION("revive") {
    world.scheduler_says(framework, wire::Revive{});
    CHECK(world.offers(framework).size() == 1);
  }
  SECTION("not while suppressed") {
    world.scheduler_says(framework, wire::Suppress{});
    world.advance(3s);
    CHECK(world.heard<wire::Offers>(framework).empty());
  }
  CHECK(world.is_open(agent));
}

TEST_CASE("several tasks on several offers of one agent, and the rest comes back",
          "[master][offers]") {
  World world;
  const SessionId agent = world.agent("a");
  const SessionId framework = world.framework();
  const auto whole = world.offers(framework).at(0);
  world.accept(framework, whole.id, {task_spec("t1"), task_spec("t2")});
  const auto rest = world.offers(framework);
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].resources == resources("cpus:2;mem:800"));
  world.apply_all();
  CHECK(world.heard<wire::RunTask>(agent).size() == 2);
  world.update(agent, TaskState::finished, 1, "t1");
  world.apply_all();
  const auto freed = world.offers(framework);
  REQUIRE(freed.size() == 1);

  wire::Accept both{.offers = {rest[0].id, freed[0].id}, .refuse = 0s};
  both.tasks = {wire::encode(task_spec("t3", "cpus:3;mem:900"))};
  world.scheduler_says(framework, both);
  world.apply_all();
  CHECK(world.heard<wire::RunTask>(agent).size() == 1);
}

TEST_CASE("what is wrong with a launch is said of that task alone", "[master][offers]") {
  World world;
  world.agent("a");
  const SessionId framework = world.framework();
  const OfferId offer = world.offers(framework).at(0).id;
  TaskSpec bad = task_spec("bad");
  std::string expected = "invalid_task";
  SECTION("more than the offers have") { bad.resources = resources("cpus:64"); }
  SECTION("no resources") { bad.resources = Resources(); }
  SECTION("no command") { bad.command = Command(); }
  SECTION("a piece of a job that is not its") { bad.job = JobRef{.job = JobId("j"), .attempt = 1}; }
  world.accept(framework, offer, {bad, task_spec("good")});
  const auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.task == TaskId("bad"));
  CHECK(updates[0].status.state == TaskState::error);
  CHECK(updates[0].status.reason == expected);
  CHECK_FALSE(updates[0].status.message.empty());
  const auto launches = world.proposals<LaunchTask>();
  REQUIRE(launches.size() == 1);
  CHECK(launches[0].task.key.task == TaskId("good"));
}

TEST_CASE("a task id that is in use, and bytes that are no task, are errors of the call",
          "[master][offers]") {
  World world;
  world.agent("a");
  const SessionId framework = world.framework();
  const OfferId offer = world.offers(framework).at(0).id;
  wire::Accept call{.offers = {offer}, .refuse = 0s};
  call.tasks = {wire::encode(task_spec("t")), wire::encode(task_spec("t")),
                Bytes(ByteView("garbage")), Bytes(std::string(300'000, 'x'))};
  world.scheduler_says(framework, call);
  CHECK(world.proposals<LaunchTask>().size() == 1);
  const auto errors = world.heard<wire::SchedulerError>(framework);
  REQUIRE(errors.size() == 3);
  CHECK(errors[0].error.code == Errc::already_exists);
  CHECK(errors[2].error.code == Errc::too_large);
  for (const auto& error : errors) CHECK_FALSE(error.fatal);
  CHECK(world.heard<wire::Update>(framework).empty());
}

TEST_CASE("offers of several agents, of another framework, or used twice are invalid",
          "[master][offers]") {
  World world;
  world.agent("a");
  const SessionId framework = world.framework();
  std::vector<OfferId> ids = {world.offers(framework).at(0).id};
  SessionId caller = framework;
  SECTION("several agents") {
    world.agent("b");
    ids.push_back(world.offers(framework).at(0).id);
  }
  SECTION("another framework's") { caller = world.framework("g"); }
  SECTION("twice") { ids.push_back(ids[0]); }
  SECTION("none") { ids.clear(); }
  world.scheduler_says(caller, wire::Accept{ids, {wire::encode(task_spec("t"))}, 0s});
  const auto updates = world.heard<wire::Update>(caller);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::lost);
  CHECK(world.proposed.empty());
}

TEST_CASE("launches on their way are limited", "[master][limits]") {
  World world;
  world.options.limits.launches_max = 1;
  world.lead();
  world.agent("a");
  const SessionId framework = world.framework();
  world.accept(framework, world.offers(framework).at(0).id, {task_spec("t1"), task_spec("t2")});
  CHECK(world.proposals<LaunchTask>().size() == 1);
  const auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::dropped);
  CHECK(updates[0].status.reason == "overloaded");
  world.apply_all();  // Then there is room again.
  world.accept(framework, world.offers(framework).at(0).id, {task_spec("t2")});
  CHECK(world.proposals<LaunchTask>().size() == 1);
}

TEST_CASE("an offer that is kept for too long is rescinded", "[master][offers]") {
  World world;
  world.options.offer_timeout = 3s;
  world.lead();
  const SessionId agent = world.agent("a");
  const SessionId framework = world.framework();
  const OfferId offer = world.offers(framework).at(0).id;
  world.advance(5s);
  CHECK(world.heard<wire::Rescind>(framework).at(0).offer == offer);
  CHECK(world.is_open(agent));
}

}  // namespace cluster::master::test
