#include <vector>

#include "tests/catch.hpp"
#include "tests/unit/registry/commands.hpp"

using namespace cluster;
using namespace cluster::test;
using Kind = RegistryEvent::Kind;
using Catch::Contains;

namespace {

// A state with agents a1 and a2 and the framework f.
class World {
 public:
  explicit World(RegistryLimits limits = {}) : state(limits), limits_(limits) {
    apply(RegisterAgent{agent_record("a1")});
    apply(RegisterAgent{agent_record("a2")});
    apply(RegisterFramework{framework_record("f")});
  }

  std::vector<RegistryEvent> apply(const RegistryCommand& command) {
    at = at.next();
    auto events = state.apply(at, command);
    check_invariants(state, limits_);
    return events;
  }

  std::vector<Kind> kinds(const RegistryCommand& command) {
    std::vector<Kind> kinds;
    for (const RegistryEvent& event : apply(command)) kinds.push_back(event.kind);
    return kinds;
  }

  std::string refusal(const RegistryCommand& command) {
    auto digest = state.digest();
    auto events = apply(command);
    REQUIRE(events.size() == 1);
    REQUIRE(events[0].kind == Kind::refused);
    CHECK(state.digest() == digest);
    CHECK(state.applied() == at);
    return events[0].message;
  }

  // Launches the next attempt of a piece of job j on a1.
  TaskKey launch_piece(std::uint32_t stage, std::uint32_t index) {
    auto attempt = state.find(JobId("j"))->tasks[stage][index].attempt + 1;
    TaskKey k = key("f", "t" + std::to_string(++tasks_));
    CHECK(kinds(launch(k, "a1", JobRef{JobId("j"), stage, index, attempt})) ==
          std::vector{Kind::task_launched, Kind::job_changed});
    return k;
  }
  const JobRecord& job() const { return *state.find(JobId("j")); }
  const JobTask& piece(std::size_t stage, std::size_t index) const {
    return job().tasks[stage][index];
  }

  RegistryState state;
  Position at;

 private:
  RegistryLimits limits_;
  int tasks_ = 0;
};

using Kinds = std::vector<Kind>;

}  // namespace

TEST_CASE("a task's life is launch, end, acknowledgement, and then history", "[registry][task]") {
  World world;
  TaskKey t = key("f", "t");

  CHECK(world.kinds(launch(t, "a1")) == Kinds{Kind::task_launched});
  CHECK(world.state.find(t)->status.state == TaskState::staging);
  CHECK(world.state.find(t)->status.agent == AgentId("a1"));
  CHECK(world.kinds(end_of(t, TaskState::finished)) == Kinds{Kind::task_ended});
  CHECK(world.state.find(t)->status.state == TaskState::finished);
  CHECK(world.kinds(AcknowledgeTask{t}) == Kinds{Kind::task_acknowledged});

  CHECK(world.state.find(t) == nullptr);
  REQUIRE(world.state.history().size() == 1);
  CHECK(world.state.history()[0].key == t);
  CHECK(world.state.history()[0].acknowledged);
}

TEST_CASE("the first end of a task holds", "[registry][task]") {
  World world;
  TaskKey t = key("f", "t");
  world.apply(launch(t, "a1"));
  world.apply(end_of(t, TaskState::failed));

  CHECK_THAT(world.refusal(end_of(t, TaskState::finished)), Contains("has ended already"));
  CHECK(world.state.find(t)->status.state == TaskState::failed);
}

TEST_CASE("an end must be one", "[registry][task]") {
  World world;
  world.apply(launch(key("f", "t"), "a1"));

  CHECK_THAT(world.refusal(end_of(key("f", "t"), TaskState::running)), Contains("not an end"));
  CHECK_THAT(world.refusal(end_of(key("f", "u"), TaskState::failed)), Contains("no such task"));
}

