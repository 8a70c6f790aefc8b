#include "tests/unit/scheduler/job_world.hpp"

namespace cluster::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Ids = std::vector<std::string>;

constexpr std::string_view all_of_agent = "cpus:4;mem:4096";

}  // namespace

TEST_CASE("a piece becomes a task with its place in its environment", "[scheduler][jobs]") {
  StageSpec map = stage_of("map", 2);
  map.command = {};
  map.command.environment = {{"SHARED", "1"}, {"BOTH", "stage"}};
  map.commands = {Command{.argv = {"a"}},
                  Command{.argv = {"b"}, .shell = "", .environment = {{"BOTH", "own"}}}};
  map.kill_grace = seconds(9);
  const JobSpec job = job_of("wc", JobKind::batch, {map, stage_of("reduce", 1)});

  const TaskSpec task = task_of(job, JobRef{JobId("wc"), 0, 1, 3});

  CHECK(task.id == TaskId("wc.map.1.3"));
  CHECK(task.name == "wc/map");
  CHECK(task.command.argv == Ids{"b"});
  CHECK(task.command.environment ==
        std::map<std::string, std::string>{{"BOTH", "own"},
                                           {"CLUSTER_ATTEMPT", "3"},
                                           {"CLUSTER_INDEX", "1"},
                                           {"CLUSTER_INSTANCES", "2"},
                                           {"CLUSTER_JOB", "wc"},
                                           {"CLUSTER_STAGE", "map"},
                                           {"CLUSTER_TASK", "wc.map.1.3"},
                                           {"SHARED", "1"}});
  CHECK(task.kill_grace == seconds(9));
  CHECK(task.resources == amount("cpus:1"));
  CHECK(task.labels == std::map<std::string, std::string>{{"job", "wc"}, {"stage", "map"}});
  CHECK(task.job == JobRef{JobId("wc"), 0, 1, 3});
}

TEST_CASE("dots in names do not make two pieces one task", "[scheduler][jobs]") {
  const JobSpec one = job_of("a", JobKind::batch, {stage_of("b.c", 1)});
  const JobSpec other = job_of("a.b", JobKind::batch, {stage_of("c", 1)});
  CHECK(task_id_of(one, {one.id, 0, 0, 1}) != task_id_of(other, {other.id, 0, 0, 1}));
}

TEST_CASE("a stage begins once all pieces of those before it have succeeded", "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  StageSpec reduce = stage_of("reduce", 1);
  reduce.after = {"map"};
  world.submit(job_of("wc", JobKind::batch, {stage_of("map", 2), reduce}));

  world.offer("a1", all_of_agent);
  CHECK(world.commit_placed("a1") == Ids{"wc.map.0.1", "wc.map.1.1"});
  world.finish("wc.map.0.1");
  world.offer("a1", all_of_agent);
  CHECK(world.placed_ids().empty());
  CHECK(world.why() == "waits for stage map (1 of 2 tasks left)");

  world.take<ReviveCall>();
  world.finish("wc.map.1.1");
  CHECK(world.take<ReviveCall>().size() == 1);
  world.offer("a1", all_of_agent);
  CHECK(world.commit_placed("a1") == Ids{"wc.reduce.0.1"});
  world.finish("wc.reduce.0.1");
  CHECK(world.state_of("wc") == JobState::succeeded);
  CHECK(world.core->pending(world.now).total == 0);
}

TEST_CASE("a batch piece runs again until its failures reach the limit, and then never",
          "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  StageSpec stage = stage_of("main", 1);
  stage.attempts_max = 3;
  world.submit(job_of("j", JobKind::batch, {stage}));
  for (const char* task : {"j.main.0.1", "j.main.0.2", "j.main.0.3"}) {
    world.offer("a1", all_of_agent);
    CHECK(world.commit_placed("a1") == Ids{task});
    world.fail(task);
    world.pass(seconds(10));
  }
  CHECK(world.state_of("j") == JobState::failed);
  world.offer("a1", all_of_agent);
  CHECK(world.placed_ids().empty());
}

TEST_CASE("a lost piece runs again at once, and its loss is no failure", "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  world.add_agent("a2", all_of_agent);
  world.submit(job_of("j", JobKind::batch, {stage_of("main", 1)}));
  world.offer("a1", all_of_agent);
  world.commit_placed("a1");

  world.apply(LoseAgent{AgentId("a1"), "silent", world.wall});
  world.offer("a2", all_of_agent);

  CHECK(world.commit_placed("a2") == Ids{"j.main.0.2"});
  CHECK(world.state_of("j") == JobState::active);
  CHECK(world.state.jobs().at(JobId("j")).tasks[0][0].failures == 0);
}

