#include "agentlib/core.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace cluster::agentlib {

AgentCore::AgentCore(CoreOptions options, Identity identity, std::vector<TaskRow> recovered,
                     const Instant& at, Logger logger)
    : options_(std::move(options)),
      identity_(std::move(identity)),
      tasks_(identity_.agent, std::move(recovered)),
      link_(options_.link, at.time),
      logger_(std::move(logger)) {}

void AgentCore::on_link_open(const Instant& at, LinkId link, Effects& effects) {
  if (!link_.on_open(at.time, link)) return;
  // Statuses are told once they are durable, here too.
  effects.then.push_back(Send{.link = link,
                              .message = wire::RegisterAgentRequest{
                                  .agent = identity_.agent,
                                  .cluster = identity_.cluster,
                                  .hostname = options_.hostname,
                                  .endpoint = options_.endpoint,
                                  .total = options_.total,
                                  .isolation = options_.isolation,
                                  .tasks = tasks_.known(),
                              }});
}

void AgentCore::on_link_close(const Instant& at, LinkId link, const Error& why, Effects&) {
  if (link == link_.link() && link_.is_registered()) {
    logger_.warning("lost the master", "master", link_.master(), "why", why.message());
  }
  link_.on_close(at.time, link, why);
}

void AgentCore::on_message(const Instant& at, LinkId link, const wire::AgentMessage& message,
                           Effects& effects) {
  if (link != link_.link()) return;
  link_.on_heard(at.time);
  std::visit([&](const auto& body) { receive(at, body, effects); }, message);
  advance_stop(at, effects);
}

void AgentCore::receive(const Instant& at, const wire::RunTask& run, Effects& effects) {
  if (!is_registered() || stop_ != Stop::no) return;  // It is told again where it matters.
  Tasks::Told told;
  tasks_.on(at, run, effects, told);
  tell(at.time, told, effects);
}

void AgentCore::receive(const Instant& at, const wire::KillAgentTask& kill, Effects& effects) {
  if (!is_registered()) return;
  Tasks::Told told;
  tasks_.on(at, kill, effects, told);
  tell(at.time, told, effects);
}

void AgentCore::receive(const Instant&, const wire::AgentUpdateAck& ack, Effects& effects) {
  tasks_.on(ack, effects);
}

void AgentCore::receive(const Instant&, const wire::AgentPing&, Effects& effects) {
  effects.now.push_back(Send{.link = link_.link(), .message = wire::AgentPong{}});
}

void AgentCore::receive(const Instant& at, const wire::AgentRegistered& registered,
                        Effects& effects) {
  if (identity_.cluster && registered.cluster != identity_.cluster) {
    std::string why = "this agent's directory belongs to cluster " + to_field(identity_.cluster) +
                      ", the master at " + to_string(link_.master()) + " to cluster " +
                      to_field(registered.cluster) +
                      ": start the agent with a directory of its own";
    logger_.error("wrong cluster", "why", why);
    return link_.on_refused(at.time, std::move(why), effects);
  }
  // One that was replaced and does not know it yet misses what has been committed since: it would
  // have tasks run that have ended, and kill those that are new.
  if (registered.term < identity_.term) {
    logger_.warning("outdated master", "master", link_.master(), "term", registered.term, "known",
                    identity_.term);
    return link_.on_outdated(at.time, effects);
  }
  Identity now = identity_;
  if (!now.cluster) now.cluster = registered.cluster;
  now.term = registered.term;
  if (now != identity_) {
    identity_ = now;
    effects.changes.push_back(PutIdentity{.identity = std::move(now)});
  }
  bool is_new = !is_registered();
  link_.on_registered(at.time, registered.ping_interval);
  if (!is_new || !is_registered()) return;
  registrations_ += 1;
  logger_.info("registered", "master", link_.master(), "term", registered.term, "agent",
               identity_.agent);
  tell(at.time, tasks_.unacknowledged(), effects);
}

void AgentCore::receive(const Instant& at, const wire::AgentRefused& refused, Effects& effects) {
  std::string why = "the master at " + to_string(link_.master()) +
                    " refused this agent: " + refused.error.message();
  logger_.error("refused by the master", "why", why);
  link_.on_refused(at.time, std::move(why), effects);
}

void AgentCore::receive(const Instant& at, const wire::AgentRedirect& redirect, Effects& effects) {
  link_.on_redirect(at.time, redirect, effects);
}

template <class Other>
void AgentCore::receive(const Instant& at, const Other&, Effects& effects) {
  // What only agents say.
  link_.on_refused(at.time, "what answers at " + to_string(link_.master()) + " is not a master",
                   effects);
}

void AgentCore::on_started(const Instant& at, const TaskKey& key, Effects& effects) {
  Tasks::Told told;
  tasks_.on_started(at, key, effects, told);
  tell(at.time, told, effects);
}

void AgentCore::on_ended(const Instant& at, const TaskKey& key, const TaskEnd& end,
                         Effects& effects) {
  Tasks::Told told;
  tasks_.on_ended(at, key, end, effects, told);
  for (const wire::AgentUpdate& update : told) {
    logger_.info("task ended", "framework", update.framework, "task", update.status.task, "state",
                 to_string(update.status.state), "message", update.status.message);
  }
  tell(at.time, told, effects);
  advance_stop(at, effects);
}

void AgentCore::tell(Time now, const Tasks::Told& told, Effects& effects) {
  if (told.empty() || !is_registered()) return;  // After registering, what is open is told again.
  for (const wire::AgentUpdate& update : told) {
    effects.then.push_back(Send{.link = link_.link(), .message = update});
  }
  resend_at_ = std::min(resend_at_, now + options_.resend_interval);
}

void AgentCore::on_time(const Instant& at, Effects& effects) {
  if (!std::exchange(has_resumed_, true)) tasks_.resume_kills(at.time, effects);
  bool was_registered = is_registered();
  link_.on_time(at.time, effects);
  if (was_registered && !is_registered()) logger_.warning("lost the master", "why", problem());
  tasks_.on_time(at, effects);
  if (at.time >= resend_at_) {
    resend_at_ = time_never;
    tell(at.time, tasks_.unacknowledged(), effects);
  }
  advance_stop(at, effects);
}

void AgentCore::on_stop(const Instant& at, bool kill_tasks, Effects& effects) {
  if (stop_ == Stop::done) return;
  if (!kill_tasks) {
    stop_ = Stop::telling;
    give_up_at_ = at.time;
    return advance_stop(at, effects);
  }
  if (stop_ == Stop::no) {
    stop_ = Stop::killing;
    Tasks::Told told;
    tasks_.kill_all(at, effects, told);
    tell(at.time, told, effects);
  }
  advance_stop(at, effects);
}

void AgentCore::advance_stop(const Instant& at, Effects& effects) {
  if (stop_ == Stop::killing && tasks_.open() == 0) {
    stop_ = Stop::telling;
    give_up_at_ = at.time + options_.stop_timeout;
  }
  if (stop_ != Stop::telling) return;
  if (tasks_.size() != 0 && at.time < give_up_at_) return;
  stop_ = Stop::done;
  give_up_at_ = time_never;
  link_.quit(effects);
  effects.then.emplace_back(std::in_place_type<Stopped>);  // Moved, gcc 12 misreads it.
}

Time AgentCore::deadline() const {
  if (stop_ == Stop::done) return time_never;
  return std::min({link_.deadline(), tasks_.deadline(), resend_at_, give_up_at_});
}

}  // namespace cluster::agentlib