TEST_CASE("a launch needs a known framework, a registered agent and a new key",
          "[registry][task]") {
  World world;
  world.apply(launch(key("f", "t"), "a1"));
  world.apply(LoseAgent{AgentId("a2"), "silent", wall(2)});
  world.apply(RegisterFramework{framework_record("g")});
  world.apply(RemoveFramework{FrameworkId("g"), wall(3)});

  CHECK_THAT(world.refusal(launch(key("f", "t"), "a1")), Contains("known already"));
  CHECK_THAT(world.refusal(launch(key("x", "t"), "a1")), Contains("no such framework"));
  CHECK_THAT(world.refusal(launch(key("g", "t"), "a1")), Contains("framework was removed"));
  CHECK_THAT(world.refusal(launch(key("f", "u"), "a9")), Contains("no such agent"));
  CHECK_THAT(world.refusal(launch(key("f", "u"), "a2")), Contains("agent is lost"));
}

TEST_CASE("a key in the history may be used again", "[registry][task]") {
  World world;
  TaskKey t = key("f", "t");
  world.apply(launch(t, "a1"));
  world.apply(end_of(t, TaskState::finished));
  world.apply(AcknowledgeTask{t});

  CHECK(world.kinds(launch(t, "a2")) == Kinds{Kind::task_launched});
}

TEST_CASE("a kill is remembered, may be asked for again, and not of an ended task",
          "[registry][task]") {
  World world;
  TaskKey t = key("f", "t");
  world.apply(launch(t, "a1"));

  CHECK(world.kinds(KillTask{t}) == Kinds{Kind::task_kill_requested});
  auto digest = world.state.digest();
  CHECK(world.kinds(KillTask{t}) == Kinds{Kind::task_kill_requested});
  CHECK(world.state.digest() == digest);
  CHECK(world.state.find(t)->kill_requested);
  world.apply(end_of(t, TaskState::killed));
  CHECK_THAT(world.refusal(KillTask{t}), Contains("has ended already"));
}

TEST_CASE("only an end is acknowledged", "[registry][task]") {
  World world;
  world.apply(launch(key("f", "t"), "a1"));
  CHECK_THAT(world.refusal(AcknowledgeTask{key("f", "t")}), Contains("not ended yet"));
}

TEST_CASE("a lost agent's open tasks end as lost, in the order of their keys", "[registry]") {
  World world;
  for (const char* name : {"c", "a", "b"}) world.apply(launch(key("f", name), "a1"));
  world.apply(launch(key("f", "other"), "a2"));
  world.apply(end_of(key("f", "b"), TaskState::finished));

  auto events = world.apply(LoseAgent{AgentId("a1"), "no answer for 15 s", wall(77)});

  REQUIRE(events.size() == 3);
  CHECK(events[0].kind == Kind::agent_lost);
  CHECK(events[1].task == key("f", "a"));
  CHECK(events[2].task == key("f", "c"));
  const TaskStatus& status = world.state.find(key("f", "a"))->status;
  CHECK(status.state == TaskState::lost);
  CHECK(status.reason == "agent_lost");
  CHECK(status.message == "no answer for 15 s");
  CHECK(status.at == wall(77));
  CHECK(status.sequence > 1'000'000);  // Newer than all that the agent can have reported.
  CHECK(world.state.find(key("f", "b"))->status.state == TaskState::finished);
  CHECK_FALSE(is_terminal(world.state.find(key("f", "other"))->status.state));
  CHECK_THAT(world.refusal(LoseAgent{AgentId("a1"), "", wall(78)}), Contains("lost already"));
}

TEST_CASE("a lost agent that registers again is registered, and its tasks stay ended",
          "[registry]") {
  World world;
  world.apply(launch(key("f", "t"), "a1"));
  world.apply(LoseAgent{AgentId("a1"), "", wall(2)});

  CHECK(world.kinds(RegisterAgent{agent_record("a1", wall(3))}) == Kinds{Kind::agent_registered});

  CHECK(world.state.find(AgentId("a1"))->state == AgentRecord::State::registered);
  CHECK(world.state.find(key("f", "t"))->status.state == TaskState::lost);
  CHECK(world.kinds(launch(key("f", "u"), "a1")) == Kinds{Kind::task_launched});
}

