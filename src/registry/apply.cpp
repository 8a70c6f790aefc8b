#include "registry/apply.hpp"

#include "base/check.hpp"

namespace cluster {

using registry::TaskEvent;
using registry::TaskPhase;

RegistryState::RegistryState(RegistryLimits limits) : limits_(limits) {}

std::vector<RegistryEvent> RegistryState::apply(Position at, const RegistryCommand& command) {
  CLUSTER_CHECK(at > applied_, "entries are applied in the order of their positions", at, applied_);
  applied_ = at;
  RegistryApply one(*this, at);
  std::visit([&](const auto& body) { one.on(body); }, command);
  return one.take_events();
}

const AgentRecord* RegistryState::find(const AgentId& id) const { return agents_.get(id); }
const FrameworkRecord* RegistryState::find(const FrameworkId& id) const {
  return frameworks_.get(id);
}
const TaskRecord* RegistryState::find(const TaskKey& key) const { return tasks_.get(key); }
const JobRecord* RegistryState::find(const JobId& id) const { return jobs_.get(id); }

// Events.

void RegistryApply::tell(Kind kind, const AgentId& agent) {
  events_.push_back(RegistryEvent{.kind = kind, .agent = agent});
}
void RegistryApply::tell(Kind kind, const FrameworkId& framework) {
  events_.push_back(RegistryEvent{.kind = kind, .framework = framework});
}
void RegistryApply::tell(Kind kind, const TaskRecord& task) {
  events_.push_back(RegistryEvent{.kind = kind,
                                  .agent = task.agent,
                                  .framework = task.key.framework,
                                  .task = task.key,
                                  .job = task.job ? task.job->job : JobId()});
}
void RegistryApply::tell(Kind kind, const JobId& job) {
  events_.push_back(RegistryEvent{.kind = kind, .job = job});
}
void RegistryApply::refuse(RegistryEvent named, std::string message) {
  named.kind = Kind::refused;
  named.message = std::move(message);
  events_.push_back(std::move(named));
}

// Agents.

void RegistryApply::on(const RegisterAgent& command) {
  const AgentRecord& agent = command.agent;
  if (!agent.id) return refuse({.agent = agent.id}, "an agent needs an id");
  AgentRecord row = agent;
  row.state = AgentRecord::State::registered;
  if (const AgentRecord* known = state_.find(agent.id)) {
    state_.lost_agents_.erase({known->since, agent.id});
    change(state_.agents_, agent.id, [&](AgentRecord& old) { old = std::move(row); });
  } else {
    insert(state_.agents_, std::move(row));
  }
  tell(Kind::agent_registered, agent.id);
}

void RegistryApply::on(const BeginTerm& command) {
  if (!state_.cluster_) state_.cluster_ = command.cluster;
}

void RegistryApply::on(const RaiseFormat& command) {
  if (command.format <= state_.format_) {
    return refuse({}, "the state is of format " + std::to_string(state_.format_) + " already");
  }
  state_.format_ = command.format;
  state_.format_by_ = command.by;
  events_.push_back(RegistryEvent{.kind = Kind::format_raised, .message = command.by});
}

void RegistryApply::on(const LoseAgent& command) {
  const AgentRecord* agent = state_.find(command.agent);
  if (agent == nullptr) return refuse({.agent = command.agent}, "no such agent is known");
  if (agent->state == AgentRecord::State::lost) {
    return refuse({.agent = command.agent}, "the agent is lost already");
  }
  change(state_.agents_, command.agent, [&](AgentRecord& row) {
    row.state = AgentRecord::State::lost;
    row.since = command.at;
  });
  state_.lost_agents_.emplace(command.at, command.agent);
  tell(Kind::agent_lost, command.agent);

  for (const TaskKey& key : state_.tasks_of_agents_.of(command.agent)) {
    const TaskRecord& task = *state_.find(key);
    if (phase(task) == TaskPhase::ended) continue;
    TaskStatus status{.state = TaskState::lost,
                      .sequence = task.status.sequence + registry::lost_sequence_step,
                      .reason = "agent_lost",
                      .message = command.reason,
                      .at = command.at};
    end(key, TaskEvent::agent_lost, status);
  }
  trim_lost_agents();
}

// Frameworks.

void RegistryApply::on(const RegisterFramework& command) {
  const FrameworkRecord& framework = command.framework;
  if (!framework.id) return refuse({.framework = framework.id}, "a framework needs an id");
  const FrameworkRecord* known = state_.find(framework.id);
  if (known == nullptr) {
    FrameworkRecord row = framework;
    row.state = FrameworkRecord::State::active;
    insert(state_.frameworks_, std::move(row));
    count_framework();
  } else if (known->state == FrameworkRecord::State::removed) {
    return refuse({.framework = framework.id},
                  "the framework was removed; it must subscribe as a new one");
  } else {
    change(state_.frameworks_, framework.id, [&](FrameworkRecord& row) {
      row.name = framework.name;
      row.role = framework.role;
      row.failover_timeout = framework.failover_timeout;
    });
  }
  tell(Kind::framework_registered, framework.id);
}

void RegistryApply::count_framework() {
  registry::subtract(state_.digest_, registry::frameworks_made_row_of(state_.frameworks_made_));
  ++state_.frameworks_made_;
  registry::add(state_.digest_, registry::frameworks_made_row_of(state_.frameworks_made_));
}

void RegistryApply::on(const RemoveFramework& command) {
  const FrameworkRecord* framework = state_.find(command.framework);
  if (framework == nullptr) {
    return refuse({.framework = command.framework}, "no such framework is known");
  }
  if (framework->state == FrameworkRecord::State::removed) {
    return refuse({.framework = command.framework}, "the framework is removed already");
  }
  // Phases are taken before the record changes: afterwards all its open tasks are orphans.
  std::vector<std::pair<TaskKey, TaskPhase>> tasks;
  for (auto at = state_.tasks_.lower_bound(TaskKey{.framework = command.framework});
       at != state_.tasks_.end() && at->first.framework == command.framework; ++at) {
    tasks.emplace_back(at->first, phase(at->second));
  }
  change(state_.frameworks_, command.framework, [&](FrameworkRecord& row) {
    row.state = FrameworkRecord::State::removed;
    row.since = command.at;
  });
  state_.removed_frameworks_.emplace(command.at, command.framework);
  tell(Kind::framework_removed, command.framework);

  for (const auto& [key, before] : tasks) {
    if (registry::step(before, TaskEvent::framework_removed) == TaskPhase::history) {
      to_history(key);
    } else if (before == TaskPhase::open) {
      change(state_.tasks_, key, [](TaskRecord& row) { row.kill_requested = true; });
      tell(Kind::task_kill_requested, *state_.find(key));
    }
  }
  trim_removed_frameworks();
}

// Tasks.

TaskPhase RegistryApply::phase(const TaskRecord& task) const {
  const FrameworkRecord* framework = state_.find(task.key.framework);
  bool is_active = framework != nullptr && framework->state == FrameworkRecord::State::active;
  return registry::phase_of(task.status.state, task.kill_requested, is_active);
}

TaskPhase RegistryApply::phase(const TaskKey& key) const {
  const TaskRecord* task = state_.find(key);
  return task == nullptr ? TaskPhase::none : phase(*task);
}

std::string RegistryApply::problem_of_launch(const TaskRecord& task) const {
  TaskPhase now = phase(task.key);
  if (!task.key.task) return "a task needs an id";
  if (!registry::step(now, TaskEvent::launch)) {
    return std::string(registry::why_not(now, TaskEvent::launch));
  }
  const FrameworkRecord* framework = state_.find(task.key.framework);
  if (framework == nullptr) return "no such framework is known";
  if (framework->state != FrameworkRecord::State::active) return "the framework was removed";
  const AgentRecord* agent = state_.find(task.agent);
  if (agent == nullptr) return "no such agent is known";
  if (agent->state != AgentRecord::State::registered) return "the agent is lost";
  if (task.status.state != TaskState::staging) return "a launch begins as staging";
  return task.job ? problem_of_ref(*task.job) : std::string();
}

void RegistryApply::on(const LaunchTask& command) {
  const TaskRecord& task = command.task;
  if (std::string problem = problem_of_launch(task); !problem.empty()) {
    return refuse({.agent = task.agent,
                   .framework = task.key.framework,
                   .task = task.key,
                   .job = task.job ? task.job->job : JobId()},
                  std::move(problem));
  }
  TaskRecord row = task;
  row.status.task = task.key.task;
  row.status.agent = task.agent;
  row.acknowledged = false;
  row.kill_requested = false;
  if (row.job) row.job->job = state_.find(row.job->job)->spec.id;
  registry::add(state_.digest_, registry::row_of(row));
  const TaskRecord& made = file(state_, std::move(row), *state_.find(task.key.framework));
  tell(Kind::task_launched, made);
  if (made.job) piece_launched(*made.job, made.key.task);
}

const TaskRecord& RegistryApply::file(RegistryState& state, TaskRecord&& row,
                                      const FrameworkRecord& framework) {
  row.key.framework = framework.id;
  row.agent = state.tasks_of_agents_.insert(row.agent, row.key);
  if (row.status.task == row.key.task) row.status.task = row.key.task;
  if (row.status.agent == row.agent) row.status.agent = row.agent;
  const auto number = [](Scalar amount) {
    return static_cast<std::uint64_t>(amount.in_thousandths());
  };
  const std::uint64_t mixed = number(row.resources->cpus()) * 31 + number(row.resources->mem());
  Shared<Resources>& asked = state.asked_[mixed % state.asked_.size()];
  if (asked == row.resources) {
    row.resources = asked;
  } else {
    asked = row.resources;
  }
  return state.tasks_.insert(std::move(row));
}

void RegistryApply::on(const KillTask& command) {
  TaskPhase now = phase(command.key);
  if (!registry::step(now, TaskEvent::kill)) {
    return refuse({.framework = command.key.framework, .task = command.key},
                  std::string(registry::why_not(now, TaskEvent::kill)));
  }
  // Told again when it is asked for again: the first kill may not have reached the agent.
  if (!state_.find(command.key)->kill_requested) {
    change(state_.tasks_, command.key, [](TaskRecord& row) { row.kill_requested = true; });
  }
  tell(Kind::task_kill_requested, *state_.find(command.key));
}

void RegistryApply::on(const EndTask& command) {
  RegistryEvent named{.framework = command.key.framework, .task = command.key};
  TaskPhase now = phase(command.key);
  if (!registry::step(now, TaskEvent::end)) {
    return refuse(named, std::string(registry::why_not(now, TaskEvent::end)));
  }
  if (!is_terminal(command.status.state)) return refuse(named, "that state is not an end");
  end(command.key, TaskEvent::end, command.status);
}

void RegistryApply::on(const AcknowledgeTask& command) {
  TaskPhase now = phase(command.key);
  if (!registry::step(now, TaskEvent::acknowledge)) {
    return refuse({.framework = command.key.framework, .task = command.key},
                  std::string(registry::why_not(now, TaskEvent::acknowledge)));
  }
  to_history(command.key);
}

// The end of an open task, whoever brought it about. An orphan's end needs no acknowledgement.
void RegistryApply::end(const TaskKey& key, TaskEvent event, const TaskStatus& status) {
  auto next = registry::step(phase(key), event);
  CLUSTER_CHECK(next, "only an open task ends", key.framework, key.task);
  change(state_.tasks_, key, [&](TaskRecord& row) {
    row.status = status;
    row.status.task = row.key.task;
    row.status.agent = row.agent;
  });
  const TaskRecord& task = *state_.find(key);
  tell(Kind::task_ended, task);
  if (task.job) piece_ended(task);
  if (*next == TaskPhase::history) to_history(key);
}

// The spec goes: nobody runs the task again, and the history's size should not depend on it.
void RegistryApply::to_history(const TaskKey& key) {
  TaskRecord task = erase(state_.tasks_, key);
  state_.tasks_of_agents_.erase(task.agent, task.key);
  task.acknowledged = true;
  task.spec = Bytes();
  registry::add(state_.digest_, registry::history_row_of(task));
  tell(Kind::task_acknowledged, task);
  state_.history_.push_back(std::move(task));
  while (state_.history_.size() > state_.limits_.ended_tasks_kept) {
    registry::subtract(state_.digest_, registry::history_row_of(state_.history_.front()));
    state_.history_.pop_front();
  }
}

// Limits: the oldest go first, but never one that a kept task names.

void RegistryApply::trim_lost_agents() {
  auto& lost = state_.lost_agents_;
  for (auto at = lost.begin(); at != lost.end() && lost.size() > state_.limits_.lost_agents_kept;) {
    if (state_.tasks_of_agents_.has_any(at->second)) {
      ++at;
      continue;
    }
    erase(state_.agents_, at->second);
    at = lost.erase(at);
  }
}

void RegistryApply::trim_removed_frameworks() {
  auto& removed = state_.removed_frameworks_;
  for (auto at = removed.begin();
       at != removed.end() && removed.size() > state_.limits_.removed_frameworks_kept;) {
    auto task = state_.tasks_.lower_bound(TaskKey{.framework = at->second});
    if (task != state_.tasks_.end() && task->first.framework == at->second) {
      ++at;
      continue;
    }
    erase(state_.frameworks_, at->second);
    at = removed.erase(at);
  }
}

}  // namespace cluster
