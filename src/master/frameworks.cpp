// Frameworks: subscription, their calls, coming and going.

#include <algorithm>
#include <cstdio>
#include <utility>

#include "master/core.hpp"
#include "master/saturating.hpp"
#include "master/validation.hpp"

namespace cluster::master {
namespace {

// What `new_framework_id` makes; an id of this form that is not recorded was never given, or has
// been forgotten since.
constexpr std::string_view given_prefix = "framework-";

FrameworkRecord record_of(const wire::Subscribe& call, const FrameworkId& id, WallTime since) {
  return FrameworkRecord{.id = id,
                         .name = call.name,
                         .role = call.role,
                         .failover_timeout = call.failover_timeout,
                         .state = FrameworkRecord::State::active,
                         .since = since};
}

}  // namespace

FrameworkId Core::new_framework_id() {
  last_framework_number_ = std::max(last_framework_number_, state_.frameworks_made());
  FrameworkId id;
  do {
    char text[40];
    std::snprintf(text, sizeof text, "%s%06llu", given_prefix.data(),
                  static_cast<unsigned long long>(++last_framework_number_));
    id = FrameworkId(text);
  } while (state_.find(id) || frameworks_.contains(id));
  return id;
}

void Core::on_message(Moment at, SessionId id, const wire::Subscribe& call, Effects& effects) {
  if (std::string problem = problem_of(call); !problem.empty()) {
    return end_session(at, id, Errc::invalid_argument, std::move(problem), effects);
  }
  Session& session = *find_session(id);
  if (session.framework && session.framework != call.framework) {
    return end_session(at, id, Errc::protocol,
                       "the session belongs to framework " + session.framework.value(), effects);
  }
  const FrameworkRecord* record = state_.find(call.framework);
  const auto known = frameworks_.find(call.framework);
  const bool is_going = known != frameworks_.end() && known->second.removing;
  if (is_going || (record && record->state == FrameworkRecord::State::removed)) {
    return end_session(at, id, Errc::closed, "the framework was removed", effects);
  }
  if (!record && known == frameworks_.end() && call.framework.value().starts_with(given_prefix)) {
    return end_session(at, id, Errc::not_found,
                       "no framework " + call.framework.value() + "; subscribe without an id",
                       effects);
  }

  const FrameworkId framework = call.framework ? call.framework : new_framework_id();
  FrameworkLink& link = frameworks_[framework];
  if (link.session && link.session != id) {
    const SessionId old = link.session;
    find_session(old)->framework = FrameworkId();
    framework_away(at, framework, effects);
    end_session(at, old, Errc::fenced, "another scheduler has subscribed as " + framework.value(),
                effects);
  }
  session.framework = framework;
  link.session = id;
  link.subscribed = false;
  link.away_until = time_never;
  ++counters_.subscriptions;
  if (!link.registering && record && *record == record_of(call, framework, record->since)) {
    return complete_subscription(at, framework, effects);
  }
  link.registering = true;
  effects.propose(RegisterFramework{record_of(call, framework, at.wall)});
}

void Core::framework_registered(Moment at, const FrameworkId& id, Effects& effects) {
  const FrameworkRecord* record = state_.find(id);
  if (!record || record->state != FrameworkRecord::State::active) return;
  FrameworkLink& link = frameworks_[id];
  link.registering = false;
  allocator_.add_framework(id, record->role);
  allocator_.set_framework_active(id, link.subscribed);
  if (link.session && !link.subscribed) {
    complete_subscription(at, id, effects);
  } else if (!link.session) {
    framework_away(at, id, effects);  // It left before it was known: its time starts now.
  }
}

void Core::complete_subscription(Moment at, const FrameworkId& id, Effects& effects) {
  FrameworkLink& link = frameworks_.at(id);
  rescind(offers_.take_all_of(id), at, effects);  // Of the same session, before: void now.
  link.subscribed = true;
  effects.send(link.session,
               wire::SchedulerMessage(wire::Subscribed{
                   .framework = id, .term = term_, .ping_interval = options_.ping_interval}));
  logger_.info("framework subscribed", "framework", id);
  for (auto& [task, stream] : link.streams) {
    stream.rewind();
    send_next(TaskKey{id, task}, stream, effects);
  }
  allocator_.set_framework_active(id, true);
  allocator_.revive(id);
  offers_changed(at);
}

void Core::framework_away(Moment at, const FrameworkId& id, Effects& effects) {
  FrameworkLink& link = frameworks_.at(id);
  link.session = SessionId();
  link.subscribed = false;
  allocator_.set_framework_active(id, false);
  rescind(offers_.take_all_of(id), at, effects);
  for (auto& [task, stream] : link.streams) stream.rewind();
  const FrameworkRecord* record = state_.find(id);
  if (!record) {
    if (!link.registering) frameworks_.erase(id);
    return;
  }
  link.away_until = saturating_add(at.now, record->failover_timeout);
  logger_.info("framework away", "framework", id);
  if (link.away_until <= at.now) remove_framework(at, id, effects);
}

void Core::remove_framework(Moment at, const FrameworkId& id, Effects& effects) {
  FrameworkLink& link = frameworks_.at(id);
  // Whoever subscribes by that id may come and go; the cluster's jobs stay.
  if (id == jobs_framework()) {
    link.away_until = time_never;
    return;
  }
  if (std::exchange(link.removing, true)) return;
  effects.propose(RemoveFramework{.framework = id, .at = at.wall});
}

// Its open tasks are told to end by events of their own, and nobody is left to hear of their ends.
void Core::framework_removed(Moment at, const FrameworkId& id, Effects& effects) {
  rescind(offers_.take_all_of(id), at, effects);
  allocator_.remove_framework(id);
  logger_.info("framework removed", "framework", id);
  if (auto entry = frameworks_.find(id); entry != frameworks_.end()) {
    const SessionId session = entry->second.session;
    if (session) find_session(session)->framework = FrameworkId();
    frameworks_.erase(entry);
    if (session) end_session(at, session, Errc::closed, "the framework was removed", effects);
  }
}

void Core::check_frameworks(Moment at, Effects& effects) {
  std::vector<FrameworkId> overdue;
  for (const auto& [id, link] : frameworks_) {
    if (!link.session && link.away_until <= at.now) overdue.push_back(id);
  }
  for (const FrameworkId& id : overdue) remove_framework(at, id, effects);

  std::vector<SessionId> silent;
  for (const auto& [id, session] : sessions_) {
    if (session.lane != Lane::scheduler) continue;
    if (session.heard + options_.scheduler_timeout <= at.now) {
      silent.push_back(id);
    } else if (session.framework && session_of(session.framework) == id) {
      effects.send(id, wire::SchedulerMessage(wire::SchedulerPing{}));
    }
  }
  for (SessionId session : silent) {
    logger_.warning("scheduler silent", "session", session);
    drop_session(at, session, effects);
  }
}

void Core::on_call(Moment at, const FrameworkId& id, const wire::SchedulerMessage& call,
                   Effects& effects) {
  if (const auto* accepted = std::get_if<wire::Accept>(&call)) {
    accept(at, id, *accepted, effects);
  } else if (const auto* declined = std::get_if<wire::Decline>(&call)) {
    decline(at, id, *declined);
  } else if (std::holds_alternative<wire::Suppress>(call)) {
    allocator_.suppress(id);
  } else if (std::holds_alternative<wire::Revive>(call)) {
    allocator_.revive(id);
    offers_changed(at);
  } else if (const auto* killed = std::get_if<wire::Kill>(&call)) {
    const TaskKey key{id, killed->task};
    if (tasks_.contains(key)) {
      kill(key, effects);
    } else if (!state_.find(key)) {  // Else its end is on its way to the framework.
      tell(at, key, TaskState::lost, "reconciliation", "no such task", effects);
    }
  } else if (const auto* acknowledged = std::get_if<wire::Acknowledge>(&call)) {
    acknowledge(TaskKey{id, acknowledged->task}, acknowledged->sequence, effects);
  } else if (const auto* asked = std::get_if<wire::Reconcile>(&call)) {
    reconcile(at, id, *asked, effects);
  } else if (std::holds_alternative<wire::Teardown>(call)) {
    if (id == jobs_framework()) {
      return refuse_call(id, Errc::permission, "the cluster's own framework can't be removed",
                         effects);
    }
    remove_framework(at, id, effects);
  } else {
    garbage(at, session_of(id), Error{Errc::protocol, "not a call of a scheduler"}, effects);
  }
}

void Core::reconcile(Moment at, const FrameworkId& id, const wire::Reconcile& asked,
                     Effects& effects) {
  const SessionId session = session_of(id);
  auto answer_one = [&](const TaskRecord& record) {
    TaskStatus status = status_of(record);
    status.sequence = 0;
    effects.send(session, wire::SchedulerMessage(wire::Update{std::move(status)}));
  };
  if (asked.tasks.empty()) {
    for (auto task = state_.tasks().lower_bound(TaskKey{id, TaskId()});
         task != state_.tasks().end() && task->first.framework == id; ++task) {
      if (!is_terminal(task->second.status.state)) answer_one(task->second);
    }
  }
  for (const TaskId& task : asked.tasks) {
    const TaskKey key{id, task};
    if (const TaskRecord* record = state_.find(key)) {
      answer_one(*record);
    } else if (tasks_.contains(key)) {
      tell(at, key, TaskState::staging, "", "the launch is being committed", effects);
    } else {
      tell(at, key, TaskState::lost, "reconciliation", "no such task", effects);
    }
  }
}

void Core::refuse_call(const FrameworkId& id, Errc code, std::string why, Effects& effects) {
  effects.send(session_of(id), wire::SchedulerMessage(wire::SchedulerError{
                                   .error = Error{code, std::move(why)}, .fatal = false}));
}

void Core::end_session(Moment at, SessionId id, Errc code, std::string why, Effects& effects) {
  logger_.info("scheduler session ended", "session", id, "why", why);
  effects.send(id, wire::SchedulerMessage(
                       wire::SchedulerError{.error = Error{code, std::move(why)}, .fatal = true}));
  drop_session(at, id, effects);
}

SessionId Core::session_of(const FrameworkId& id) const {
  auto entry = frameworks_.find(id);
  return entry != frameworks_.end() && entry->second.subscribed ? entry->second.session
                                                                : SessionId();
}

}  // namespace cluster::master