TEST_CASE("a removed framework's tasks are killed, and end without acknowledgement", "[registry]") {
  World world;
  world.apply(launch(key("f", "ended"), "a1"));
  world.apply(launch(key("f", "killing"), "a1"));
  world.apply(launch(key("f", "open"), "a1"));
  world.apply(end_of(key("f", "ended"), TaskState::finished));
  world.apply(KillTask{key("f", "killing")});

  CHECK(world.kinds(RemoveFramework{FrameworkId("f"), wall(5)}) ==
        Kinds{Kind::framework_removed, Kind::task_acknowledged, Kind::task_kill_requested});

  CHECK(world.kinds(end_of(key("f", "open"), TaskState::killed)) ==
        Kinds{Kind::task_ended, Kind::task_acknowledged});
  CHECK(world.kinds(LoseAgent{AgentId("a1"), "", wall(6)}) ==
        Kinds{Kind::agent_lost, Kind::task_ended, Kind::task_acknowledged});
  CHECK(world.state.tasks().empty());
  CHECK(world.state.history().size() == 3);
  CHECK_THAT(world.refusal(RegisterFramework{framework_record("f")}), Contains("was removed"));
  CHECK_THAT(world.refusal(RemoveFramework{FrameworkId("f"), wall(7)}),
             Contains("removed already"));
}

TEST_CASE("a framework that registers again changes its name, role and timeout only",
          "[registry]") {
  World world;
  FrameworkRecord again = framework_record("f");
  again.name = "new name";
  again.role = "new role";
  again.failover_timeout = std::chrono::seconds(60);
  again.since = wall(99);

  world.apply(RegisterFramework{again});

  again.since = wall(1);
  CHECK(*world.state.find(FrameworkId("f")) == again);
  CHECK(world.state.frameworks_made() == 1);
}

TEST_CASE("a batch succeeds when all of its tasks have", "[registry][job]") {
  World world;
  CHECK(world.kinds(SubmitJob{job_spec("j", {stage("map", 2), stage("reduce", 1)}), wall(4)}) ==
        Kinds{Kind::job_submitted});

  for (auto [s, i] : {std::pair{0u, 0u}, {0u, 1u}, {1u, 0u}}) {
    CHECK(world.job().state == JobState::active);
    TaskKey t = world.launch_piece(s, i);
    CHECK(world.kinds(end_of(t, TaskState::finished, 50)) ==
          Kinds{Kind::task_ended, Kind::job_changed});
    CHECK(world.piece(s, i).exit == TaskExit{});
  }

  CHECK(world.job().state == JobState::succeeded);
  CHECK(world.job().ended_at == wall(50));
  CHECK(world.job().revision == world.at.value());
}

TEST_CASE("failures up to attempts_max are tried again, losses without end", "[registry][job]") {
  World world;
  world.apply(SubmitJob{job_spec("j", {stage("map", 1, 2)}), wall(4)});

  for (TaskState state : {TaskState::lost, TaskState::failed, TaskState::dropped}) {
    world.apply(end_of(world.launch_piece(0, 0), state));
    CHECK(world.piece(0, 0).state == JobTask::State::waiting);
  }
  CHECK(world.piece(0, 0).failures == 1);
  CHECK(world.piece(0, 0).losses == 2);
  CHECK(world.piece(0, 0).attempt == 3);

  world.apply(end_of(world.launch_piece(0, 0), TaskState::failed));
  CHECK(world.piece(0, 0).state == JobTask::State::failed);
  CHECK(world.job().state == JobState::failed);
  CHECK_THAT(world.job().message,
             Contains("task 0 of stage map failed 2 times, at last: exit code 7"));
}

