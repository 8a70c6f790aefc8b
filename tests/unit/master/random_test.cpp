// Sessions and leaders are lost at any moment; in the end every task has ended, everyone knows, and
// all resources are back.
#include <set>

#include "base/random.hpp"
#include "tests/unit/master/world.hpp"

namespace cluster::master::test {
namespace {

constexpr int tasks_to_run = 25;

// An agent that keeps what it was told to run until its end is acknowledged, and runs no task
// twice.
struct ModelAgent {
  SessionId session;
  std::map<TaskId, TaskStatus> tasks;
  std::set<TaskId> ever_ran;

  void read(World& world) {
    for (const auto& run : world.heard<wire::RunTask>(session)) {
      if (!tasks.contains(run.task)) {
        const bool is_first = ever_ran.insert(run.task).second;
        REQUIRE(is_first);
        tasks[run.task] = World::status(run.task.value(), TaskState::staging, 0);
      }
    }
    for (const auto& kill : world.heard<wire::KillAgentTask>(session)) {
      auto [task, is_new] =
          tasks.try_emplace(kill.task, World::status(kill.task.value(), TaskState::killed, 1));
      if (!is_new && !is_terminal(task->second.state)) end(task->second, TaskState::killed);
      ever_ran.insert(kill.task);
    }
    for (const auto& ack : world.heard<wire::AgentUpdateAck>(session)) {
      auto task = tasks.find(ack.task);
      if (task == tasks.end() || !is_terminal(task->second.state)) continue;
      if (ack.sequence >= task->second.sequence) tasks.erase(task);
    }
    if (!world.heard<wire::AgentPing>(session).empty())
      world.agent_says(session, wire::AgentPong{});
  }
  static void end(TaskStatus& status, TaskState state) {
    status.state = state;
    ++status.sequence;
  }
  void connect(World& world) {
    session = world.open(Lane::agent);
    auto request = world.description("a", "cpus:4;mem:1000");
    for (const auto& [id, status] : tasks) request.tasks.push_back({FrameworkId("f"), status});
    world.agent_says(session, request);
  }
  void progress(World& world, Random& random) {
    for (auto& [id, status] : tasks) {
      if (is_terminal(status.state) || !random.chance(1, 3)) continue;
      const bool is_over = status.state == TaskState::running;
      end(status, is_over ? TaskState::finished : TaskState::running);
    }
    for (const auto& [id, status] : std::map(tasks)) {
      if (status.sequence == 0) continue;
      world.agent_says(session, wire::AgentUpdate{FrameworkId("f"), status});
    }
  }
};

// A framework that launches each task once, and asks about what it does not hear of.
struct ModelFramework {
  SessionId session;
  std::set<TaskId> launched;
  std::map<TaskId, TaskState> ended;
  int next = 0;

  void connect(World& world) {
    session = world.open(Lane::scheduler);
    world.scheduler_says(session, wire::Subscribe{.framework = FrameworkId("f"),
                                                  .name = "model",
                                                  .failover_timeout = Duration::max()});
  }
  void read(World& world, Random& random) {
    if (!world.heard<wire::Subscribed>(session).empty()) {
      wire::Reconcile ask;
      for (const TaskId& id : launched) {
        if (!ended.contains(id)) ask.tasks.push_back(id);
      }
      if (!ask.tasks.empty()) world.scheduler_says(session, ask);
    }
    for (const auto& update : world.heard<wire::Update>(session)) {
      const TaskStatus& status = update.status;
      if (is_terminal(status.state)) ended.try_emplace(status.task, status.state);
      if (status.sequence > 0) {
        world.scheduler_says(session, wire::Acknowledge{status.task, status.sequence});
      }
    }
    for (const auto& batch : world.heard<wire::Offers>(session)) {
      for (const wire::Offer& offer : batch.offers) {
        std::vector<TaskSpec> specs;
        Resources left = offer.resources;
        while (next < tasks_to_run && left.contains(resources("cpus:1;mem:100")) &&
               random.chance(2, 3)) {
          specs.push_back(task_spec("t" + std::to_string(next++)));
          left -= specs.back().resources;
          launched.insert(specs.back().id);
        }
        world.accept(session, offer.id, specs);
      }
    }
    if (!launched.empty() && random.chance(1, 10)) {
      auto victim = launched.begin();
      std::advance(victim, random.below(launched.size()));
      if (!ended.contains(*victim)) world.scheduler_says(session, wire::Kill{*victim});
    }
    if (!world.heard<wire::SchedulerPing>(session).empty()) {
      world.scheduler_says(session, wire::SchedulerPong{});
    }
  }
};

void run_seed(std::uint64_t seed) {
  CAPTURE(seed);
  Random random(seed);
  World world;
  ModelAgent agent;
  ModelFramework framework;
  for (int step = 0; step < 1500; ++step) {
    const bool has_faults = step < 1000;
    if (has_faults && random.chance(1, 40)) world.hang_up(agent.session);
    if (has_faults && random.chance(1, 40)) world.hang_up(framework.session);
    if (has_faults && random.chance(1, 60)) world.lead();
    if (has_faults && random.chance(1, 300)) {  // Away for too long: lost, with what it ran.
      world.hang_up(agent.session);
      world.advance(20s);
      world.apply_all();
    }
    if (!world.is_open(agent.session) && random.chance(1, 3)) agent.connect(world);
    if (!world.is_open(framework.session) && random.chance(1, 3)) framework.connect(world);
    if (random.chance(1, 2)) agent.read(world);
    if (random.chance(1, 4)) agent.progress(world, random);
    if (random.chance(1, 2)) framework.read(world, random);
    while (!world.proposed.empty() && random.chance(2, 3)) world.apply_one();
    world.advance(Duration(random.below(400'000)));
  }
  CHECK(framework.next == tasks_to_run);
  for (const TaskId& id : framework.launched) {
    CAPTURE(id);
    CHECK(framework.ended.contains(id));
  }
  CHECK(world.state.tasks().empty());
  CHECK(agent.tasks.empty());
  world.hang_up(framework.session);
  CHECK(world.core->allocator().available(AgentId("a")) == resources("cpus:4;mem:1000"));
}

}  // namespace

TEST_CASE(
    "whatever is lost on the way, each task runs at most once, its end arrives, and resources "
    "come back",
    "[master][random]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) run_seed(seed);
}

}  // namespace cluster::master::test