TEST_CASE("a service is kept at its number of instances, however they end", "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", "cpus:100");
  world.submit(job_of("web", JobKind::service, {stage_of("main", 3)}));
  world.offer("a1", "cpus:100");
  CHECK(world.commit_placed("a1").size() == 3);

  world.pass(seconds(60));
  world.finish("web.main.0.1");
  world.fail("web.main.1.1");
  world.end("web.main.2.1", TaskState::killed);
  world.offer("a1", "cpus:100");
  CHECK(world.commit_placed("a1") == Ids{"web.main.0.2", "web.main.1.2", "web.main.2.2"});
}

TEST_CASE("instances of a service go to different agents", "[scheduler][jobs]") {
  JobWorld world;
  for (const char* agent : {"a1", "a2", "a3"}) world.add_agent(agent, all_of_agent);
  world.submit(job_of("web", JobKind::service, {stage_of("main", 6)}));
  world.offer_all({"a1", "a2", "a3"}, all_of_agent);
  const auto accepts = world.take<AcceptCall>();
  REQUIRE(accepts.size() == 3);
  for (const AcceptCall& accept : accepts) CHECK(accept.tasks.size() == 2);
}

TEST_CASE("an instance waits a moment for an agent with fewer of them, and not longer",
          "[scheduler][jobs]") {
  JobWorld world;
  for (const char* agent : {"a1", "a2"}) world.add_agent(agent, all_of_agent);
  world.submit(job_of("web", JobKind::service, {stage_of("main", 2)}));
  world.pass(seconds(60));  // The moment begins with the first offer, not with the waiting.
  world.offer("a1", all_of_agent);
  CHECK(world.commit_placed("a1") == Ids{"web.main.0.1"});
  world.offer("a1", "cpus:3;mem:4096");
  CHECK(world.placed_ids().empty());
  CHECK(world.take<DeclineCall>().empty());

  SECTION("the other agent comes in time") {
    world.offer("a2", all_of_agent);
    const auto accepts = world.take<AcceptCall>();
    REQUIRE(accepts.size() == 1);
    CHECK(accepts[0].offers == std::vector<OfferId>{OfferId(3)});
  }
  SECTION("it does not") {
    CHECK(world.core->deadline() == world.now + seconds(1));
    world.pass(seconds(1));
    CHECK(world.placed_ids() == Ids{"web.main.1.1"});
  }
}

TEST_CASE("tasks of a batch go where most cpus are free", "[scheduler][jobs]") {
  JobWorld world;
  for (const char* agent : {"a1", "a2"}) world.add_agent(agent, "cpus:8");
  world.submit(job_of("j", JobKind::batch, {stage_of("main", 6)}));
  world.tell(TellOffers{{{OfferId(51), AgentId("a1"), "a1", amount("cpus:2")},
                         {OfferId(52), AgentId("a2"), "a2", amount("cpus:8")}}});
  const auto accepts = world.take<AcceptCall>();
  REQUIRE(accepts.size() == 1);
  CHECK(accepts[0].offers == std::vector<OfferId>{OfferId(52)});
  CHECK(accepts[0].tasks.size() == 6);
}

TEST_CASE("jobs take turns, so that a large batch does not starve a later small one",
          "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  world.submit(job_of("large", JobKind::batch, {stage_of("main", 1000)}));
  world.submit(job_of("small", JobKind::batch, {stage_of("main", 2)}));
  Ids placed;
  for (int i = 0; i < 4; ++i) {
    world.offer("a1", "cpus:1");
    for (std::string& id : world.commit_placed("a1")) placed.push_back(std::move(id));
  }
  CHECK(placed == Ids{"large.main.0.1", "small.main.0.1", "large.main.1.1", "small.main.1.1"});
}

TEST_CASE("a launch on its way is not sent again", "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  world.submit(job_of("j", JobKind::batch, {stage_of("main", 1)}));
  world.offer("a1", all_of_agent);
  CHECK(world.placed_ids() == Ids{"j.main.0.1"});
  CHECK(world.why() == "launching");
  world.offer("a1", all_of_agent);
  CHECK(world.placed_ids().empty());

  SECTION("until it is dropped: then the same attempt goes out again at once") {
    world.tell(TellUpdate{{.task = TaskId("j.main.0.1"), .state = TaskState::dropped}});
    world.offer("a1", all_of_agent);
    CHECK(world.placed_ids() == Ids{"j.main.0.1"});
  }
  SECTION("until it is refused as an error: then after a rest") {
    world.tell(TellUpdate{
        {.task = TaskId("j.main.0.1"), .state = TaskState::error, .message = "too heavy"}});
    CHECK(world.why() == "starts again in 0.2 s after its launch was refused: too heavy");
    world.offer("a1", all_of_agent);
    CHECK(world.placed_ids().empty());
    world.pass(milliseconds(200));
    world.offer("a1", all_of_agent);
    CHECK(world.placed_ids() == Ids{"j.main.0.1"});
  }
  SECTION("until nobody has answered for long: then the same attempt goes out again") {
    world.pass(seconds(10));
    world.offer("a1", all_of_agent);
    CHECK(world.placed_ids() == Ids{"j.main.0.1"});
  }
  SECTION("an answer to the client's own question is no refusal") {
    world.tell(TellUpdate{
        {.task = TaskId("j.main.0.1"), .state = TaskState::lost, .reason = "reconciliation"}});
    world.offer("a1", all_of_agent);
    CHECK(world.placed_ids().empty());
  }
}

