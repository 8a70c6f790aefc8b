#include "agentlib/tasks.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::agentlib {

namespace {

// A spec that was accepted once decodes again; one that does not has been damaged on our disk's
// watch, and its task is then killed without much grace.
Duration kill_grace_of(const Bytes& spec) {
  auto decoded = wire::decode_task_spec(spec.view());
  return decoded ? std::max(decoded->kill_grace, Duration::zero()) : Duration::zero();
}

TaskState end_state(const TaskEnd& end, bool kill_requested) {
  if (kill_requested) return TaskState::killed;
  if (end.reason == "supervisor_died") return TaskState::lost;  // What became of it is not known.
  if (end.reason.empty() && end.exit == TaskExit{}) return TaskState::finished;
  return TaskState::failed;
}

std::string describe(const TaskEnd& end) {
  if (!end.message.empty() || !end.exit) return end.message;
  if (end.exit->signal != 0) return "died of signal " + std::to_string(end.exit->signal);
  return "exited with code " + std::to_string(end.exit->code);
}

}  // namespace

bool is_safe_name(std::string_view name, std::size_t size_max) {
  if (name.empty() || name.size() > size_max || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool is_safe(const TaskKey& key) {
  // Together they fit LMDB's longest key.
  return is_safe_name(key.framework.value(), 200) && is_safe_name(key.task.value(), 255);
}

Tasks::Tasks(AgentId agent, std::vector<TaskRow> recovered) : agent_(std::move(agent)) {
  for (TaskRow& row : recovered) {
    TaskKey key = row.key;
    Duration grace = kill_grace_of(row.spec);
    tasks_.emplace(std::move(key), Task{.row = std::move(row), .kill_grace = grace});
  }
}

void Tasks::on(const Instant& at, const wire::RunTask& run, Effects& effects, Told& told) {
  TaskKey key{run.framework, run.task};
  if (auto known = tasks_.find(key); known != tasks_.end()) {
    told.push_back({.framework = key.framework, .status = known->second.row.status});
    return;
  }
  if (!is_safe(key)) {
    return refuse(at, run, "its id or its framework's has characters that may not be in one",
                  effects, told);
  }
  auto spec = wire::decode_task_spec(run.spec.view());
  if (!spec) return refuse(at, run, spec.error().context, effects, told);
  if (std::string problem = wire::problem_of(*spec); !problem.empty()) {
    return refuse(at, run, std::move(problem), effects, told);
  }

  Task task{.row = {.key = key, .spec = run.spec, .status = {.task = key.task, .agent = agent_}},
            .kill_grace = std::max(spec->kill_grace, Duration::zero())};
  Task& added = tasks_.emplace(key, std::move(task)).first->second;
  advance(at, added, TaskState::starting, effects, told);
  effects.then.push_back(Launch{.key = key, .spec = run.spec});
  ++counters_.launched;
}

void Tasks::refuse(const Instant& at, const wire::RunTask& run, std::string why, Effects& effects,
                   Told& told) {
  TaskKey key{run.framework, run.task};
  TaskRow row{.key = key,
              .spec = run.spec,
              .status = {.task = key.task,
                         .state = TaskState::error,
                         .sequence = 1,
                         .reason = "invalid_task",
                         .message = std::move(why),
                         .agent = agent_,
                         .at = at.wall}};
  told.push_back({.framework = key.framework, .status = row.status});
  ++counters_.ended;
  ++counters_.failed;
  // A name that can't be part of a path can't be a key of the checkpoint either. The answer is then
  // the same each time the master asks, and need not be kept.
  if (!is_safe(key)) return;
  effects.changes.push_back(PutTask{.row = row});
  tasks_.emplace(std::move(key), Task{.row = std::move(row)});
}

void Tasks::on(const Instant& at, const wire::KillAgentTask& request, Effects& effects,
               Told& told) {
  TaskKey key{request.framework, request.task};
  auto known = tasks_.find(key);
  if (known == tasks_.end()) {
    told.push_back({.framework = key.framework,
                    .status = {.task = key.task,
                               .state = TaskState::killed,
                               .sequence = 1,
                               .reason = "unknown_task",
                               .message = "the agent does not know this task",
                               .agent = agent_,
                               .at = at.wall}});
    return;
  }
  Task& task = known->second;
  if (is_terminal(task.row.status.state) || task.row.kill_requested) {
    told.push_back({.framework = key.framework, .status = task.row.status});
    return;
  }
  kill(at, task, effects, told);
}

void Tasks::kill(const Instant& at, Task& task, Effects& effects, Told& told) {
  task.row.kill_requested = true;
  task.destroy_at = at.time + task.kill_grace;
  advance(at, task, TaskState::killing, effects, told);
  effects.then.push_back(Terminate{.key = task.row.key});
}

void Tasks::kill_all(const Instant& at, Effects& effects, Told& told) {
  for (auto& [key, task] : tasks_) {
    if (is_terminal(task.row.status.state) || task.row.kill_requested) continue;
    kill(at, task, effects, told);
  }
}

void Tasks::resume_kills(Time now, Effects& effects) {
  for (auto& [key, task] : tasks_) {
    if (!task.row.kill_requested || is_terminal(task.row.status.state)) continue;
    task.destroy_at = now + task.kill_grace;
    effects.then.push_back(Terminate{.key = key});
  }
}

void Tasks::on(const wire::AgentUpdateAck& ack, Effects& effects) {
  TaskKey key{ack.framework, ack.task};
  auto known = tasks_.find(key);
  if (known == tasks_.end()) return;
  Task& task = known->second;
  task.acknowledged = std::max(task.acknowledged, ack.sequence);
  if (!is_terminal(task.row.status.state) || task.acknowledged < task.row.status.sequence) return;
  effects.changes.push_back(RemoveTask{.key = key});
  effects.then.push_back(Forget{.key = key});
  tasks_.erase(known);
}

void Tasks::on_started(const Instant& at, const TaskKey& key, Effects& effects, Told& told) {
  auto known = tasks_.find(key);
  if (known == tasks_.end()) return;
  // A restarted agent hears again that its tasks run; one that is being killed stays so.
  if (known->second.row.status.state != TaskState::starting) return;
  advance(at, known->second, TaskState::running, effects, told);
}

void Tasks::on_ended(const Instant& at, const TaskKey& key, const TaskEnd& end, Effects& effects,
                     Told& told) {
  auto known = tasks_.find(key);
  if (known == tasks_.end()) return;
  Task& task = known->second;
  if (is_terminal(task.row.status.state)) return;
  TaskState state = end_state(end, task.row.kill_requested);
  task.destroy_at = time_never;
  task.row.status.exit = end.exit;
  task.row.status.reason = end.reason;
  task.row.status.message = describe(end);
  advance(at, task, state, effects, told);
  ++counters_.ended;
  if (state == TaskState::failed || state == TaskState::lost) ++counters_.failed;
}

void Tasks::on_time(const Instant& at, Effects& effects) {
  for (auto& [key, task] : tasks_) {
    if (task.destroy_at > at.time) continue;
    task.destroy_at = time_never;
    effects.then.push_back(Destroy{.key = key});
  }
}

void Tasks::advance(const Instant& at, Task& task, TaskState state, Effects& effects, Told& told) {
  TaskStatus& status = task.row.status;
  CLUSTER_CHECK(!is_terminal(status.state), "an ended task has no further status",
                task.row.key.task);
  status.state = state;
  status.sequence += 1;
  status.at = at.wall;
  effects.changes.push_back(PutTask{.row = task.row});
  told.push_back({.framework = task.row.key.framework, .status = status});
}

Time Tasks::deadline() const {
  Time earliest = time_never;
  for (const auto& [key, task] : tasks_) earliest = std::min(earliest, task.destroy_at);
  return earliest;
}

std::vector<wire::AgentTask> Tasks::known() const {
  std::vector<wire::AgentTask> all;
  all.reserve(tasks_.size());
  for (const auto& [key, task] : tasks_) {
    all.push_back({.framework = key.framework, .status = task.row.status});
  }
  return all;
}

std::vector<wire::AgentUpdate> Tasks::unacknowledged() const {
  std::vector<wire::AgentUpdate> all;
  for (const auto& [key, task] : tasks_) {
    if (task.acknowledged >= task.row.status.sequence) continue;
    all.push_back({.framework = key.framework, .status = task.row.status});
  }
  return all;
}

const TaskRow* Tasks::find(const TaskKey& key) const {
  auto known = tasks_.find(key);
  return known == tasks_.end() ? nullptr : &known->second.row;
}

std::size_t Tasks::open() const {
  return static_cast<std::size_t>(std::count_if(tasks_.begin(), tasks_.end(), [](const auto& item) {
    return !is_terminal(item.second.row.status.state);
  }));
}

}  // namespace cluster::agentlib
