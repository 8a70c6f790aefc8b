// Tasks: from the committed launch to the committed end, and the updates that frameworks hear.

#include <algorithm>
#include <utility>

#include "master/core.hpp"

namespace cluster::master {

void Core::task_launched(const TaskKey& key, Effects& effects) {
  const TaskRecord* record = state_.find(key);
  auto entry = tasks_.find(key);
  if (entry == tasks_.end()) {  // Not proposed by this core.
    if (!record) return;
    entry =
        tasks_.emplace(key, LiveTask{.agent = record->agent, .resources = record->resources}).first;
    tasks_by_agent_[record->agent].insert(key);
    allocator_.charge(key.framework, record->agent, record->resources);
  } else if (auto link = frameworks_.find(key.framework); link != frameworks_.end()) {
    --link->second.launches;
  }
  LiveTask& task = entry->second;
  task.committed = true;
  if (const SessionId session = session_of(task.agent); session && record) {
    effects.send(session, wire::AgentMessage(wire::RunTask{key.framework, key.task, record->spec}));
  }
  if (std::exchange(task.kill_wanted, false)) kill(key, effects);
}

void Core::launch_refused(Moment at, const TaskKey& key, const std::string& why, Effects& effects) {
  auto entry = tasks_.find(key);
  release(at, key, entry->second);
  tasks_.erase(entry);
  ++counters_.launches_refused;
  kill_event(key, nullptr, effects);  // Who wanted it gone has it so.
  auto link = frameworks_.find(key.framework);
  if (link == frameworks_.end()) return;
  --link->second.launches;
  tell(at, key, TaskState::dropped, "launch_refused", why, effects);
}

void Core::release(Moment at, const TaskKey& key, const LiveTask& task) {
  allocator_.recover(key.framework, task.agent, task.resources);
  auto of_agent = tasks_by_agent_.find(task.agent);
  of_agent->second.erase(key);
  if (of_agent->second.empty()) tasks_by_agent_.erase(of_agent);
  offers_changed(at);
}

// The end is committed: now the resources are free, the agent may forget, the framework hears.
void Core::task_ended(Moment at, const TaskKey& key, Effects& effects) {
  auto entry = tasks_.find(key);
  if (entry != tasks_.end()) {
    const LiveTask task = std::move(entry->second);
    release(at, key, task);
    tasks_.erase(entry);
    ++counters_.tasks_ended;
    if (const SessionId session = session_of(task.agent)) {
      if (task.end_proposed) {
        effects.send(session, wire::AgentMessage(wire::AgentUpdateAck{key.framework, key.task,
                                                                      task.end_sequence}));
      } else {  // It ended by somebody else's word; the agent may still run it.
        effects.send(session, wire::AgentMessage(wire::KillAgentTask{key.framework, key.task}));
      }
    }
  }
  if (const TaskRecord* record = state_.find(key); record && is_terminal(record->status.state)) {
    queue_update(key, record->status, effects);
  }
  kill_event(key, nullptr, effects);
}

// What an agent says of a task, as an update or when it registers.
void Core::task_update(Moment at, const AgentId& agent, const FrameworkId& framework,
                       const TaskStatus& said, Effects& effects) {
  const TaskKey key{framework, said.task};
  const SessionId session = agents_.at(agent).session;
  const wire::AgentMessage acknowledgement =
      wire::AgentUpdateAck{framework, said.task, said.sequence};
  auto entry = tasks_.find(key);
  const bool is_ours = entry != tasks_.end() && entry->second.agent == agent;
  if (!is_ours || !entry->second.committed) {
    // It ended here, or was never committed for this agent: the record holds.
    effects.send(session, acknowledgement);
    if (!is_terminal(said.state)) {
      effects.send(session, wire::AgentMessage(wire::KillAgentTask{framework, said.task}));
    }
    return;
  }
  LiveTask& task = entry->second;
  TaskStatus status = said;
  status.agent = agent;
  // An end that is too large for an entry of the log could never be committed.
  for (std::string* text : {&status.reason, &status.message}) {
    text->resize(std::min(text->size(), options_.limits.status_text_max));
  }
  if (is_terminal(status.state)) {
    task.end_sequence = std::max(task.end_sequence, said.sequence);
    if (std::exchange(task.end_proposed, true)) return;  // Acknowledged when it is committed.
    // What is acknowledged has a number.
    status.sequence = std::max<std::uint64_t>(status.sequence, 1);
    if (status.at == WallTime{}) status.at = at.wall;
    effects.propose(EndTask{.key = key, .status = std::move(status)});
    return;
  }
  effects.send(session, acknowledgement);
  if (task.end_proposed || (task.latest && task.latest->sequence >= status.sequence)) return;
  task.latest = status;
  if (status.sequence > 0) queue_update(key, std::move(status), effects);
}

void Core::kill(const TaskKey& key, Effects& effects) {
  LiveTask& task = tasks_.at(key);
  if (!task.committed) {
    task.kill_wanted = true;
    return;
  }
  const TaskRecord* record = state_.find(key);
  if (!record || task.end_proposed) return;
  if (record->kill_requested) return send_kill(key, effects);
  if (!std::exchange(task.kill_proposed, true)) effects.propose(KillTask{key});
}

void Core::send_kill(const TaskKey& key, Effects& effects) {
  auto task = tasks_.find(key);
  if (task == tasks_.end()) return;
  task->second.kill_proposed = false;
  if (const SessionId session = session_of(task->second.agent)) {
    effects.send(session, wire::AgentMessage(wire::KillAgentTask{key.framework, key.task}));
  }
}

void Core::queue_update(const TaskKey& key, TaskStatus status, Effects& effects) {
  auto link = frameworks_.find(key.framework);
  if (link == frameworks_.end()) return;  // Removed: nobody listens.
  UpdateStream& stream = link->second.streams[key.task];
  stream.add(status, options_.limits.updates_max);
  send_next(key, stream, effects);
}

void Core::send_next(const TaskKey& key, UpdateStream& stream, Effects& effects) {
  const SessionId session = session_of(key.framework);
  if (!session) return;
  if (auto status = stream.next()) {
    ++counters_.updates_sent;
    effects.send(session, wire::SchedulerMessage(wire::Update{*std::move(status)}));
  }
}

void Core::acknowledge(const TaskKey& key, std::uint64_t sequence, Effects& effects) {
  FrameworkLink& link = frameworks_.at(key.framework);
  auto stream = link.streams.find(key.task);
  if (stream == link.streams.end()) return;
  const auto heard = stream->second.acknowledge(sequence);
  if (!heard) return;
  if (is_terminal(heard->state)) {
    link.streams.erase(stream);
    effects.propose(AcknowledgeTask{key});
  } else {
    send_next(key, stream->second, effects);
  }
}

void Core::tell(Moment at, const TaskKey& key, TaskState state, std::string reason,
                std::string message, Effects& effects) {
  const SessionId session = session_of(key.framework);
  if (!session) return;  // It will ask, when it is back, for what it does not know.
  effects.send(session,
               wire::SchedulerMessage(wire::Update{TaskStatus{.task = key.task,
                                                              .state = state,
                                                              .reason = std::move(reason),
                                                              .message = std::move(message),
                                                              .at = at.wall}}));
}

TaskStatus Core::status_of(const TaskRecord& record) const {
  auto task = tasks_.find(record.key);
  const bool is_alive = task != tasks_.end() && task->second.latest;
  return is_alive ? *task->second.latest : record.status;
}

}  // namespace cluster::master
