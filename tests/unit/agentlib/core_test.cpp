// The laws of the agent's core, effects compared as values.
#include "agentlib/core.hpp"

#include "tests/unit/agentlib/support.hpp"

using namespace agent_test;

namespace {

const AgentId agent{"agent-1"};
const ClusterUid home{77};

Instant at_ms(int ms) {
  return {.time = Time(std::chrono::milliseconds(ms)), .wall = WallTime(1000000ms + 1ms * ms)};
}

CoreOptions core_options() {
  return {.link = {.masters = {{"127.0.0.1", 5050}}, .seed = 3},
          .hostname = "host",
          .endpoint = {"127.0.0.1", 7000},
          .total = Resources::parse("cpus:2").value(),
          .isolation = "none"};
}

// A core with a master at its other end.
struct CoreWorld {
  explicit CoreWorld(std::vector<TaskRow> recovered = {}, ClusterUid cluster = home,
                     std::uint64_t term = 0)
      : core(core_options(), {.agent = agent, .cluster = cluster, .term = term},
             std::move(recovered), at_ms(0), Logger()) {}

  template <class Message>
  Effects hear(int ms, Message message) {
    Effects effects;
    core.on_message(at_ms(ms), link, wire::AgentMessage(std::move(message)), effects);
    return effects;
  }
  Effects wake(int ms) {
    Effects effects;
    core.on_time(at_ms(ms), effects);
    for (const Action& action : effects.now) {
      if (const auto* dial = std::get_if<Dial>(&action)) link = dial->link;
    }
    return effects;
  }
  Effects open(int ms) {
    Effects effects;
    core.on_link_open(at_ms(ms), link, effects);
    return effects;
  }
  Effects registered(int ms = 0, ClusterUid cluster = home) {
    wake(ms);
    open(ms);
    return hear(ms, wire::AgentRegistered{.cluster = cluster, .term = 4, .ping_interval = 1s});
  }
  Effects started(int ms, const std::string& task) {
    Effects effects;
    core.on_started(at_ms(ms), key_of(task), effects);
    return effects;
  }
  Effects ended(int ms, const std::string& task, TaskEnd end) {
    Effects effects;
    core.on_ended(at_ms(ms), key_of(task), end, effects);
    return effects;
  }

  AgentCore core;
  LinkId link;
};

TaskRow row_of(const TaskSpec& spec, TaskStatus status, bool kill_requested = false) {
  status.task = spec.id;
  status.agent = agent;
  return {.key = {framework, spec.id},
          .spec = wire::encode(spec),
          .status = std::move(status),
          .kill_requested = kill_requested};
}

Action told(LinkId link, const TaskStatus& status) {
  return Send{link, wire::AgentUpdate{.framework = framework, .status = status}};
}

TaskStatus status_of(const AgentCore& core, const std::string& task) {
  const TaskRow* row = core.tasks().find(key_of(task));
  REQUIRE(row != nullptr);
  return row->status;
}

}  // namespace

TEST_CASE("a task is written before it is launched and before anyone hears of it",
          "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  TaskSpec spec = shell_task("t", "true");

  Effects effects = world.hear(5, run_task(spec));

  TaskRow row = row_of(spec, {.state = TaskState::starting, .sequence = 1, .at = at_ms(5).wall});
  CHECK(effects.now.empty());
  CHECK(effects.changes == std::vector<Change>{PutTask{row}});
  CHECK(effects.then ==
        std::vector<Action>{Launch{row.key, row.spec}, told(world.link, row.status)});
}

TEST_CASE("a task that is known is not launched again, but told of", "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  TaskSpec spec = shell_task("t", "true");
  world.hear(5, run_task(spec));

  Effects effects = world.hear(6, run_task(spec));

  CHECK(effects.now.empty());
  CHECK(effects.changes.empty());
  CHECK(effects.then == std::vector<Action>{told(world.link, status_of(world.core, "t"))});
}