TEST_CASE("a job that fails stops, and has failed once nothing of it runs", "[registry][job]") {
  World world;
  world.apply(SubmitJob{job_spec("j", {stage("map", 3)}), wall(4)});
  TaskKey fails = world.launch_piece(0, 0), goes_on = world.launch_piece(0, 1);

  world.apply(end_of(fails, TaskState::failed));
  CHECK(world.job().state == JobState::stopping);
  CHECK_THAT(world.refusal(launch(key("f", "n"), "a1", JobRef{JobId("j"), 0, 2, 1})),
             Contains("the job is stopping"));

  world.apply(end_of(goes_on, TaskState::killed, 60));
  CHECK(world.job().state == JobState::failed);
  CHECK(world.job().ended_at == wall(60));
  CHECK(world.piece(0, 1).failures == 0);  // Killed because the job stopped.
}

TEST_CASE("a kill by hand of an active batch's task is a failure", "[registry][job]") {
  World world;
  world.apply(SubmitJob{job_spec("j", {stage("map", 1, 5)}), wall(4)});
  world.apply(end_of(world.launch_piece(0, 0), TaskState::killed));
  CHECK(world.piece(0, 0).failures == 1);
  CHECK(world.piece(0, 0).state == JobTask::State::waiting);
}

TEST_CASE("a service's task that ends in any way waits to run again", "[registry][job]") {
  World world;
  world.apply(SubmitJob{job_spec("j", {stage("web", 1)}, JobKind::service), wall(4)});
  for (TaskState state :
       {TaskState::finished, TaskState::failed, TaskState::killed, TaskState::lost}) {
    world.apply(end_of(world.launch_piece(0, 0), state));
    CHECK(world.piece(0, 0).state == JobTask::State::waiting);
    CHECK(world.job().state == JobState::active);
  }
}

TEST_CASE("a job told to stop is stopped once nothing of it runs", "[registry][job]") {
  World world;
  world.apply(SubmitJob{job_spec("j", {stage("web", 1)}, JobKind::service), wall(4)});
  TaskKey t = world.launch_piece(0, 0);

  CHECK(world.kinds(StopJob{JobId("j"), "by hand", wall(8)}) == Kinds{Kind::job_changed});
  CHECK(world.job().state == JobState::stopping);
  CHECK(world.kinds(StopJob{JobId("j"), "again", wall(8)}) == Kinds{Kind::job_changed});
  CHECK(world.job().message == "by hand");
  world.apply(end_of(t, TaskState::killed));
  CHECK(world.job().state == JobState::stopped);
  CHECK_THAT(world.refusal(StopJob{JobId("j"), "", wall(9)}), Contains("it was stopped"));
  CHECK_THAT(world.refusal(StopJob{JobId("k"), "", wall(9)}), Contains("no such job"));
}

TEST_CASE("a job of which nothing runs is stopped at once", "[registry][job]") {
  World world;
  world.apply(SubmitJob{job_spec("j", {stage("map", 2)}), wall(4)});
  world.apply(StopJob{JobId("j"), "by hand", wall(8)});
  CHECK(world.job().state == JobState::stopped);
  CHECK(world.job().ended_at == wall(8));
}

TEST_CASE("submitting the same job again is no error, another under its id is", "[registry][job]") {
  World world;
  JobSpec spec = job_spec("j", {stage("map", 2)});
  world.apply(SubmitJob{spec, wall(4)});
  JobRecord before = world.job();

  CHECK(world.kinds(SubmitJob{spec, wall(9)}) == Kinds{Kind::job_submitted});
  CHECK(world.job() == before);
  spec.stages[0].instances = 3;
  CHECK_THAT(world.refusal(SubmitJob{spec, wall(9)}), Contains("another spec"));
  CHECK_THAT(world.refusal(SubmitJob{JobSpec{.id = JobId("k")}, wall(9)}),
             Contains("at least one"));
}

