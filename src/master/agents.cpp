// Agents: registration, comparison of tasks, pings, loss.

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "master/core.hpp"
#include "master/validation.hpp"

namespace cluster::master {
namespace {

AgentRecord record_of(const wire::RegisterAgentRequest& request, WallTime since) {
  return AgentRecord{.id = request.agent,
                     .hostname = request.hostname,
                     .endpoint = request.endpoint,
                     .total = request.total,
                     .isolation = request.isolation,
                     .state = AgentRecord::State::registered,
                     .since = since};
}

bool is_recorded(const AgentRecord* record, const wire::RegisterAgentRequest& request) {
  return record && *record == record_of(request, record->since);
}

}  // namespace

void Core::on_message(Moment at, SessionId id, const wire::RegisterAgentRequest& request,
                      Effects& effects) {
  auto refuse = [&](Errc code, std::string why) {
    ++counters_.protocol_errors;
    logger_.warning("agent refused", "agent", request.agent, "why", why);
    effects.send(id, wire::AgentMessage(wire::AgentRefused{Error{code, std::move(why)}}));
    drop_session(at, id, effects);
  };
  if (request.cluster && request.cluster != cluster()) {
    return refuse(Errc::wrong_cluster, "the agent's directory belongs to another cluster");
  }
  if (std::string problem = problem_of(request, options_.limits); !problem.empty()) {
    return refuse(Errc::invalid_argument, std::move(problem));
  }
  Session& session = *find_session(id);
  if (session.agent && session.agent != request.agent) {
    return refuse(Errc::protocol, "the session belongs to agent " + session.agent.value());
  }

  if (const SessionId old = agents_[request.agent].session; old && old != id) {
    find_session(old)->agent = AgentId();  // It came back before we noticed that it had gone.
    agent_away(at, request.agent, effects);
    drop_session(at, old, effects);
  }
  session.agent = request.agent;
  AgentLink& link = agents_[request.agent];
  link.session = id;
  link.heard = at.now;
  link.reconciled = false;
  link.registering = request;
  ++counters_.agent_registrations;
  if (!link.losing && is_recorded(state_.find(request.agent), request)) {
    return complete_registration(at, request.agent, effects);
  }
  effects.propose(RegisterAgent{record_of(request, at.wall)});
}

void Core::agent_registered(Moment at, const AgentId& id, Effects& effects) {
  const AgentRecord* record = state_.find(id);
  if (!record || record->state != AgentRecord::State::registered) return;
  auto [entry, is_new] = agents_.try_emplace(id);
  if (is_new) entry->second.heard = at.now;
  // What was offered of it was offered under its old description.
  rescind(offers_.take_all_of(id), at, effects);
  add_to_allocator(*record);
  AgentLink& link = entry->second;
  if (link.registering && !link.losing && is_recorded(record, *link.registering)) {
    complete_registration(at, id, effects);
  } else if (link.reconciled) {
    allocator_.set_agent_active(id, true);
    offers_changed(at);
  }
}

void Core::add_to_allocator(const AgentRecord& record) {
  std::vector<Allocator::Usage> used;
  if (auto tasks = tasks_by_agent_.find(record.id); tasks != tasks_by_agent_.end()) {
    for (const TaskKey& key : tasks->second) {
      used.push_back({.framework = key.framework, .resources = tasks_.at(key).resources});
    }
  }
  allocator_.add_agent(record.id, record.total, used);
  allocator_.set_agent_active(record.id, false);
}

void Core::complete_registration(Moment at, const AgentId& id, Effects& effects) {
  AgentLink& link = agents_.at(id);
  const std::vector<wire::AgentTask> known = std::move(link.registering->tasks);
  link.registering.reset();
  link.reconciled = true;
  effects.send(link.session,
               wire::AgentMessage(wire::AgentRegistered{
                   .cluster = cluster(), .term = term_, .ping_interval = options_.ping_interval}));
  logger_.info("agent registered", "agent", id, "tasks", known.size());
  compare_tasks(at, id, known, effects);
  allocator_.set_agent_active(id, true);
  offers_changed(at);
}

// What the agent has is news to us, what it lacks is sent again.
void Core::compare_tasks(Moment at, const AgentId& id, const std::vector<wire::AgentTask>& known,
                         Effects& effects) {
  const SessionId session = agents_.at(id).session;
  std::set<TaskKey> reported;
  for (const wire::AgentTask& task : known) {
    reported.insert(TaskKey{task.framework, task.status.task});
    task_update(at, id, task.framework, task.status, effects);
  }
  auto of_agent = tasks_by_agent_.find(id);
  if (of_agent == tasks_by_agent_.end()) return;
  for (const TaskKey& key : of_agent->second) {
    const TaskRecord* record = state_.find(key);
    const LiveTask& task = tasks_.at(key);
    if (!record || !task.committed || task.end_proposed) continue;
    if (record->kill_requested) {  // Where it is not known, it ends as killed at once.
      effects.send(session, wire::AgentMessage(wire::KillAgentTask{key.framework, key.task}));
    } else if (!reported.contains(key)) {
      effects.send(session,
                   wire::AgentMessage(wire::RunTask{key.framework, key.task, record->spec}));
    }
  }
}

void Core::agent_away(Moment at, const AgentId& id, Effects& effects) {
  AgentLink& link = agents_.at(id);
  link.session = SessionId();
  link.reconciled = false;
  link.registering.reset();
  // Who was silent for too long already gets no more time by our hanging up.
  if (link.heard + options_.agent_timeout > at.now) link.heard = at.now;
  allocator_.set_agent_active(id, false);
  rescind(offers_.take_all_of(id), at, effects);
  const AgentRecord* record = state_.find(id);
  const bool is_registered = record && record->state == AgentRecord::State::registered;
  // One that never got as far as the registry, or is lost there, is nobody to wait for.
  if (!is_registered && !link.losing) agents_.erase(id);
  logger_.info("agent away", "agent", id);
}

void Core::agent_lost(Moment at, const AgentId& id, const std::string& why, Effects& effects) {
  rescind(offers_.take_all_of(id), at, effects);
  allocator_.remove_agent(id);
  ++counters_.agents_lost;
  logger_.warning("agent lost", "agent", id, "why", why);
  auto entry = agents_.find(id);
  if (entry == agents_.end()) return;
  AgentLink& link = entry->second;
  link.losing = false;
  if (!link.session) {
    agents_.erase(entry);
  } else if (link.reconciled) {
    // Lost by somebody else's word while it is here: it has to register again.
    const SessionId session = link.session;
    find_session(session)->agent = AgentId();
    agents_.erase(entry);
    drop_session(at, session, effects);
  }
}

void Core::registration_refused(Moment at, const AgentId& id, const std::string& why,
                                Effects& effects) {
  auto entry = agents_.find(id);
  if (entry == agents_.end()) return;
  AgentLink& link = entry->second;
  if (std::exchange(link.losing, false) || !link.registering) return;
  const SessionId session = link.session;
  link.registering.reset();
  effects.send(session, wire::AgentMessage(wire::AgentRefused{Error{Errc::invalid_argument, why}}));
  drop_session(at, session, effects);
}

void Core::check_agents(Moment at, Effects& effects) {
  std::vector<SessionId> silent;
  for (auto& [id, link] : agents_) {
    const bool is_silent = link.heard + options_.agent_timeout <= at.now;
    if (link.session && is_silent) {
      silent.push_back(link.session);
    } else if (link.reconciled) {
      effects.send(link.session, wire::AgentMessage(wire::AgentPing{}));
    }
    if (!is_silent || link.losing || link.registering ||
        last_loss_ > at.now - options_.agent_loss_interval) {
      continue;
    }
    link.losing = true;
    last_loss_ = at.now;
    effects.propose(LoseAgent{.agent = id, .reason = "agent_lost", .at = at.wall});
  }
  for (const auto& [id, session] : sessions_) {  // Whoever dials and never says who it is.
    if (session.lane == Lane::agent && !session.agent &&
        session.heard + options_.agent_timeout <= at.now) {
      silent.push_back(id);
    }
  }
  for (SessionId session : silent) {
    logger_.warning("agent silent", "session", session);
    drop_session(at, session, effects);
  }
}

SessionId Core::session_of(const AgentId& id) const {
  auto entry = agents_.find(id);
  return entry != agents_.end() && entry->second.reconciled ? entry->second.session : SessionId();
}

}  // namespace cluster::master
