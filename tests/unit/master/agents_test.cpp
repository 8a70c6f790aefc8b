// Agents that come, go, come back and compare what they know.
#include "tests/unit/master/world.hpp"

namespace cluster::master::test {

TEST_CASE("an agent hears that it is registered once that is committed", "[master][agents]") {
  World world;
  const SessionId agent = world.open(Lane::agent);
  world.agent_says(agent, world.description("a", "cpus:1"));
  CHECK(world.heard<wire::AgentRegistered>(agent).empty());
  REQUIRE(world.proposals<RegisterAgent>().size() == 1);
  world.apply_all();
  const auto registered = world.heard<wire::AgentRegistered>(agent);
  REQUIRE(registered.size() == 1);
  CHECK(registered[0].cluster == world.options.cluster);
}

TEST_CASE("an agent that comes back unchanged is registered without a command",
          "[master][agents]") {
  World world;
  const SessionId first = world.agent("a");
  world.hang_up(first);
  const SessionId second = world.open(Lane::agent);
  world.agent_says(second, world.description("a", "cpus:4;mem:1000"));
  CHECK(world.proposed.empty());
  CHECK(world.heard<wire::AgentRegistered>(second).size() == 1);
}

TEST_CASE("a second session of an agent replaces the first", "[master][agents]") {
  World world;
  const SessionId first = world.agent("a");
  const SessionId second = world.agent("a");
  CHECK_FALSE(world.is_open(first));
  CHECK(world.is_open(second));
  const SessionId framework = world.framework();
  CHECK(world.offers(framework).size() == 1);
}

TEST_CASE("an agent of another cluster, and one that makes no sense, are refused",
          "[master][agents]") {
  World world;
  auto request = world.description("a", "cpus:1");
  Errc expected = Errc::invalid_argument;
  SECTION("another cluster") {
    request.cluster = ClusterUid(5);
    expected = Errc::wrong_cluster;
  }
  SECTION("no resources") { request.total = Resources(); }
  SECTION("no id") { request.agent = AgentId(); }
  SECTION("a path as id") { request.agent = AgentId("../a"); }
  SECTION("too many words") { request.isolation.assign(100'000, 'x'); }
  const SessionId agent = world.open(Lane::agent);
  world.agent_says(agent, request);
  const auto refused = world.heard<wire::AgentRefused>(agent);
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].error.code == expected);
  CHECK_FALSE(world.is_open(agent));
  CHECK(world.proposed.empty());
}

TEST_CASE("an update before registration, and a master's words, end the session",
          "[master][agents]") {
  World world;
  const SessionId agent = world.open(Lane::agent);
  SECTION("update") { world.update(agent, TaskState::running, 1); }
  SECTION("ping") { world.agent_says(agent, wire::AgentPing{}); }
  SECTION("garbage") {
    Effects effects;
    world.core->garbage(world.at, agent, Error{Errc::protocol, "bytes"}, effects);
    world.perform(effects);
  }
  CHECK(world.heard<wire::AgentRefused>(agent).size() == 1);
  CHECK_FALSE(world.is_open(agent));
  CHECK(world.core->counters().protocol_errors == 1);
}

TEST_CASE(
    "a registered agent is pinged, and one that does not answer is lost and its tasks with it",
    "[master][agents]") {
  World world;
  auto [agent, framework] = world.running();
  for (int i = 0; i < 20; ++i) {  // It answers: nothing happens.
    world.advance(1s);
    CHECK(world.heard<wire::AgentPing>(agent).size() == 1);
    world.agent_says(agent, wire::AgentPong{});
    world.scheduler_says(framework, wire::SchedulerPong{});
  }
  REQUIRE(world.proposed.empty());

  for (int i = 0; i < 16; ++i) {
    world.advance(1s);
    world.scheduler_says(framework, wire::SchedulerPong{});
  }
  REQUIRE(world.proposals<LoseAgent>().size() == 1);
  CHECK_FALSE(world.is_open(agent));
  CHECK(world.heard<wire::Update>(framework).empty());
  world.apply_all();
  const auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::lost);
  CHECK(updates[0].status.reason == "agent_lost");
  CHECK(updates[0].status.sequence > 0);
  world.scheduler_says(framework, wire::Acknowledge{TaskId("t"), updates[0].status.sequence});
  world.apply_all();
  CHECK(world.state.tasks().empty());
}

TEST_CASE("an agent that disconnects keeps its tasks and has its time to come back",
          "[master][agents]") {
  World world;
  auto [agent, framework] = world.running();
  world.hang_up(agent);
  world.advance(14s);
  CHECK(world.proposed.empty());
  const SessionId back = world.agent(
      "a", "cpus:4;mem:1000", {{FrameworkId("f"), World::status("t", TaskState::running, 2)}});
  CHECK(world.heard<wire::RunTask>(back).empty());
  CHECK(world.heard<wire::KillAgentTask>(back).empty());
  CHECK(world.heard<wire::AgentUpdateAck>(back).size() == 1);
}

