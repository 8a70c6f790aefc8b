// The part of the client's core that deals with offers, tasks and updates; the session is in
// client_core.cpp.
#include <algorithm>

#include "runtime/transport.hpp"
#include "scheduler/client_core.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::scheduler {

namespace {

constexpr std::size_t message_overhead = 4096;  // What an Accept takes beside its tasks.

TaskStatus unsent(const TaskId& task, TaskState state, WallTime at, std::string reason,
                  std::string message) {
  return TaskStatus{.task = task,
                    .state = state,
                    .reason = std::move(reason),
                    .message = std::move(message),
                    .at = at};
}

}  // namespace

void ClientCore::on(Time now, WallTime wall, const ClientCall& call, ClientEffects& effects) {
  if (state_ == State::ended || (teardown_until_ && !std::holds_alternative<StopCall>(call))) {
    return;
  }
  const bool connected = state_ == State::subscribed;
  if (const auto* accepted = std::get_if<AcceptCall>(&call)) {
    accept(wall, *accepted, effects);
  } else if (const auto* declined = std::get_if<DeclineCall>(&call)) {
    decline(*declined, effects);
  } else if (std::holds_alternative<SuppressCall>(call)) {
    suppressed_ = true;
    revive_due_ = false;
    if (connected) effects.now.emplace_back(Send{wire::Suppress{}});
  } else if (std::holds_alternative<ReviveCall>(call)) {
    suppressed_ = false;
    revive_due_ = !connected;
    if (connected) effects.now.emplace_back(Send{wire::Revive{}});
  } else if (const auto* killed = std::get_if<KillCall>(&call)) {
    kill(*killed, effects);
  } else if (const auto* asked = std::get_if<ReconcileCall>(&call)) {
    if (connected) {
      effects.now.emplace_back(Send{wire::Reconcile{asked->tasks}});
    } else if (asked->tasks.empty()) {
      reconcile_all_due_ = true;
    } else {
      reconcile_due_.insert(asked->tasks.begin(), asked->tasks.end());
    }
  } else if (const auto* heard = std::get_if<AcknowledgeCall>(&call)) {
    acknowledge(*heard, effects);
  } else if (std::holds_alternative<StopCall>(call)) {
    std::optional<Error> unfinished;
    if (teardown_until_) {
      unfinished = Error{Errc::closed, "stopped before the removal was confirmed", Outcome::maybe};
    }
    effects.now.emplace_back(Hangup{});
    end(std::move(unfinished), effects);
  } else {
    teardown(now, effects);
  }
}

void ClientCore::take_offers(const wire::Offers& message, ClientEffects& effects) {
  TellOffers news;
  news.offers.reserve(message.offers.size());
  for (const wire::Offer& offer : message.offers) {
    const OfferId ours(next_offer_++);
    offers_.emplace(ours, offer.id);
    news.offers.push_back({ours, offer.agent, offer.hostname, offer.resources});
  }
  counts_.offers += news.offers.size();
  if (!news.offers.empty()) tell(std::move(news), effects);
}

void ClientCore::take_rescind(const wire::Rescind& message, ClientEffects& effects) {
  const auto at = std::find_if(offers_.begin(), offers_.end(),
                               [&](const auto& pair) { return pair.second == message.offer; });
  if (at == offers_.end()) return;  // It crossed our answer.
  const OfferId ours = at->first;
  offers_.erase(at);
  tell(TellRescind{ours}, effects);
}

// Whether an update is news is judged by its sequence, except for the end: a task's end may come
// from the registry (its agent was lost), whose numbers do not continue the agent's.
void ClientCore::take_update(const wire::Update& message, ClientEffects& effects) {
  const TaskStatus& status = message.status;
  const bool over = is_terminal(status.state);
  launching_.erase(status.task);
  if (over) kills_.erase(status.task);
  if (status.sequence == 0) {
    ++counts_.updates;
    return tell(TellUpdate{status}, effects);
  }

  Told& told = told_[status.task];
  const bool known = over ? told.over : told.over || status.sequence <= told.shown;
  if (known) {
    ++counts_.repeated_updates;
    if (status.sequence <= told.acknowledged || (told.over && !over)) {
      effects.now.emplace_back(Send{wire::Acknowledge{status.task, status.sequence}});
    }
    return;
  }
  told.shown = std::max(told.shown, status.sequence);
  if (over) {
    told.over = true;
    // An acknowledgement of what came before must not pass for one of the end.
    told.acknowledged = 0;
    remember_end(status.task);
  }
  ++counts_.updates;
  tell(TellUpdate{status}, effects);
}