TEST_CASE("statuses grow by one, each written before it is told, to the end that its exit means",
          "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  TaskSpec spec = shell_task("t", "exit 7");
  world.hear(5, run_task(spec));

  Effects running = world.started(6, "t");
  TaskRow row = row_of(spec, {.state = TaskState::running, .sequence = 2, .at = at_ms(6).wall});
  CHECK(running.changes == std::vector<Change>{PutTask{row}});
  CHECK(running.then == std::vector<Action>{told(world.link, row.status)});

  Effects over = world.ended(7, "t", {.exit = TaskExit{.code = 7}});
  row.status = {.task = spec.id,
                .state = TaskState::failed,
                .sequence = 3,
                .exit = TaskExit{.code = 7},
                .message = "exited with code 7",
                .agent = agent,
                .at = at_ms(7).wall};
  CHECK(over.changes == std::vector<Change>{PutTask{row}});
  CHECK(over.then == std::vector<Action>{told(world.link, row.status)});
}

TEST_CASE("how a task ended decides its state", "[agentlib][core]") {
  struct Case {
    TaskEnd end;
    bool is_killed;
    TaskState state;
  };
  auto [end, is_killed, state] = GENERATE(values<Case>({
      {{.exit = TaskExit{}}, false, TaskState::finished},
      {{.exit = TaskExit{.code = 1}}, false, TaskState::failed},
      {{.exit = TaskExit{.signal = 11}}, false, TaskState::failed},
      {{.reason = "launch_failed", .message = "no such file"}, false, TaskState::failed},
      {{.exit = TaskExit{.signal = 9}, .reason = "memory_limit"}, false, TaskState::failed},
      {{.reason = "supervisor_died"}, false, TaskState::lost},
      {{.exit = TaskExit{.signal = 15}}, true, TaskState::killed},
      {{.exit = TaskExit{}}, true, TaskState::killed},
      {{.reason = "supervisor_died"}, true, TaskState::killed},
  }));
  CoreWorld world;
  world.registered();
  world.hear(1, run_task(shell_task("t", "true")));
  world.started(2, "t");
  if (is_killed) world.hear(3, wire::KillAgentTask{framework, TaskId("t")});

  world.ended(4, "t", end);

  CHECK(status_of(world.core, "t").state == state);
  CHECK(status_of(world.core, "t").reason == end.reason);
}

TEST_CASE("an ended task is forgotten only when its end is acknowledged", "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  world.hear(1, run_task(shell_task("t", "true")));
  world.started(2, "t");
  world.ended(3, "t", {.exit = TaskExit{}});

  Effects early = world.hear(4, wire::AgentUpdateAck{framework, TaskId("t"), 2});
  CHECK(early.empty());

  Effects last = world.hear(5, wire::AgentUpdateAck{framework, TaskId("t"), 3});
  CHECK(last.changes == std::vector<Change>{RemoveTask{key_of("t")}});
  CHECK(last.then == std::vector<Action>{Forget{key_of("t")}});
  CHECK(world.core.tasks().size() == 0);
}

TEST_CASE("a kill terminates, and destroys when the grace is over", "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  TaskSpec spec = shell_task("t", "sleep 100", 200ms);
  world.hear(1, run_task(spec));
  world.started(2, "t");

  Effects killing = world.hear(10, wire::KillAgentTask{framework, spec.id});
  TaskRow row =
      row_of(spec, {.state = TaskState::killing, .sequence = 3, .at = at_ms(10).wall}, true);
  CHECK(killing.changes == std::vector<Change>{PutTask{row}});
  CHECK(killing.then == std::vector<Action>{Terminate{row.key}, told(world.link, row.status)});

  CHECK(world.core.deadline() == at_ms(210).time);
  CHECK(world.wake(209).then.empty());
  CHECK(world.wake(210).then == std::vector<Action>{Destroy{row.key}});
  CHECK(world.wake(211).then.empty());
}

