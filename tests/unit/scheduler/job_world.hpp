// A job core over a real registry, with a hand on the clock, the offers and the commits.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/job_core.hpp"
#include "scheduler/job_task.hpp"
#include "tests/catch.hpp"

namespace cluster::scheduler {

inline Resources amount(std::string_view text) { return *Resources::parse(text); }

inline StageSpec stage_of(std::string name, std::uint32_t instances,
                          std::string_view need = "cpus:1") {
  StageSpec stage;
  stage.name = std::move(name);
  stage.command.shell = "true";
  stage.instances = instances;
  stage.resources = amount(need);
  return stage;
}

inline JobSpec job_of(std::string id, JobKind kind, std::vector<StageSpec> stages) {
  return JobSpec{.id = JobId(std::move(id)), .name = "", .kind = kind, .stages = std::move(stages)};
}

struct JobWorld {
  JobWorld() {
    apply(RegisterFramework{{.id = jobs_framework(), .name = "jobs"}});
    lead();
  }

  // A leader begins: a new core over the state as it is, subscribed to its master.
  void lead() {
    effects.now.clear();
    core.emplace(state, now, wall, Logger());
    tell(TellSubscribed{jobs_framework(), true});
  }

  std::vector<RegistryEvent> apply(const RegistryCommand& command) {
    position = position.next();
    auto events = state.apply(position, command);
    if (core) core->on(now, wall, events, effects);
    return events;
  }

  void tell(const ClientTell& news) { core->on(now, wall, news, effects); }

  void pass(Duration time) {
    now += time;
    wall += std::chrono::duration_cast<std::chrono::milliseconds>(time);
    core->on_time(now, effects);
  }

  void add_agent(const std::string& id, std::string_view total) {
    apply(RegisterAgent{{.id = AgentId(id), .hostname = id, .total = amount(total)}});
  }

  void submit(JobSpec job) {
    REQUIRE(problem_of(job).empty());
    // No two jobs are of one age, so that their order is the order of their coming.
    wall += std::chrono::milliseconds(1);
    apply(SubmitJob{std::move(job), wall});
  }

  OfferId offer(const std::string& agent, std::string_view resources) {
    const OfferId id(++offers);
    tell(TellOffers{{{id, AgentId(agent), agent, amount(resources)}}});
    return id;
  }
  void offer_all(const std::vector<std::string>& agents, std::string_view resources) {
    TellOffers news;
    for (const std::string& agent : agents) {
      news.offers.push_back({OfferId(++offers), AgentId(agent), agent, amount(resources)});
    }
    tell(news);
  }

  // What the core asked for since this was last called.
  template <class Call>
  std::vector<Call> take() {
    std::vector<Call> calls;
    std::erase_if(effects.now, [&](ClientCall& call) {
      if (!std::holds_alternative<Call>(call)) return false;
      calls.push_back(std::get<Call>(call));
      return true;
    });
    return calls;
  }

  // The tasks of all accepts since the last call, and the agent of each is `agent_of`.
  std::vector<TaskSpec> placed() {
    std::vector<TaskSpec> tasks;
    for (AcceptCall& call : take<AcceptCall>()) {
      for (TaskSpec& task : call.tasks) tasks.push_back(std::move(task));
    }
    return tasks;
  }
  std::vector<std::string> placed_ids() {
    std::vector<std::string> ids;
    for (const TaskSpec& task : placed()) ids.push_back(task.id.value());
    return ids;
  }

  bool commit_launch(const TaskSpec& task, const std::string& agent) {
    TaskRecord record{.key = {jobs_framework(), task.id},
                      .agent = AgentId(agent),
                      .name = task.name,
                      .resources = task.resources,
                      .job = task.job,
                      .launched_at = wall};
    return apply(LaunchTask{record}).front().kind == RegistryEvent::Kind::task_launched;
  }
  // Places what is placed on `agent` into the registry.
  std::vector<std::string> commit_placed(const std::string& agent) {
    std::vector<std::string> ids;
    for (const TaskSpec& task : placed()) {
      REQUIRE(commit_launch(task, agent));
      ids.push_back(task.id.value());
    }
    return ids;
  }

  void end(const std::string& task, TaskState as, std::optional<TaskExit> exit = std::nullopt) {
    TaskStatus status{.task = TaskId(task), .state = as, .sequence = 2, .exit = exit, .at = wall};
    apply(EndTask{{jobs_framework(), TaskId(task)}, status});
    apply(AcknowledgeTask{{jobs_framework(), TaskId(task)}});
  }
  void finish(const std::string& task) { end(task, TaskState::finished, TaskExit{0, 0}); }
  void fail(const std::string& task) { end(task, TaskState::failed, TaskExit{1, 0}); }

  std::string why() { return core->pending(now).rows.at(0).why; }
  JobState state_of(const std::string& job) { return state.jobs().at(JobId(job)).state; }

  RegistryState state;
  std::optional<JobCore> core;
  JobEffects effects;
  Time now = Time{} + std::chrono::hours(1);
  WallTime wall{std::chrono::hours(24 * 365 * 50)};
  Position position;
  std::uint64_t offers = 0;
};

}  // namespace cluster::scheduler
