#include "scheduler/client_core.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace cluster::scheduler {

namespace {

constexpr int client_hops_max = 4;
constexpr std::size_t client_masters_max = 16;

// A master that states none, or an absurd one, must not make every second look like silence.
constexpr Duration ping_interval_min = std::chrono::milliseconds(50);
constexpr Duration ping_interval_max = std::chrono::minutes(1);

}  // namespace

ClientCore::ClientCore(SchedulerOptions options, std::uint64_t seed, Logger logger,
                       ClientLimits limits)
    : options_(std::move(options)), limits_(limits), logger_(std::move(logger)), random_(seed) {
  CLUSTER_CHECK(!options_.masters.empty(), "a client needs a master to dial");
  framework_ = options_.framework;
}

void ClientCore::start(Time now, ClientEffects& effects) { dial(now, effects); }

Time ClientCore::deadline() const {
  if (state_ == State::ended) return time_never;
  return teardown_until_ ? std::min(wake_at_, *teardown_until_) : wake_at_;
}

void ClientCore::on_time(Time now, ClientEffects& effects) {
  if (state_ == State::ended) return;
  if (teardown_until_ && now >= *teardown_until_) {
    effects.now.emplace_back(Hangup{});
    return end(Error{Errc::timed_out, "no master took the removal of the framework in time",
                     Outcome::maybe},
               effects);
  }
  if (now < wake_at_) return;
  switch (state_) {
    case State::resting: return dial(now, effects);
    case State::dialing:
    case State::subscribing:
      effects.now.emplace_back(Hangup{});
      return lose_session(now, Error{Errc::timed_out, "the master did not answer in time"},
                          effects);
    case State::subscribed:
      effects.now.emplace_back(Hangup{});
      return lose_session(now, Error{Errc::unreachable, "the master has fallen silent"}, effects);
    case State::ended: return;
  }
}

void ClientCore::on(Time now, const SessionInput& input, ClientEffects& effects) {
  if (state_ == State::ended || state_ == State::resting) return;  // There is no session.
  if (std::holds_alternative<SessionOpened>(input)) {
    if (state_ != State::dialing) return;
    state_ = State::subscribing;
    effects.now.emplace_back(Send{wire::Subscribe{.framework = framework_,
                                                  .name = options_.name,
                                                  .role = options_.role,
                                                  .failover_timeout = options_.failover_timeout}});
  } else if (const auto* said = std::get_if<SessionMessage>(&input)) {
    receive(now, said->message, effects);
  } else {
    lose_session(now, std::get<SessionClosed>(input).why, effects);
  }
}

void ClientCore::dial(Time now, ClientEffects& effects) {
  Endpoint to;
  if (leader_hint_) {
    to = *std::exchange(leader_hint_, std::nullopt);
  } else {
    to = options_.masters[next_master_];
    next_master_ = (next_master_ + 1) % options_.masters.size();
  }
  ++counts_.dials;
  state_ = State::dialing;
  wake_at_ = now + limits_.answer_timeout;
  effects.now.emplace_back(Dial{std::move(to)});
}

void ClientCore::lose_session(Time now, const Error& why, ClientEffects& effects) {
  const bool was_subscribed = state_ == State::subscribed;
  offers_.clear();
  rest(now);
  if (!was_subscribed) return;
  ++counts_.disconnections;
  logger_.info("disconnected", "framework", framework_, "why", why.message());
  tell(TellDisconnected{why}, effects);
}

// Each master gets its turn at the shortest rest; only whole rounds in vain make it longer.
void ClientCore::rest(Time now) {
  const auto round = static_cast<std::size_t>(attempts_++) / options_.masters.size();
  Duration pause = limits_.backoff_min;
  for (std::size_t i = 0; i < round && pause < limits_.backoff_max; ++i) pause *= 2;
  pause = std::min(pause, limits_.backoff_max);
  const auto half = static_cast<std::uint64_t>(pause.count() / 2);
  state_ = State::resting;
  hops_ = 0;
  wake_at_ = now + Duration(static_cast<Duration::rep>(half + random_.below(half + 1)));
}

void ClientCore::receive(Time now, const wire::SchedulerMessage& message, ClientEffects& effects) {
  if (const auto* redirect = std::get_if<wire::SchedulerRedirect>(&message)) {
    return follow(now, *redirect, effects);
  }
  if (const auto* error = std::get_if<wire::SchedulerError>(&message)) {
    return fail(now, *error, effects);
  }
  if (const auto* subscribed = std::get_if<wire::Subscribed>(&message)) {
    return become_subscribed(now, *subscribed, effects);
  }
  if (state_ != State::subscribed) return;  // Nothing else has a meaning before.
  wake_at_ = now + silence_max_;
  if (std::holds_alternative<wire::SchedulerPing>(message)) {
    effects.now.emplace_back(Send{wire::SchedulerPong{}});
  } else if (const auto* offers = std::get_if<wire::Offers>(&message)) {
    take_offers(*offers, effects);
  } else if (const auto* rescind = std::get_if<wire::Rescind>(&message)) {
    take_rescind(*rescind, effects);
  } else if (const auto* update = std::get_if<wire::Update>(&message)) {
    take_update(*update, effects);
  }
}

