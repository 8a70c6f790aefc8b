// The tables that tools show.

#include <algorithm>

#include "master/core.hpp"

namespace cluster::master {
namespace {

struct Holdings {
  Resources used;
  std::uint32_t tasks = 0;
};

}  // namespace

wire::AgentRows Core::agent_rows() const {
  std::map<AgentId, Holdings> holdings;
  for (const auto& [key, task] : tasks_) {
    Holdings& held = holdings[task.agent];
    held.used += task.resources;
    ++held.tasks;
  }
  wire::AgentRows answer;
  for (const auto& [id, record] : state_.agents()) {
    const Holdings& held = holdings[id];
    answer.rows.push_back(wire::AgentRow{.record = record,
                                         .connected = static_cast<bool>(session_of(id)),
                                         .used = held.used,
                                         .tasks = held.tasks});
  }
  return answer;
}

// Ranges and sets of several agents are united: ports 31000 of two agents show as one.
wire::FrameworkRows Core::framework_rows() const {
  std::map<FrameworkId, Holdings> holdings;
  for (const auto& [key, task] : tasks_) {
    Holdings& held = holdings[key.framework];
    if (held.used.compatible(task.resources)) held.used += task.resources;
    ++held.tasks;
  }
  wire::FrameworkRows answer;
  for (const auto& [id, record] : state_.frameworks()) {
    const Holdings& held = holdings[id];
    answer.rows.push_back(wire::FrameworkRow{.record = record,
                                             .connected = static_cast<bool>(session_of(id)),
                                             .tasks = held.tasks,
                                             .used = held.used});
  }
  return answer;
}

wire::TaskRow Core::row_of(const TaskRecord& record) const {
  wire::TaskRow row{.key = record.key,
                    .name = record.name,
                    .agent = record.agent,
                    .resources = record.resources,
                    .status = status_of(record),
                    .job = record.job,
                    .launched_at = record.launched_at};
  if (record.kill_requested && !is_terminal(row.status.state))
    row.status.state = TaskState::killing;
  if (const AgentRecord* agent = state_.find(record.agent)) {
    row.hostname = agent->hostname;
    row.agent_endpoint = agent->endpoint;
  }
  return row;
}

// What waits, what lives, what has ended: in this order, the history from its latest.
wire::TaskRows Core::task_rows(const wire::GetTasks& asked) const {
  const auto is_asked = [&](const std::optional<JobRef>& job) {
    return asked.job.empty() || (job && job->job == asked.job);
  };
  wire::TaskRows answer;
  for (const wire::TaskRow& row : pending_rows_) {
    if (is_asked(row.job)) answer.rows.push_back(row);
  }
  for (const auto& [key, record] : state_.tasks()) {
    const bool ended = is_terminal(record.status.state);
    if (is_asked(record.job) && (asked.ended || !ended)) answer.rows.push_back(row_of(record));
  }
  std::size_t room = asked.ended ? asked.limit : 0;
  const auto& history = state_.history();
  for (auto record = history.rbegin(); record != history.rend() && room > 0; ++record) {
    if (!is_asked(record->job)) continue;
    answer.rows.push_back(row_of(*record));
    --room;
  }
  return answer;
}

}  // namespace cluster::master
