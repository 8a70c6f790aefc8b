#include "scheduler/job_core.hpp"

#include <algorithm>

namespace cluster::scheduler {

JobCore::JobCore(const RegistryState& registry, Time now, WallTime wall, Logger logger,
                 JobTuning tuning)
    : registry_(registry),
      logger_(std::move(logger)),
      tuning_(tuning),
      pieces_(registry, now, wall) {}

void JobCore::on(Time now, WallTime, const ClientTell& news, JobEffects& effects) {
  if (const auto* offers = std::get_if<TellOffers>(&news)) {
    for (const SchedulerOffer& offer : offers->offers) offers_.emplace(offer.id, offer);
  } else if (const auto* rescind = std::get_if<TellRescind>(&news)) {
    offers_.erase(rescind->offer);
  } else if (const auto* update = std::get_if<TellUpdate>(&news)) {
    take_update(now, update->status);
  } else if (std::holds_alternative<TellSubscribed>(news)) {
    connected_ = true;
    // What was on its way when the session broke is in the registry by now or may be sent again:
    // the same attempt has the same id, which the registry takes once.
    pieces_.forget_launching(now);
    suppressed_.reset();
    kill_at_ = now;
  } else if (std::holds_alternative<TellDisconnected>(news)) {
    connected_ = false;
    offers_.clear();
  }
  settle(now, effects);
}

void JobCore::on(Time now, WallTime wall, const std::vector<RegistryEvent>& events,
                 JobEffects& effects) {
  for (const RegistryEvent& event : events) pieces_.on(event, now, wall);
  settle(now, effects);
}

void JobCore::on_time(Time now, JobEffects& effects) { settle(now, effects); }

// The registry tells what became of a task it knows; updates matter for those it never knew.
void JobCore::take_update(Time now, const TaskStatus& status) {
  const bool is_loss = status.state == TaskState::dropped || status.state == TaskState::lost;
  if (!is_loss && status.state != TaskState::error) return;
  // An answer to what the client asked on its own, about an accept of an earlier session.
  if (status.reason == "reconciliation") return;
  const auto known = registry_.tasks().find(TaskKey{jobs_framework(), status.task});
  if (known != registry_.tasks().end()) return;
  ++counts_.refused;
  logger_.debug("launch refused", "task", status.task, "why", status.message);
  pieces_.refused(status.task, is_loss, status.message.empty() ? status.reason : status.message,
                  now);
}

void JobCore::settle(Time now, JobEffects& effects) {
  pieces_.wake(now);
  if (pieces_.take_news()) wanted_ = true;
  if (pieces_.take_kills_due()) kill_at_ = std::min(kill_at_, now);
  if (!connected_) return;
  kill_stopping(now, effects);
  place(now, effects);
  adjust_demand(now, effects);
}

void JobCore::kill_stopping(Time now, JobEffects& effects) {
  if (now < kill_at_) return;
  for (TaskId& task : pieces_.tasks_to_kill()) {
    ++counts_.kills;
    effects.now.emplace_back(KillCall{std::move(task)});
  }
  kill_at_ = pieces_.has_stopping() ? now + tuning_.kill_interval : time_never;
}

// Asks for offers while something could use them, and for none otherwise.
void JobCore::adjust_demand(Time now, JobEffects& effects) {
  if (!pieces_.has_demand()) {
    if (suppressed_ == true) return;
    suppressed_ = true;
    effects.now.emplace_back(SuppressCall{});
    return;
  }
  const bool refused_too_much = declined_ && wanted_ && now >= revive_from_;
  if (suppressed_ == false && !refused_too_much) return;
  suppressed_ = false;
  declined_ = false;
  wanted_ = false;
  revive_from_ = now + tuning_.revive_interval;
  effects.now.emplace_back(ReviveCall{});
}

Time JobCore::deadline() const {
  Time at = pieces_.next_wake();
  if (!connected_) return at;
  at = std::min({at, spread_until_, kill_at_});
  if (declined_ && wanted_ && suppressed_ == false && pieces_.has_demand()) {
    at = std::min(at, revive_from_);
  }
  return at;
}

Metrics JobCore::metrics() const {
  const auto metric = [](std::string name, std::string help, Metric::Kind kind,
                         std::uint64_t value) {
    return Metric{std::move(name), std::move(help), kind, static_cast<double>(value)};
  };
  using Kind = Metric::Kind;
  return {
      metric("cluster_jobs_open", "Jobs that have not ended.", Kind::gauge, pieces_.jobs().size()),
      metric("cluster_jobs_placed_total", "Tasks placed on offers.", Kind::counter, counts_.placed),
      metric("cluster_jobs_refused_total", "Placed tasks that were not launched.", Kind::counter,
             counts_.refused),
      metric("cluster_jobs_kills_total", "Kills sent.", Kind::counter, counts_.kills),
      metric("cluster_jobs_offers_held", "Offers in hand.", Kind::gauge, offers_.size()),
  };
}

}  // namespace cluster::scheduler