void ClientCore::follow(Time now, const wire::SchedulerRedirect& redirect, ClientEffects& effects) {
  const int hops = hops_ + 1;
  effects.now.emplace_back(Hangup{});
  lose_session(now, Error{Errc::no_leader, "the master does not lead any more"}, effects);
  if (!redirect.leader || !limits_.follow_leader) return;
  // Whoever has led is a master to ask when the one whose address was given is down.
  auto& masters = options_.masters;
  const bool known = std::find(masters.begin(), masters.end(), *redirect.leader) != masters.end();
  if (!known && masters.size() < client_masters_max) masters.push_back(*redirect.leader);
  leader_hint_ = redirect.leader;
  // Masters that point at each other while an election goes on must not be asked in a tight loop.
  if (hops > client_hops_max) return;
  dial(now, effects);
  hops_ = hops;
}

void ClientCore::become_subscribed(Time now, const wire::Subscribed& answer,
                                   ClientEffects& effects) {
  if (state_ != State::subscribing) return;
  // One that was replaced and does not know it yet would call tasks lost that run.
  if (answer.term < term_) {
    effects.now.emplace_back(Hangup{});
    return lose_session(now, Error{Errc::no_leader, "the master has been replaced"}, effects);
  }
  term_ = answer.term;
  const bool resumed = !framework_.empty();
  framework_ = answer.framework;
  state_ = State::subscribed;
  silence_max_ =
      std::clamp(answer.ping_interval, ping_interval_min, ping_interval_max) * limits_.silent_pings;
  wake_at_ = now + silence_max_;
  attempts_ = 0;
  hops_ = 0;
  ++counts_.subscriptions;
  logger_.info("subscribed", "framework", framework_, "term", answer.term, "resumed", resumed);
  if (teardown_until_) {
    effects.now.emplace_back(Send{wire::Teardown{}});
    return;
  }
  tell(TellSubscribed{framework_, resumed}, effects);
  repeat_what_is_remembered(effects);
}

void ClientCore::repeat_what_is_remembered(ClientEffects& effects) {
  if (suppressed_) {
    effects.now.emplace_back(Send{wire::Suppress{}});
  } else if (revive_due_) {
    effects.now.emplace_back(Send{wire::Revive{}});
  }
  revive_due_ = false;
  for (const TaskId& task : kills_) effects.now.emplace_back(Send{wire::Kill{task}});

  // An accept that went out on a session that broke may or may not have arrived: ask.
  reconcile_due_.insert(launching_.begin(), launching_.end());
  if (std::exchange(reconcile_all_due_, false)) effects.now.emplace_back(Send{wire::Reconcile{}});
  if (!reconcile_due_.empty()) {
    effects.now.emplace_back(Send{wire::Reconcile{{reconcile_due_.begin(), reconcile_due_.end()}}});
    reconcile_due_.clear();
  }
}

void ClientCore::fail(Time now, const wire::SchedulerError& refusal, ClientEffects& effects) {
  if (!refusal.fatal) {
    if (state_ == State::subscribed) wake_at_ = now + silence_max_;
    return tell(TellError{refusal.error, false}, effects);
  }
  effects.now.emplace_back(Hangup{});
  // What is being torn down and is refused for good is gone, whoever removed it.
  if (teardown_until_) return end(std::nullopt, effects);
  logger_.warning("framework ended", "framework", framework_, "why", refusal.error.message());
  tell(TellError{refusal.error, true}, effects);
  end(refusal.error, effects);
}

void ClientCore::end(std::optional<Error> error, ClientEffects& effects) {
  state_ = State::ended;
  wake_at_ = time_never;
  teardown_until_.reset();
  effects.now.emplace_back(ClientTell{TellEnded{std::move(error)}});
}

// While it is being torn down a framework hears of the end of that alone.
void ClientCore::tell(ClientTell what, ClientEffects& effects) {
  if (!teardown_until_) effects.now.emplace_back(std::move(what));
}

Metrics ClientCore::metrics() const {
  const auto counter = [](std::string name, std::string help, std::uint64_t value) {
    return Metric{std::move(name), std::move(help), Metric::Kind::counter,
                  static_cast<double>(value)};
  };
  return {
      counter("cluster_scheduler_dials_total", "Sessions tried.", counts_.dials),
      counter("cluster_scheduler_subscriptions_total", "Times a master took it on.",
              counts_.subscriptions),
      counter("cluster_scheduler_disconnections_total", "Times that a master was lost.",
              counts_.disconnections),
      counter("cluster_scheduler_offers_total", "Offers received.", counts_.offers),
      counter("cluster_scheduler_tasks_total", "Tasks sent to be launched.", counts_.tasks),
      counter("cluster_scheduler_tasks_dropped_total", "Tasks whose offers were void.",
              counts_.dropped),
      counter("cluster_scheduler_updates_total", "Updates shown.", counts_.updates),
      counter("cluster_scheduler_updates_repeated_total", "Updates known already.",
              counts_.repeated_updates),
      Metric{"cluster_scheduler_subscribed", "1 while a master has it.", Metric::Kind::gauge,
             is_subscribed() ? 1.0 : 0.0},
  };
}

}  // namespace cluster::scheduler