TEST_CASE("a launch on its way at a failover goes out again as the same attempt, and counts once",
          "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  world.add_agent("a2", all_of_agent);
  world.submit(job_of("j", JobKind::batch, {stage_of("main", 1)}));
  world.offer("a1", all_of_agent);
  const auto first = world.placed();
  REQUIRE(first.size() == 1);

  SECTION("the session broke; the entry is chosen after the second accept was sent") {
    world.tell(TellDisconnected{Error{}});
    world.tell(TellSubscribed{jobs_framework(), true});
    world.offer("a2", all_of_agent);
    const auto second = world.placed();
    REQUIRE(second.size() == 1);
    CHECK(second[0].id == first[0].id);
    CHECK(world.commit_launch(first[0], "a1"));
    CHECK_FALSE(world.commit_launch(second[0], "a2"));
  }
  SECTION("a new leader finds the entry in its state") {
    CHECK(world.commit_launch(first[0], "a1"));
    world.lead();
    world.offer("a2", all_of_agent);
    CHECK(world.placed().empty());
  }
  CHECK(world.state.jobs().at(JobId("j")).tasks[0][0].attempt == 1);
  CHECK(world.state.tasks().size() == 1);
}

TEST_CASE("what fails quickly rests, twice as long each time up to ten seconds",
          "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  world.submit(job_of("web", JobKind::service, {stage_of("main", 1)}));
  std::vector<Duration> rests;
  for (int attempt = 1; attempt <= 8; ++attempt) {
    world.offer("a1", all_of_agent);
    const Ids tasks = world.commit_placed("a1");
    REQUIRE(tasks.size() == 1);
    world.fail(tasks[0]);
    rests.push_back(world.core->deadline() - world.now);
    if (attempt == 6) {
      CHECK(world.why() == "starts again in 6.4 s after exit code 1");
    }
    world.pass(rests.back());
  }
  CHECK(rests == std::vector<Duration>{milliseconds(200), milliseconds(400), milliseconds(800),
                                       milliseconds(1600), milliseconds(3200), milliseconds(6400),
                                       seconds(10), seconds(10)});

  // One long run forgives all that.
  world.offer("a1", all_of_agent);
  const Ids tasks = world.commit_placed("a1");
  world.pass(seconds(11));
  world.fail(tasks[0]);
  world.offer("a1", all_of_agent);
  CHECK(world.placed().size() == 1);
}

TEST_CASE("a new leader goes on with the rest of a piece that failed", "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  world.submit(job_of("web", JobKind::service, {stage_of("main", 1)}));
  for (int attempt = 1; attempt <= 4; ++attempt) {
    world.offer("a1", all_of_agent);
    const Ids tasks = world.commit_placed("a1");
    REQUIRE(tasks.size() == 1);
    world.fail(tasks[0]);
    if (attempt < 4) world.pass(world.core->deadline() - world.now);
  }
  world.pass(milliseconds(600));
  world.lead();
  CHECK(world.why() == "starts again in 1.0 s after exit code 1");
  world.offer("a1", all_of_agent);
  CHECK(world.placed().empty());
  world.pass(seconds(1));
  world.offer("a1", all_of_agent);
  CHECK(world.placed_ids() == Ids{"web.main.0.5"});
}

TEST_CASE("a job that stops has its tasks killed, again and again until the registry knows",
          "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  world.submit(job_of("web", JobKind::service, {stage_of("main", 2)}));
  world.offer("a1", all_of_agent);
  REQUIRE(world.commit_placed("a1").size() == 2);

  world.apply(StopJob{JobId("web"), "told to", world.wall});
  CHECK(world.take<KillCall>() ==
        std::vector<KillCall>{{TaskId("web.main.0.1")}, {TaskId("web.main.1.1")}});
  world.apply(KillTask{{jobs_framework(), TaskId("web.main.0.1")}});
  world.pass(seconds(2));
  CHECK(world.take<KillCall>() == std::vector<KillCall>{{TaskId("web.main.1.1")}});

  // A new leader carries it on.
  world.lead();
  CHECK(world.take<KillCall>() == std::vector<KillCall>{{TaskId("web.main.1.1")}});

  world.end("web.main.0.1", TaskState::killed);
  world.end("web.main.1.1", TaskState::killed);
  CHECK(world.state_of("web") == JobState::stopped);
  world.offer("a1", all_of_agent);
  CHECK(world.placed().empty());
  CHECK(world.core->deadline() >= world.now + seconds(2));
}