TEST_CASE("a piece is launched once at a time, and by its next attempt", "[registry][job]") {
  World world;
  world.apply(SubmitJob{job_spec("j", {stage("map", 1, 3)}), wall(4)});
  auto refusal = [&](JobRef ref) { return world.refusal(launch(key("f", "x"), "a1", ref)); };

  CHECK_THAT(refusal({JobId("k"), 0, 0, 1}), Contains("no such job"));
  CHECK_THAT(refusal({JobId("j"), 1, 0, 1}), Contains("no such piece"));
  CHECK_THAT(refusal({JobId("j"), 0, 1, 1}), Contains("no such piece"));
  CHECK_THAT(refusal({JobId("j"), 0, 0, 2}), Contains("next attempt"));
  CHECK_THAT(refusal({JobId("j"), 0, 0, 0}), Contains("next attempt"));
  world.launch_piece(0, 0);
  CHECK_THAT(refusal({JobId("j"), 0, 0, 2}), Contains("does not wait"));
}

TEST_CASE("what has ended is kept up to a limit, the oldest goes first", "[registry][limits]") {
  World world(RegistryLimits{.ended_tasks_kept = 2,
                             .ended_jobs_kept = 1,
                             .lost_agents_kept = 1,
                             .removed_frameworks_kept = 1});
  for (const char* name : {"t1", "t2", "t3"}) {
    world.apply(launch(key("f", name), "a1"));
    world.apply(end_of(key("f", name), TaskState::finished));
    world.apply(AcknowledgeTask{key("f", name)});
  }
  REQUIRE(world.state.history().size() == 2);
  CHECK(world.state.history()[0].key == key("f", "t2"));

  for (const char* name : {"j2", "j1"}) {  // j2 ends first.
    world.apply(SubmitJob{job_spec(name, {stage("s", 1)}), wall(4)});
    world.apply(StopJob{JobId(name), "", world.state.jobs().size() == 1 ? wall(5) : wall(6)});
  }
  CHECK(world.state.find(JobId("j2")) == nullptr);
  CHECK(world.state.find(JobId("j1")) != nullptr);
}

TEST_CASE("a lost agent or removed framework that a kept task names is kept",
          "[registry][limits]") {
  World world(RegistryLimits{.lost_agents_kept = 0, .removed_frameworks_kept = 0});
  world.apply(launch(key("f", "t"), "a1"));

  world.apply(LoseAgent{AgentId("a1"), "", wall(2)});
  CHECK(world.state.find(AgentId("a1")) != nullptr);  // Its task's end is not acknowledged yet.
  world.apply(AcknowledgeTask{key("f", "t")});
  world.apply(LoseAgent{AgentId("a2"), "", wall(3)});
  CHECK(world.state.agents().empty());

  world.apply(RemoveFramework{FrameworkId("f"), wall(4)});
  CHECK(world.state.frameworks().empty());
  CHECK(world.state.frameworks_made() == 1);
}

TEST_CASE("equal states have equal digests, whatever the order of their making",
          "[registry][digest]") {
  RegistryState one, other;
  CHECK(one.digest() == std::array<std::uint64_t, 2>{});
  one.apply(Position(1), RegisterAgent{agent_record("a1")});
  one.apply(Position(2), RegisterAgent{agent_record("a2")});
  other.apply(Position(5), RegisterAgent{agent_record("a2")});
  CHECK(one.digest() != other.digest());
  other.apply(Position(8), RegisterAgent{agent_record("a1")});
  CHECK(one.digest() == other.digest());
}

TEST_CASE("the digest of a given state is the same in every build", "[registry][digest]") {
  World world;
  world.apply(SubmitJob{job_spec("j", {stage("map", 2)}), wall(4)});
  world.launch_piece(0, 1);
  CHECK(world.state.digest() ==
        std::array<std::uint64_t, 2>{0xfb2e6bae90e390be, 0xbe0c6a93f53bc9ca});
}

TEST_CASE("the first term says what the cluster is known by, for ever", "[registry]") {
  RegistryState state;
  CHECK(state.cluster() == ClusterUid{});
  state.apply(Position(1), BeginTerm{.term = 1, .leader = NodeId(1), .cluster = ClusterUid(7)});
  state.apply(Position(2), BeginTerm{.term = 9, .leader = NodeId(1), .cluster = ClusterUid(8)});
  CHECK(state.cluster() == ClusterUid(7));
}
