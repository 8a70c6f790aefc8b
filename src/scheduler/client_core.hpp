// The scheduler client's core: one framework's conversation with whoever leads. It decides whom to
// dial and when, what survives a failover, and which updates are news. It owns no socket or clock.
//
//   resting -> dialing -> subscribing -> subscribed -> (session lost) -> resting ...    ended
//
// Offers are renumbered: a master's offer ids mean nothing to the next one, so an id that outlived
// its session must be known as stale rather than hit another offer.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "cluster/logger.hpp"
#include "cluster/metrics.hpp"
#include "cluster/scheduler.hpp"
#include "wire/scheduler_messages.hpp"

namespace cluster::scheduler {

// What a framework asks for.
struct AcceptCall {
  std::vector<OfferId> offers;
  std::vector<TaskSpec> tasks;
  Duration refuse{};
  friend bool operator==(const AcceptCall&, const AcceptCall&) = default;
};
struct DeclineCall {
  std::vector<OfferId> offers;
  Duration refuse{};
  friend bool operator==(const DeclineCall&, const DeclineCall&) = default;
};
struct SuppressCall {
  friend bool operator==(const SuppressCall&, const SuppressCall&) = default;
};
struct ReviveCall {
  friend bool operator==(const ReviveCall&, const ReviveCall&) = default;
};
struct KillCall {
  TaskId task;
  friend bool operator==(const KillCall&, const KillCall&) = default;
};
struct ReconcileCall {
  std::vector<TaskId> tasks;
  friend bool operator==(const ReconcileCall&, const ReconcileCall&) = default;
};
struct AcknowledgeCall {
  TaskId task;
  std::uint64_t sequence = 0;
  friend bool operator==(const AcknowledgeCall&, const AcknowledgeCall&) = default;
};
struct StopCall {
  friend bool operator==(const StopCall&, const StopCall&) = default;
};
struct TeardownCall {
  friend bool operator==(const TeardownCall&, const TeardownCall&) = default;
};
using ClientCall = std::variant<AcceptCall, DeclineCall, SuppressCall, ReviveCall, KillCall,
                                ReconcileCall, AcknowledgeCall, StopCall, TeardownCall>;

// What happened to the one session that the driver holds for the core.
struct SessionOpened {};
struct SessionMessage {
  wire::SchedulerMessage message;
};
struct SessionClosed {  // By the peer, by the network, or because what it said made no sense.
  Error why;
};
using SessionInput = std::variant<SessionOpened, SessionMessage, SessionClosed>;

// What the framework is told.
struct TellSubscribed {
  FrameworkId framework;
  bool resumed = false;
  friend bool operator==(const TellSubscribed&, const TellSubscribed&) = default;
};
struct TellDisconnected {
  Error why;
  friend bool operator==(const TellDisconnected&, const TellDisconnected&) = default;
};
struct TellOffers {
  std::vector<SchedulerOffer> offers;
  friend bool operator==(const TellOffers&, const TellOffers&) = default;
};
struct TellRescind {
  OfferId offer;
  friend bool operator==(const TellRescind&, const TellRescind&) = default;
};
struct TellUpdate {
  TaskStatus status;
  friend bool operator==(const TellUpdate&, const TellUpdate&) = default;
};
struct TellError {
  Error error;
  bool fatal = false;
  friend bool operator==(const TellError&, const TellError&) = default;
};
struct TellEnded {  // The last of all: stopped, torn down, or after a fatal error.
  std::optional<Error> error;
  friend bool operator==(const TellEnded&, const TellEnded&) = default;
};
using ClientTell = std::variant<TellSubscribed, TellDisconnected, TellOffers, TellRescind,
                                TellUpdate, TellError, TellEnded>;

struct Dial {
  Endpoint endpoint;
  friend bool operator==(const Dial&, const Dial&) = default;
};
struct Hangup {
  friend bool operator==(const Hangup&, const Hangup&) = default;
};
struct Send {
  wire::SchedulerMessage message;
  friend bool operator==(const Send&, const Send&) = default;
};

// A framework's client keeps nothing on disk: all its effects are done at once, in order.
struct ClientEffects {
  using Action = std::variant<Dial, Hangup, Send, ClientTell>;
  std::vector<Action> now;
};

struct ClientLimits {
  Duration backoff_min = std::chrono::milliseconds(100);
  Duration backoff_max = std::chrono::seconds(2);
  Duration answer_timeout = std::chrono::seconds(5);  // From dialing to being subscribed.
  Duration teardown_timeout = std::chrono::seconds(10);
  int silent_pings = 5;            // So many intervals without a word: the master is gone.
  std::size_t kills_max = 10'000;  // Remembered until their tasks have ended.
  std::size_t ended_max = 10'000;  // Ended tasks remembered, to know their updates again.
  // Without: only the masters given are dialed, for who must not follow the leadership.
  bool follow_leader = true;
};

class ClientCore {
 public:
  // `options` are known to make sense: there is a master to dial.
  ClientCore(SchedulerOptions options, std::uint64_t seed, Logger logger, ClientLimits limits = {});

