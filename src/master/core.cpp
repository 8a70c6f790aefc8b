// The core's start, end, clock, and the way of each input to the part that knows it.

#include "master/core.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.hpp"
#include "master/follower.hpp"
#include "master/saturating.hpp"
#include "master/validation.hpp"

namespace cluster::master {

Core::Core(const RegistryState& state, MasterOptions options, Logger logger, std::uint64_t term,
           Moment at, Counters counters, Effects& effects)
    : state_(state),
      options_(std::move(options)),
      logger_(std::move(logger)),
      term_(term),
      counters_(counters),
      allocator_(options_.allocator),
      offers_(term) {
  for (const auto& [id, record] : state_.frameworks()) {
    if (record.state != FrameworkRecord::State::active) continue;
    allocator_.add_framework(id, record.role);
    allocator_.set_framework_active(id, false);
    // Everyone is given the time that an agent is given: a failover is no fault of theirs.
    frameworks_[id].away_until =
        saturating_add(at.now, std::max(record.failover_timeout, options_.agent_timeout));
  }
  for (const auto& [key, record] : state_.tasks()) {
    const bool ended = is_terminal(record.status.state);
    if (!ended) {
      tasks_[key] =
          LiveTask{.agent = record.agent, .resources = record.resources, .committed = true};
      tasks_by_agent_[record.agent].insert(key);
    }
    if (ended && !record.acknowledged) queue_update(key, record.status, effects);
  }
  for (const auto& [id, record] : state_.agents()) {
    if (record.state != AgentRecord::State::registered) continue;
    agents_[id].heard = at.now;
    add_to_allocator(record);
  }
  next_check_ = at.now + options_.ping_interval;
  logger_.info("leading", "term", term_, "agents", agents_.size(), "frameworks", frameworks_.size(),
               "tasks", tasks_.size());
}

void Core::opened(Moment at, SessionId session, Lane lane, Effects&) {
  sessions_[session] = Session{.lane = lane, .heard = at.now};
}

void Core::heard(Moment at, SessionId id) {
  if (Session* session = find_session(id)) session->heard = at.now;
}

void Core::closed(Moment at, SessionId id, Effects& effects) {
  forget_session(at, id, effects);
  finish(at, effects);
}

void Core::forget_session(Moment at, SessionId id, Effects& effects) {
  auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const Session session = std::move(found->second);
  sessions_.erase(found);
  std::erase_if(waiters_, [id](const Waiter& waiter) { return waiter.session == id; });
  if (session.agent) agent_away(at, session.agent, effects);
  if (session.framework) framework_away(at, session.framework, effects);
}

void Core::drop_session(Moment at, SessionId id, Effects& effects) {
  effects.close(id);
  forget_session(at, id, effects);
}

void Core::on(Moment at, SessionId id, const wire::AgentMessage& message, Effects& effects) {
  Session* session = find_session(id);
  if (!session) return;
  session->heard = at.now;
  if (auto* link = session->agent ? &agents_[session->agent] : nullptr) link->heard = at.now;

  if (const auto* request = std::get_if<wire::RegisterAgentRequest>(&message)) {
    on_message(at, id, *request, effects);
  } else if (const auto* update = std::get_if<wire::AgentUpdate>(&message);
             update && session->agent) {
    task_update(at, AgentId(session->agent), update->framework, update->status, effects);
  } else if (!std::holds_alternative<wire::AgentPong>(message) || !session->agent) {
    garbage(at, id, Error{Errc::protocol, "an agent registers first, then sends updates and pongs"},
            effects);
  }
  finish(at, effects);
}

void Core::on(Moment at, SessionId id, const wire::SchedulerMessage& message, Effects& effects) {
  Session* session = find_session(id);
  if (!session) return;
  session->heard = at.now;

  if (const auto* subscribe = std::get_if<wire::Subscribe>(&message)) {
    on_message(at, id, *subscribe, effects);
  } else if (std::holds_alternative<wire::SchedulerPong>(message)) {
    // It lives: that is all.
  } else if (session->framework && session_of(session->framework) == id) {
    on_call(at, FrameworkId(session->framework), message, effects);
  } else {
    garbage(at, id, Error{Errc::protocol, "a scheduler calls once it is subscribed"}, effects);
  }
  finish(at, effects);
}

void Core::garbage(Moment at, SessionId id, const Error& error, Effects& effects) {
  Session* session = find_session(id);
  if (!session) return;
  ++counters_.protocol_errors;
  logger_.warning("protocol error", "session", id, "lane", static_cast<int>(session->lane), "error",
                  error.message());
  refuse(id, session->lane, error, effects);
  forget_session(at, id, effects);
}

void Core::applied(Moment at, const std::vector<RegistryEvent>& events, Effects& effects) {
  for (const RegistryEvent& event : events) on_event(at, event, effects);
  finish(at, effects);
}

void Core::on_event(Moment at, const RegistryEvent& event, Effects& effects) {
  using Kind = RegistryEvent::Kind;
  switch (event.kind) {
    case Kind::agent_registered: return agent_registered(at, event.agent, effects);
    case Kind::agent_lost: return agent_lost(at, event.agent, event.message, effects);
    case Kind::framework_registered: return framework_registered(at, event.framework, effects);
    case Kind::framework_removed: return framework_removed(at, event.framework, effects);
    case Kind::task_launched: return task_launched(event.task, effects);
    case Kind::task_kill_requested:
      send_kill(event.task, effects);
      return kill_event(event.task, nullptr, effects);
    case Kind::task_ended: return task_ended(at, event.task, effects);
    case Kind::task_acknowledged:
    case Kind::format_raised: return;
    case Kind::job_submitted:
    case Kind::job_changed: return job_event(event.job, nullptr, effects);
    case Kind::refused: return on_refused(at, event, effects);
  }
}

// A refusal names what its command was about, not which command it was. That is enough: of the
// commands about one thing, a later kind is only proposed once all earlier ones were applied (a
// launch after the acknowledgement of the last task of that name, and so on), and what matters is
// what the state says now.
void Core::on_refused(Moment at, const RegistryEvent& event, Effects& effects) {
  logger_.debug("refused", "message", event.message);
  if (event.task.task) {
    auto task = tasks_.find(event.task);
    if (task != tasks_.end() && !task->second.committed) {
      return launch_refused(at, event.task, event.message, effects);
    }
    if (task != tasks_.end()) task->second.kill_proposed = false;
    return kill_event(event.task, &event.message, effects);
  }
  if (event.job) return job_event(event.job, &event.message, effects);
  if (event.agent) return registration_refused(at, event.agent, event.message, effects);
  if (event.framework) {
    auto link = frameworks_.find(event.framework);
    if (link == frameworks_.end()) return;
    link->second.removing = false;
    if (!std::exchange(link->second.registering, false)) return;
    const SessionId session = link->second.session;
    if (!state_.find(event.framework)) frameworks_.erase(link);
    if (session) end_session(at, session, Errc::invalid_argument, event.message, effects);
  }
}

void Core::wake(Moment at, Effects& effects) {
  check_waiters(at, effects);
  if (next_check_ <= at.now) {
    check_timeouts(at, effects);
    next_check_ = at.now + options_.ping_interval;
  }
  if (allocator_.deadline() <= at.now) offers_changed(at);
  finish(at, effects);
}

Time Core::deadline() const {
  // A round that is due already takes expired filters along.
  const Time offers = next_allocation_ != time_never ? next_allocation_ : allocator_.deadline();
  Time next = std::min(next_check_, offers);
  for (const Waiter& waiter : waiters_) next = std::min(next, waiter.until);
  return next;
}

void Core::check_timeouts(Moment at, Effects& effects) {
  check_agents(at, effects);
  check_frameworks(at, effects);
  check_tools(at, effects);
  if (options_.offer_timeout > Duration::zero()) {
    rescind(offers_.take_made_before(at.now - options_.offer_timeout), at, effects);
  }
}

void Core::finish(Moment at, Effects& effects) {
  if (next_allocation_ <= at.now) make_offers(at, effects);
}

void Core::stop(std::optional<Endpoint> leader, Effects& effects) {
  for (const Waiter& waiter : waiters_) {
    if (waiter.wait == Wait::job_change) {
      answer(waiter.session, waiter.question, wire::AdminRedirect{leader}, effects);
    } else {
      answer(waiter.session, waiter.question,
             wire::Failure{Error{Errc::no_leader, "this master stopped leading before the answer",
                                 Outcome::maybe}},
             effects);
    }
  }
  for (const auto& [id, session] : sessions_) {
    if (session.lane == Lane::admin) {
      effects.close(id);
    } else {
      redirect(id, session.lane, 0, leader, effects);
    }
  }
  logger_.info("no longer leading", "term", term_);
}

Core::Session* Core::find_session(SessionId id) {
  auto at = sessions_.find(id);
  return at == sessions_.end() ? nullptr : &at->second;
}

Metrics Core::metrics() const {
  using Kind = Metric::Kind;
  auto gauge = [](std::string name, std::string help, std::size_t value) {
    return Metric{std::move(name), std::move(help), Kind::gauge, static_cast<double>(value)};
  };
  Metrics metrics = {
      gauge("cluster_master_sessions", "Sessions of agents, schedulers and tools.",
            sessions_.size()),
      gauge("cluster_master_agents_connected", "Agents that are here and registered.",
            static_cast<std::size_t>(std::ranges::count_if(
                agents_, [](const auto& entry) { return entry.second.reconciled; }))),
      gauge("cluster_master_frameworks_connected", "Frameworks that are subscribed.",
            static_cast<std::size_t>(std::ranges::count_if(
                frameworks_, [](const auto& entry) { return entry.second.subscribed; }))),
      gauge("cluster_master_offers_outstanding", "Offers neither taken nor given back.",
            offers_.size()),
      gauge("cluster_master_tasks_open", "Tasks that have not ended.", tasks_.size()),
      gauge("cluster_master_waiting_questions", "Questions of tools that wait.", waiters_.size()),
  };
  const Metrics of_allocator = allocator_.metrics();
  metrics.insert(metrics.end(), of_allocator.begin(), of_allocator.end());
  return metrics;
}

}  // namespace cluster::master
