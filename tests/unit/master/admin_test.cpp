// What tools are answered.
#include "master/follower.hpp"
#include "tests/unit/master/world.hpp"

namespace cluster::master::test {
namespace {

JobSpec job_spec(std::string id) {
  JobSpec spec;
  spec.id = JobId(std::move(id));
  spec.name = "count";
  StageSpec stage;
  stage.name = "map";
  stage.command.argv = {"/bin/true"};
  stage.resources = resources("cpus:1;mem:10");
  spec.stages = {stage};
  return spec;
}

}  // namespace

TEST_CASE("tables show who is here, what is held, and what agents say of tasks",
          "[master][admin]") {
  World world;
  auto [agent, framework] = world.running();
  world.update(agent, TaskState::running, 1);
  const SessionId tool = world.open(Lane::admin);

  world.tool_asks(tool, wire::GetAgents{});
  const auto agents = world.heard<wire::AgentRows>(tool).at(0).rows;
  REQUIRE(agents.size() == 1);
  CHECK(agents[0].connected);
  CHECK(agents[0].used == resources("cpus:1;mem:100"));

  world.tool_asks(tool, wire::GetFrameworks{});
  const auto frameworks = world.heard<wire::FrameworkRows>(tool).at(0).rows;
  REQUIRE(frameworks.size() == 1);
  CHECK(frameworks[0].connected);
  CHECK(frameworks[0].tasks == 1);

  wire::TaskRow waiting;
  waiting.why = "no agent has cpus:64";
  world.core->set_pending_tasks({waiting});
  world.tool_asks(tool, wire::GetTasks{});
  const auto tasks = world.heard<wire::TaskRows>(tool).at(0).rows;
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0].why == waiting.why);
  CHECK(tasks[1].status.state == TaskState::running);
  CHECK(tasks[1].hostname == "host");
}

TEST_CASE("a job is submitted once it is committed, and again without harm", "[master][admin]") {
  World world;
  const SessionId tool = world.open(Lane::admin);
  world.tool_asks(tool, wire::SubmitJobRequest{job_spec("j")});
  CHECK(world.heard<wire::Done>(tool).empty());
  world.apply_all();
  CHECK(world.heard<wire::Done>(tool).size() == 1);

  world.tool_asks(tool, wire::SubmitJobRequest{job_spec("j")});
  CHECK(world.heard<wire::Done>(tool).size() == 1);
  CHECK(world.proposed.empty());

  JobSpec other = job_spec("j");
  other.name = "other";
  world.tool_asks(tool, wire::SubmitJobRequest{other});
  CHECK(world.heard<wire::Failure>(tool).at(0).error.code == Errc::already_exists);
  other = job_spec("");
  world.tool_asks(tool, wire::SubmitJobRequest{other});
  CHECK(world.heard<wire::Failure>(tool).at(0).error.code == Errc::invalid_argument);
}

TEST_CASE("a question about a job waits for its change, or its time", "[master][admin]") {
  World world;
  const SessionId tool = world.open(Lane::admin);
  world.tool_asks(tool, wire::GetJob{.job = JobId("j")});
  CHECK(world.heard<wire::Failure>(tool).at(0).error.code == Errc::not_found);
  world.apply(SubmitJob{.job = job_spec("j")});
  world.tool_asks(tool, wire::GetJob{.job = JobId("j")});
  const auto now = world.heard<wire::JobAnswer>(tool);
  REQUIRE(now.size() == 1);
  world.tool_asks(tool, wire::GetJob{JobId("j"), now[0].job.revision, 10s});
  world.advance(9s);
  CHECK(world.heard<wire::JobAnswer>(tool).empty());
  SECTION("its time") {
    world.advance(1s);
    CHECK(world.heard<wire::JobAnswer>(tool).size() == 1);
  }
  SECTION("its change") {
    world.tool_asks(tool, wire::StopJobRequest{JobId("j")}, 2);
    world.apply_all();
    CHECK(world.heard<wire::JobAnswer>(tool).size() == 1);
    CHECK(world.heard<wire::Done>(tool).size() == 1);
  }
  SECTION("the end of this leader") {
    Effects effects;
    world.core->stop(Endpoint{"127.0.0.1", 5002}, effects);
    world.perform(effects);
    CHECK(world.heard<wire::AdminRedirect>(tool).size() == 1);
    CHECK_FALSE(world.is_open(tool));
  }
}

TEST_CASE("a task is killed by its id alone where that is clear", "[master][admin]") {
  World world;
  auto [agent, framework] = world.running();
  const SessionId tool = world.open(Lane::admin);
  world.tool_asks(tool, wire::KillTaskRequest{FrameworkId(), TaskId("t")});
  CHECK(world.heard<wire::Done>(tool).empty());
  world.apply_all();
  CHECK(world.heard<wire::Done>(tool).size() == 1);
  CHECK(world.heard<wire::KillAgentTask>(agent).size() == 1);

  world.tool_asks(tool, wire::KillTaskRequest{FrameworkId(), TaskId("none")});
  CHECK(world.heard<wire::Failure>(tool).at(0).error.code == Errc::not_found);
  const SessionId other = world.framework("g");
  world.agent("b");
  world.accept(other, world.offers(other).at(0).id, {task_spec("t")});
  world.tool_asks(tool, wire::KillTaskRequest{FrameworkId(), TaskId("t")});
  CHECK(world.heard<wire::Failure>(tool).at(0).error.code == Errc::invalid_argument);
  CHECK(world.is_open(framework));
}

TEST_CASE("a master answers no agents' questions, and refuses answers", "[master][admin]") {
  World world;
  const SessionId tool = world.open(Lane::admin);
  world.tool_asks(tool, wire::StopAgent{});
  CHECK(world.heard<wire::Failure>(tool).at(0).error.code == Errc::invalid_argument);
  world.tool_asks(tool, wire::Done{});
  CHECK_FALSE(world.is_open(tool));
}

TEST_CASE("questions that wait are limited, and forgotten with their session",
          "[master][admin][limits]") {
  World world;
  world.options.limits.waiters_max = 1;
  world.lead();
  world.apply(SubmitJob{.job = job_spec("j")});
  const wire::GetJob wait{JobId("j"), ~std::uint64_t{0}, 10s};
  const SessionId first = world.open(Lane::admin);
  const SessionId second = world.open(Lane::admin);
  world.tool_asks(first, wait);
  world.tool_asks(second, wait);
  CHECK(world.heard<wire::Failure>(second).at(0).error.code == Errc::overloaded);
  world.hang_up(first);
  world.tool_asks(second, wait);
  CHECK(world.heard<wire::Failure>(second).empty());
}

TEST_CASE("a master that does not lead names the leader, never itself", "[master][follower]") {
  World world;
  Leadership leadership{.term = 3, .leader = NodeId(2)};
  CHECK(leader_endpoint(leadership, world.options) == Endpoint{"127.0.0.1", 5002});
  leadership.leader = NodeId(1);
  CHECK_FALSE(leader_endpoint(leadership, world.options));
  leadership.leader = NodeId();
  CHECK_FALSE(leader_endpoint(leadership, world.options));

  world.running();
  const auto status = status_of(world.state, leadership, LogRange{}, world.options);
  CHECK(status.agents == 1);
  CHECK(status.frameworks == 1);
  CHECK(status.tasks == 1);
  CHECK(status.digest == world.state.digest()[0]);
  CHECK(status.members.size() == 2);
}

}  // namespace cluster::master::test