void ClientCore::remember_end(const TaskId& task) {
  ended_.push_back(task);
  if (ended_.size() <= limits_.ended_max) return;
  told_.erase(ended_.front());
  ended_.pop_front();
}

void ClientCore::acknowledge(const AcknowledgeCall& call, ClientEffects& effects) {
  if (call.sequence == 0) return;
  const auto told = told_.find(call.task);
  if (told != told_.end()) {
    told->second.acknowledged = std::max(told->second.acknowledged, call.sequence);
  }
  // Without a session nothing need be queued: the next master repeats what is not acknowledged, and
  // is answered then.
  if (state_ == State::subscribed) {
    effects.now.emplace_back(Send{wire::Acknowledge{call.task, call.sequence}});
  }
}

// The master's ids of those that are still valid, which they are no longer.
std::vector<OfferId> ClientCore::use_offers(const std::vector<OfferId>& ids) {
  std::vector<OfferId> valid;
  for (OfferId id : ids) {
    const auto at = offers_.find(id);
    if (at == offers_.end()) continue;
    valid.push_back(at->second);
    offers_.erase(at);
  }
  return valid;
}

void ClientCore::accept(WallTime wall, const AcceptCall& call, ClientEffects& effects) {
  const std::vector<OfferId> valid = use_offers(call.offers);
  const auto refuse_all = [&](TaskState state, const std::string& reason,
                              const std::string& message) {
    if (!valid.empty()) effects.now.emplace_back(Send{wire::Decline{valid, call.refuse}});
    counts_.dropped += call.tasks.size();
    for (const TaskSpec& task : call.tasks) {
      tell(TellUpdate{unsent(task.id, state, wall, reason, message)}, effects);
    }
  };
  if (state_ != State::subscribed) {
    return refuse_all(TaskState::dropped, "disconnected",
                      "there was no connection to a leading master; its offers are void");
  }
  if (valid.size() != call.offers.size() || valid.empty()) {
    return refuse_all(TaskState::dropped, "invalid_offers",
                      "an offer was used, rescinded, or made by an earlier leader");
  }
  wire::Accept message{.offers = valid, .tasks = {}, .refuse = call.refuse};
  std::size_t size = message_overhead + valid.size() * sizeof(OfferId);
  for (const TaskSpec& task : call.tasks) {
    message.tasks.push_back(wire::encode(task));
    size += message.tasks.back().size() + sizeof(std::uint64_t) * 2;
  }
  if (size > runtime::message_size_max) {
    return refuse_all(TaskState::error, "too_large",
                      "the tasks of one accept are larger than a message may be");
  }
  for (const TaskSpec& task : call.tasks) launching_.insert(task.id);
  counts_.tasks += call.tasks.size();
  effects.now.emplace_back(Send{std::move(message)});
}

void ClientCore::decline(const DeclineCall& call, ClientEffects& effects) {
  std::vector<OfferId> valid = use_offers(call.offers);
  if (valid.empty()) return;
  effects.now.emplace_back(Send{wire::Decline{std::move(valid), call.refuse}});
}

// Remembered until the task's end is heard of, since the session that carries it may break.
void ClientCore::kill(const KillCall& call, ClientEffects& effects) {
  const bool room = kills_.size() < limits_.kills_max || kills_.contains(call.task);
  if (room) kills_.insert(call.task);
  if (state_ == State::subscribed) {
    effects.now.emplace_back(Send{wire::Kill{call.task}});
  } else if (!room) {
    tell(TellError{Error{Errc::overloaded, "too many kills wait for a master; ask again later"},
                   false},
         effects);
  }
}

void ClientCore::teardown(Time now, ClientEffects& effects) {
  const bool nothing_to_remove = framework_.empty() && state_ != State::subscribing;
  if (nothing_to_remove) {
    effects.now.emplace_back(Hangup{});
    return end(std::nullopt, effects);
  }
  teardown_until_ = now + limits_.teardown_timeout;
  if (state_ == State::subscribed) effects.now.emplace_back(Send{wire::Teardown{}});
}

}  // namespace cluster::scheduler