TEST_CASE("a new leader gives every agent its time, and declares the rest lost one by one",
          "[master][agents]") {
  World world;
  for (const char* name : {"a", "b", "c"}) world.agent(name);
  world.lead();
  world.advance(14s);
  CHECK(world.proposed.empty());
  world.advance(1500ms);
  CHECK(world.proposals<LoseAgent>().size() == 1);
  world.advance(1s);
  CHECK(world.proposals<LoseAgent>().size() == 2);
  world.advance(1s);
  CHECK(world.proposals<LoseAgent>().size() == 3);
  world.advance(5s);
  CHECK(world.proposals<LoseAgent>().size() == 3);
}

TEST_CASE("what an agent lacks is sent again when it registers", "[master][agents]") {
  World world;
  auto [agent, framework] = world.running();
  world.hang_up(agent);
  SECTION("a task it never heard of") {
    const SessionId back = world.agent("a");
    CHECK(world.heard<wire::RunTask>(back).size() == 1);
    CHECK(world.heard<wire::KillAgentTask>(back).empty());
  }
  SECTION("a kill, whether it has the task or not") {
    world.scheduler_says(framework, wire::Kill{TaskId("t")});
    world.apply_all();
    const SessionId back = world.agent("a");
    CHECK(world.heard<wire::RunTask>(back).empty());
    CHECK(world.heard<wire::KillAgentTask>(back).size() == 1);
  }
  SECTION("also under a new leader") {
    world.lead();
    const SessionId back = world.agent("a");
    CHECK(world.heard<wire::RunTask>(back).size() == 1);
  }
}

TEST_CASE("what an agent has too much is killed, or acknowledged where it has ended",
          "[master][agents]") {
  World world;
  auto [agent, framework] = world.running();
  world.hang_up(agent);
  world.apply(LoseAgent{.agent = AgentId("a"), .reason = "test"});
  const std::vector<wire::AgentTask> tasks = {
      {FrameworkId("f"), World::status("t", TaskState::running, 2)},
      {FrameworkId("f"), World::status("unknown", TaskState::finished, 3)}};
  const SessionId back = world.agent("a", "cpus:4;mem:1000", tasks);
  REQUIRE(world.heard<wire::AgentRegistered>(back).size() == 1);
  const auto kills = world.heard<wire::KillAgentTask>(back);
  REQUIRE(kills.size() == 1);
  CHECK(kills[0].task == TaskId("t"));
  CHECK(world.heard<wire::RunTask>(back).empty());
  CHECK(world.heard<wire::AgentUpdateAck>(back).size() == 2);

  world.heard<wire::Update>(framework);
  world.update(back, TaskState::killed, 3);  // Its end, at last: the record holds.
  CHECK(world.heard<wire::AgentUpdateAck>(back).size() == 1);
  CHECK(world.proposed.empty());
  CHECK(world.heard<wire::Update>(framework).empty());
}

TEST_CASE("an end that an agent reports by registering is committed like any other",
          "[master][agents]") {
  World world;
  world.running();
  world.lead();
  const SessionId its_framework = world.framework();
  const SessionId back = world.open(Lane::agent);
  auto request = world.description("a", "cpus:4;mem:1000");
  request.tasks = {{FrameworkId("f"), World::status("t", TaskState::failed, 4)}};
  world.agent_says(back, request);
  CHECK(world.heard<wire::AgentUpdateAck>(back).empty());
  CHECK(world.heard<wire::RunTask>(back).empty());
  world.apply_all();
  CHECK(world.heard<wire::AgentUpdateAck>(back).size() == 1);
  const auto updates = world.heard<wire::Update>(its_framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::failed);
}

TEST_CASE("what runs is rebuilt after a failover from what agents say", "[master][agents]") {
  World world;
  world.running();
  world.lead();
  const SessionId framework = world.framework();
  world.agent("a", "cpus:4;mem:1000",
              {{FrameworkId("f"), World::status("t", TaskState::running, 2)}});
  const auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::running);
  const auto offers = world.offers(framework);  // Only what the task does not hold.
  REQUIRE(offers.size() == 1);
  CHECK(offers[0].resources == resources("cpus:3;mem:900"));
}

TEST_CASE("an agent that registers while its loss is being committed is registered after it",
          "[master][agents]") {
  World world;
  auto [agent, framework] = world.running();
  world.offers(framework);
  world.hang_up(agent);
  for (int i = 0; i < 16; ++i) {
    world.advance(1s);
    world.scheduler_says(framework, wire::SchedulerPong{});
  }
  REQUIRE(world.proposals<LoseAgent>().size() == 1);
  const SessionId back = world.open(Lane::agent);
  world.agent_says(back, world.description("a", "cpus:4;mem:1000"));
  CHECK(world.heard<wire::AgentRegistered>(back).empty());
  world.apply_all();
  CHECK(world.heard<wire::AgentRegistered>(back).size() == 1);
  CHECK(world.heard<wire::RunTask>(back).empty());  // The task was lost with the agent.
  const auto offers = world.offers(framework);
  REQUIRE(offers.size() == 1);
  CHECK(offers[0].resources == resources("cpus:4;mem:1000"));
}

}  // namespace cluster::master::test