TEST_CASE("a second kill changes nothing and does not extend the grace", "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  TaskSpec spec = shell_task("t", "sleep 100", 200ms);
  world.hear(1, run_task(spec));
  world.hear(10, wire::KillAgentTask{framework, spec.id});

  Effects again = world.hear(100, wire::KillAgentTask{framework, spec.id});

  CHECK(again.changes.empty());
  CHECK(again.then == std::vector<Action>{told(world.link, status_of(world.core, "t"))});
  CHECK(world.core.deadline() == at_ms(210).time);
}

TEST_CASE("a kill of an unknown task answers that it is killed", "[agentlib][core]") {
  CoreWorld world;
  world.registered();

  Effects effects = world.hear(10, wire::KillAgentTask{framework, TaskId("never")});

  CHECK(effects.changes.empty());
  REQUIRE(effects.then.size() == 1);
  const auto& send = std::get<Send>(effects.then[0]);
  const auto& update = std::get<wire::AgentUpdate>(send.message);
  CHECK(update.status.state == TaskState::killed);
  CHECK(update.status.task == TaskId("never"));
}

TEST_CASE("a task that can't be run is refused with its reason, and not launched",
          "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  auto run = run_task(shell_task("t", "true"));
  SECTION("damaged spec") { run.spec = Bytes(ByteView("garbage")); }
  SECTION("an id that leads out of the directory") { run.task = TaskId(".."); }
  SECTION("a framework that leads out of the directory") { run.framework = FrameworkId("../x"); }
  SECTION("a command that is neither") {
    TaskSpec spec = shell_task("t", "");
    run.spec = wire::encode(spec);
  }

  Effects effects = world.hear(1, run);

  REQUIRE(effects.then.size() == 1);
  const auto& update = std::get<wire::AgentUpdate>(std::get<Send>(effects.then[0]).message);
  CHECK(update.status.state == TaskState::error);
  CHECK(update.status.reason == "invalid_task");
  CHECK_FALSE(update.status.message.empty());
}

TEST_CASE("a registration tells all that is known, and open updates follow it again",
          "[agentlib][core]") {
  TaskSpec spec = shell_task("t", "true");
  TaskRow row = row_of(spec, {.state = TaskState::running, .sequence = 2});
  CoreWorld world({row});
  Effects woken = world.wake(0);
  CHECK(woken.now == std::vector<Action>{Dial{world.link, {"127.0.0.1", 5050}}});

  Effects opened = world.open(1);
  CHECK(opened.now.empty());
  CHECK(opened.then ==
        std::vector<Action>{
            Send{world.link, wire::RegisterAgentRequest{.agent = agent,
                                                        .cluster = home,
                                                        .hostname = "host",
                                                        .endpoint = {"127.0.0.1", 7000},
                                                        .total = Resources::parse("cpus:2").value(),
                                                        .isolation = "none",
                                                        .tasks = {{framework, row.status}}}}});

  Effects accepted = world.hear(2, wire::AgentRegistered{.cluster = home, .ping_interval = 1s});
  CHECK(world.core.is_registered());
  CHECK(accepted.changes.empty());
  CHECK(accepted.then == std::vector<Action>{told(world.link, row.status)});
}

TEST_CASE("the first registration makes the directory the cluster's, durably", "[agentlib][core]") {
  CoreWorld world({}, ClusterUid());

  Effects effects = world.registered(0, ClusterUid(5));

  CHECK(effects.changes == std::vector<Change>{PutIdentity{{agent, ClusterUid(5), 4}}});
}

TEST_CASE("a leader of an earlier term than one that was served is left, also after a restart",
          "[agentlib][core]") {
  CoreWorld first;
  Effects effects = first.registered();
  CHECK(effects.changes == std::vector<Change>{PutIdentity{{agent, home, 4}}});
  CHECK(first.hear(1, wire::AgentRegistered{.cluster = home, .term = 4, .ping_interval = 1s})
            .changes.empty());

  CoreWorld world({}, home, 5);
  effects = world.registered();  // In term 4.

  CHECK(effects.now == std::vector<Action>{Hang{LinkId(1)}});
  CHECK(effects.changes.empty());
  CHECK_FALSE(world.core.is_registered());
  CHECK_THAT(world.core.problem(), Catch::Contains("replaced"));
  CHECK(world.hear(2, run_task(shell_task("t", "true"))).empty());
}

