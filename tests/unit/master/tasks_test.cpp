// The laws of a task's life.
#include "tests/unit/master/world.hpp"

namespace cluster::master::test {

TEST_CASE("a launch is committed before the agent hears of it", "[master][tasks]") {
  World world;
  const SessionId agent = world.agent("a");
  const SessionId framework = world.framework();
  const auto offers = world.offers(framework);
  REQUIRE(offers.size() == 1);

  world.accept(framework, offers[0].id, {task_spec("t")});
  CHECK(world.heard<wire::RunTask>(agent).empty());
  REQUIRE(world.proposals<LaunchTask>().size() == 1);

  world.apply_one();
  const auto runs = world.heard<wire::RunTask>(agent);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].task == TaskId("t"));
  CHECK(runs[0].spec == wire::encode(task_spec("t")));
}

TEST_CASE(
    "an end is committed before its resources are free, the agent may forget, or the "
    "framework hears",
    "[master][tasks]") {
  World world;
  auto [agent, framework] = world.running();
  const Resources before = world.core->allocator().allocated(FrameworkId("f"));
  world.offers(framework);

  world.update(agent, TaskState::finished, 1);
  CHECK(world.heard<wire::AgentUpdateAck>(agent).empty());
  CHECK(world.heard<wire::Update>(framework).empty());
  CHECK(world.core->allocator().allocated(FrameworkId("f")).contains(before));

  world.apply_all();
  const auto acks = world.heard<wire::AgentUpdateAck>(agent);
  REQUIRE(acks.size() == 1);
  CHECK(acks[0].sequence == 1);
  const auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::finished);
  // All of the agent is offered now: the task's part as well.
  const auto offers = world.offers(framework);
  REQUIRE(offers.size() == 1);
  CHECK(offers[0].resources == resources("cpus:1;mem:100"));
}

TEST_CASE("an end that is reported twice while it is being committed is proposed once",
          "[master][tasks]") {
  World world;
  auto [agent, framework] = world.running();
  world.update(agent, TaskState::finished, 1);
  world.update(agent, TaskState::finished, 1);
  CHECK(world.proposals<EndTask>().size() == 1);
  world.apply_all();
  CHECK(world.heard<wire::Update>(framework).size() == 1);

  world.update(agent, TaskState::finished, 1);  // It lost the acknowledgement.
  CHECK(world.proposed.empty());
  CHECK(world.heard<wire::AgentUpdateAck>(agent).size() == 2);
}

TEST_CASE("an end with more words than an entry of the log can hold is cut, and committed",
          "[master][tasks]") {
  World world;
  const auto [agent, framework] = world.running();
  TaskStatus status = World::status("t", TaskState::failed, 3);
  status.reason = std::string(10, 'r');
  status.message = std::string(2u << 20, 'm');
  world.agent_says(agent, wire::AgentUpdate{FrameworkId("f"), status});
  const auto ends = world.proposals<EndTask>();
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].status.reason == status.reason);
  CHECK(ends[0].status.message == std::string(world.options.limits.status_text_max, 'm'));
}

TEST_CASE("updates of a task reach the framework in order, one at a time, until acknowledged",
          "[master][tasks]") {
  World world;
  auto [agent, framework] = world.running();
  world.update(agent, TaskState::starting, 1);
  world.update(agent, TaskState::running, 2);
  world.update(agent, TaskState::failed, 3);
  world.apply_all();

  std::vector<TaskState> seen;
  for (int i = 0; i < 3; ++i) {
    const auto updates = world.heard<wire::Update>(framework);
    REQUIRE(updates.size() == 1);
    seen.push_back(updates[0].status.state);
    world.scheduler_says(framework, wire::Acknowledge{TaskId("t"), 99});  // Of nothing: ignored.
    CHECK(world.heard<wire::Update>(framework).empty());
    world.scheduler_says(framework, wire::Acknowledge{TaskId("t"), updates[0].status.sequence});
  }
  CHECK(seen == std::vector{TaskState::starting, TaskState::running, TaskState::failed});
  CHECK(world.state.history().empty());
  world.apply_all();
  CHECK(world.state.history().size() == 1);
  CHECK(world.state.tasks().empty());
}