TEST_CASE("when a batch fails, its other tasks are killed", "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  world.submit(job_of("j", JobKind::batch, {stage_of("main", 2)}));
  world.offer("a1", all_of_agent);
  REQUIRE(world.commit_placed("a1").size() == 2);
  world.fail("j.main.0.1");
  CHECK(world.take<KillCall>() == std::vector<KillCall>{{TaskId("j.main.1.1")}});
  world.end("j.main.1.1", TaskState::killed);
  CHECK(world.state_of("j") == JobState::failed);
}

TEST_CASE("the scheduler asks for offers while something waits, and for none otherwise",
          "[scheduler][jobs]") {
  JobWorld world;
  CHECK(world.take<SuppressCall>().size() == 1);
  world.add_agent("a1", all_of_agent);
  world.submit(job_of("j", JobKind::batch, {stage_of("main", 1, "cpus:8")}));
  CHECK(world.take<ReviveCall>().size() == 1);

  // Too small: refused for long, since a larger one comes by itself.
  const OfferId small = world.offer("a1", all_of_agent);
  const auto declined = world.take<DeclineCall>();
  REQUIRE(declined.size() == 1);
  CHECK(declined[0].offers == std::vector<OfferId>{small});
  CHECK(declined[0].refuse >= std::chrono::minutes(1));

  // What was refused is just right for the next job.
  world.pass(seconds(1));
  world.submit(job_of("k", JobKind::batch, {stage_of("main", 1)}));
  CHECK(world.take<ReviveCall>().size() == 1);
  world.offer("a1", all_of_agent);
  CHECK(world.commit_placed("a1") == Ids{"k.main.0.1"});
  CHECK(world.take<SuppressCall>().empty());
  world.apply(StopJob{JobId("j"), "", world.wall});
  CHECK(world.take<SuppressCall>().size() == 1);
}

TEST_CASE("revives are not sent faster than their interval", "[scheduler][jobs]") {
  JobWorld world;
  world.add_agent("a1", all_of_agent);
  for (int i = 0; i < 20; ++i) {
    world.submit(job_of("j" + std::to_string(i), JobKind::batch, {stage_of("main", 1, "cpus:8")}));
    world.offer("a1", all_of_agent);
  }
  CHECK(world.take<ReviveCall>().size() == 1);
  world.pass(world.core->deadline() - world.now);
  CHECK(world.take<ReviveCall>().size() == 1);
}

TEST_CASE("a rescinded offer is not placed on", "[scheduler][jobs]") {
  JobWorld world;
  for (const char* agent : {"a1", "a2"}) world.add_agent(agent, all_of_agent);
  world.submit(job_of("web", JobKind::service, {stage_of("main", 2)}));
  world.offer("a1", all_of_agent);
  world.commit_placed("a1");
  const OfferId held = world.offer("a1", "cpus:3");  // In hand, in case a better one comes.
  world.tell(TellRescind{held});
  world.pass(seconds(1));
  CHECK(world.placed().empty());
}

TEST_CASE("what waits says why", "[scheduler][jobs]") {
  JobWorld world;
  world.submit(job_of("j", JobKind::batch, {stage_of("main", 3, "cpus:64")}));
  CHECK(world.why() == "no agents are registered");
  world.add_agent("a1", "cpus:1;mem:9000");
  world.add_agent("a2", "cpus:2;mem:4096");
  CHECK(world.why() == "needs cpus:64; the largest agent has cpus:2;mem:4096");
  world.add_agent("a3", "cpus:64");
  CHECK(world.why() == "no agent has that much free at present");

  const PendingPieces all = world.core->pending(world.now, JobId(), 2);
  CHECK(all.total == 3);
  REQUIRE(all.rows.size() == 2);
  CHECK(all.rows[1].key == TaskKey{jobs_framework(), TaskId("j.main.1.1")});
  CHECK(all.rows[1].agent.empty());
  CHECK(all.rows[1].resources == amount("cpus:64"));
  CHECK(all.rows[1].job == JobRef{JobId("j"), 0, 1, 1});
  CHECK(world.core->pending(world.now, JobId("other")).total == 0);
}

}  // namespace cluster::scheduler