TEST_CASE("a master of another cluster is left, and the reason is told", "[agentlib][core]") {
  CoreWorld world;

  Effects effects = world.registered(0, ClusterUid(5));

  CHECK(effects.changes.empty());
  CHECK(effects.now == std::vector<Action>{Hang{world.link}});
  CHECK_FALSE(world.core.is_registered());
  CHECK(world.core.problem().find("belongs to cluster 77") != std::string::npos);
}

TEST_CASE("updates are told again until they are acknowledged", "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  world.hear(1, run_task(shell_task("t", "true")));
  TaskStatus status = status_of(world.core, "t");
  for (int second = 1; second < 10; ++second) world.hear(second * 1000, wire::AgentPing{});

  CHECK(world.wake(10'001).then == std::vector<Action>{told(world.link, status)});

  world.hear(10'002, wire::AgentUpdateAck{framework, TaskId("t"), status.sequence});
  for (int second = 11; second < 20; ++second) world.hear(second * 1000, wire::AgentPing{});
  CHECK(world.wake(20'010).then.empty());
}

TEST_CASE("messages of a link that is over are ignored", "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  LinkId old = world.link;
  Effects closed;
  world.core.on_link_close(at_ms(10), old, {Errc::closed, "reset"}, closed);

  Effects effects;
  world.core.on_message(at_ms(11), old, run_task(shell_task("t", "true")), effects);

  CHECK(effects.empty());
  CHECK(world.core.tasks().size() == 0);
}

TEST_CASE("a restarted agent goes on with kills that were asked for", "[agentlib][core]") {
  TaskSpec spec = shell_task("t", "sleep 9", 300ms);
  CoreWorld world({row_of(spec, {.state = TaskState::killing, .sequence = 3}, true)});

  CHECK(world.wake(0).then == std::vector<Action>{Terminate{key_of("t")}});
  CHECK(world.wake(300).then == std::vector<Action>{Destroy{key_of("t")}});
}

TEST_CASE("to stop with its tasks, an agent ends them and waits until that is acknowledged",
          "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  world.hear(1, run_task(shell_task("t", "sleep 9")));
  world.started(2, "t");

  Effects stop;
  world.core.on_stop(at_ms(10), true, stop);
  CHECK(stop.then ==
        std::vector<Action>{Terminate{key_of("t")}, told(world.link, status_of(world.core, "t"))});
  Effects over = world.ended(20, "t", {.exit = TaskExit{.signal = 15}});
  CHECK(over.then == std::vector<Action>{told(world.link, status_of(world.core, "t"))});

  Effects last = world.hear(30, wire::AgentUpdateAck{framework, TaskId("t"), 4});
  CHECK(last.then == std::vector<Action>{Forget{key_of("t")}, Hang{world.link}, Stopped{}});
  CHECK(world.core.deadline() == time_never);
}

TEST_CASE("to stop without its tasks, an agent leaves at once and touches none",
          "[agentlib][core]") {
  CoreWorld world;
  world.registered();
  world.hear(1, run_task(shell_task("t", "sleep 9")));

  Effects stop;
  world.core.on_stop(at_ms(10), false, stop);

  CHECK(stop.changes.empty());
  CHECK(stop.then == std::vector<Action>{Hang{world.link}, Stopped{}});
}

TEST_CASE("a master that can't acknowledge does not hold a stopping agent for ever",
          "[agentlib][core]") {
  CoreWorld world;  // Never registered.
  world.wake(0);
  Effects stop;
  world.core.on_stop(at_ms(10), true, stop);
  CHECK(stop.then.back() == Action(Stopped{}));
}