TEST_CASE(
    "an update that was not acknowledged is sent again to the next session, and by the next "
    "leader",
    "[master][tasks]") {
  World world;
  auto [agent, framework] = world.running();
  world.update(agent, TaskState::finished, 1);
  world.apply_all();
  REQUIRE(world.heard<wire::Update>(framework).size() == 1);

  const SessionId second = world.framework();
  CHECK(world.heard<wire::Update>(second).size() == 1);

  world.lead();
  const SessionId third = world.framework();
  const auto updates = world.heard<wire::Update>(third);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::finished);
  world.scheduler_says(third, wire::Acknowledge{TaskId("t"), 1});
  world.apply_all();
  CHECK(world.state.tasks().empty());
}

TEST_CASE("a launch that the registry refuses gives its resources back and the framework hears",
          "[master][tasks]") {
  World world;
  const SessionId agent = world.agent("a");
  const SessionId framework = world.framework();
  world.accept(framework, world.offers(framework).at(0).id, {task_spec("t")});
  auto launch = std::move(world.proposed.front());
  world.proposed.clear();
  world.apply(LoseAgent{.agent = AgentId("a"), .reason = "test"});
  world.apply(launch);

  const auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::dropped);
  CHECK(updates[0].status.reason == "launch_refused");
  CHECK(world.core->allocator().allocated(FrameworkId("f")).empty());
  CHECK(world.heard<wire::RunTask>(agent).empty());
}

TEST_CASE("a kill is committed, then sent, and repeated when it is asked for again",
          "[master][kill]") {
  World world;
  auto [agent, framework] = world.running();
  world.scheduler_says(framework, wire::Kill{TaskId("t")});
  world.scheduler_says(framework, wire::Kill{TaskId("t")});
  CHECK(world.heard<wire::KillAgentTask>(agent).empty());
  CHECK(world.proposals<KillTask>().size() == 1);
  world.apply_all();
  CHECK(world.heard<wire::KillAgentTask>(agent).size() == 1);
  world.scheduler_says(framework, wire::Kill{TaskId("t")});
  CHECK(world.heard<wire::KillAgentTask>(agent).size() == 1);
  CHECK(world.proposed.empty());
}

TEST_CASE("a task that is killed while its launch is being committed is killed right after",
          "[master][kill]") {
  World world;
  const SessionId agent = world.agent("a");
  const SessionId framework = world.framework();
  world.accept(framework, world.offers(framework).at(0).id, {task_spec("t")});
  world.scheduler_says(framework, wire::Kill{TaskId("t")});
  CHECK(world.proposals<KillTask>().empty());
  world.apply_all();
  CHECK(world.heard<wire::RunTask>(agent).size() == 1);
  CHECK(world.heard<wire::KillAgentTask>(agent).size() == 1);
}

TEST_CASE("killing a task that nobody knows is answered as lost", "[master][kill]") {
  World world;
  const SessionId framework = world.framework();
  world.scheduler_says(framework, wire::Kill{TaskId("none")});
  const auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::lost);
  CHECK(updates[0].status.reason == "reconciliation");
  CHECK(updates[0].status.sequence == 0);
}

TEST_CASE("reconciliation tells the present state of named tasks, or of all that are open",
          "[master][tasks]") {
  World world;
  auto [agent, framework] = world.running();
  world.update(agent, TaskState::running, 1);
  world.heard<wire::Update>(framework);

  world.scheduler_says(framework, wire::Reconcile{});
  auto updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].status.state == TaskState::running);
  CHECK(updates[0].status.sequence == 0);

  world.scheduler_says(framework, wire::Reconcile{{TaskId("t"), TaskId("none")}});
  updates = world.heard<wire::Update>(framework);
  REQUIRE(updates.size() == 2);
  CHECK(updates[0].status.state == TaskState::running);
  CHECK(updates[1].status.state == TaskState::lost);
}

TEST_CASE("of too many updates that wait, living ones go and the end stays", "[master][updates]") {
  UpdateStream stream;
  for (std::uint64_t i = 1; i <= 10; ++i) stream.add(World::status("t", TaskState::running, i), 4);
  CHECK(stream.next()->sequence == 7);
  CHECK_FALSE(stream.next());
  stream.add(World::status("t", TaskState::finished, 11), 4);
  stream.add(World::status("t", TaskState::running, 12), 4);  // After the end: ignored.
  CHECK(stream.size() == 4);
  std::vector<std::uint64_t> rest;
  CHECK_FALSE(stream.acknowledge(8));
  REQUIRE(stream.acknowledge(7));
  while (auto status = stream.next()) {
    rest.push_back(status->sequence);
    REQUIRE(stream.acknowledge(status->sequence));
  }
  CHECK(rest == std::vector<std::uint64_t>{9, 10, 11});
}

}  // namespace cluster::master::test