  void start(Time now, ClientEffects&);
  void on(Time now, const SessionInput&, ClientEffects&);
  void on(Time now, WallTime wall, const ClientCall&, ClientEffects&);
  void on_time(Time now, ClientEffects&);  // Once `deadline` has come; earlier does no harm.
  Time deadline() const;

  bool is_ended() const { return state_ == State::ended; }
  bool is_subscribed() const { return state_ == State::subscribed; }
  Metrics metrics() const;

 private:
  enum class State : std::uint8_t { resting, dialing, subscribing, subscribed, ended };

  // What has been said about a task in this client's life.
  struct Told {
    std::uint64_t shown = 0;  // Highest sequence told to the framework.
    std::uint64_t acknowledged = 0;
    bool over = false;  // Its end has been told.
  };

  // client_core.cpp: finding and keeping a master.
  void dial(Time now, ClientEffects&);
  void lose_session(Time now, const Error& why, ClientEffects&);
  void rest(Time now);
  void receive(Time now, const wire::SchedulerMessage&, ClientEffects&);
  void follow(Time now, const wire::SchedulerRedirect&, ClientEffects&);
  void become_subscribed(Time now, const wire::Subscribed&, ClientEffects&);
  void repeat_what_is_remembered(ClientEffects&);
  void fail(Time now, const wire::SchedulerError&, ClientEffects&);
  void end(std::optional<Error>, ClientEffects&);

  // client_calls.cpp: offers, tasks and updates.
  void take_offers(const wire::Offers&, ClientEffects&);
  void take_rescind(const wire::Rescind&, ClientEffects&);
  void take_update(const wire::Update&, ClientEffects&);
  void accept(WallTime wall, const AcceptCall&, ClientEffects&);
  void decline(const DeclineCall&, ClientEffects&);
  void kill(const KillCall&, ClientEffects&);
  void acknowledge(const AcknowledgeCall&, ClientEffects&);
  void teardown(Time now, ClientEffects&);
  std::vector<OfferId> use_offers(const std::vector<OfferId>&);
  void remember_end(const TaskId&);
  void tell(ClientTell, ClientEffects&);

  SchedulerOptions options_;
  ClientLimits limits_;
  Logger logger_;
  Random random_;

  State state_ = State::resting;
  Time wake_at_ = time_never;  // Of the state: dial again, give up waiting, or declare it silent.
  Duration silence_max_{};     // While subscribed.
  std::size_t next_master_ = 0;
  std::optional<Endpoint> leader_hint_;
  int hops_ = 0;      // Redirects followed without rest.
  int attempts_ = 0;  // Since the last subscription; what the rest grows by.
  FrameworkId framework_;
  std::uint64_t term_ = 0;  // The latest that it was subscribed in.
  std::optional<Time> teardown_until_;

  std::map<OfferId, OfferId> offers_;  // Ours -> the master's.
  std::uint64_t next_offer_ = 1;
  bool suppressed_ = false;
  bool revive_due_ = false;
  bool reconcile_all_due_ = false;
  std::set<TaskId> reconcile_due_;
  std::set<TaskId> launching_;  // Accepted, and not a word about them yet.
  std::set<TaskId> kills_;
  std::map<TaskId, Told> told_;
  std::deque<TaskId> ended_;  // Those of `told_` that are over, oldest first.

  struct Counts {
    std::uint64_t subscriptions = 0;
    std::uint64_t disconnections = 0;
    std::uint64_t dials = 0;
    std::uint64_t offers = 0;
    std::uint64_t tasks = 0;
    std::uint64_t dropped = 0;
    std::uint64_t updates = 0;
    std::uint64_t repeated_updates = 0;
  } counts_;
};

}  // namespace cluster::scheduler
