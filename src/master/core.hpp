// The leader of one term: a pure function of what sessions say, what the registry applies, and
// time.
//
// Two entries per task: its launch is committed before the agent hears of it, its end before its
// resources are free, before the agent may forget it and before the framework hears. This holds by
// construction: the core acts on the events of *applied* commands, never on having proposed one.
// What it holds itself is soft: sessions, offers, what agents said of living tasks, updates on
// their way. A new leader's core starts from `RegistryState` alone.
//
// One core per term: made when the registry has applied everything of earlier terms, `stop`ped and
// dropped when the term is over. `state` outlives it and changes only between calls; each change is
// followed by `applied`.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/allocator.hpp"
#include "cluster/logger.hpp"
#include "cluster/registry.hpp"
#include "master/effects.hpp"
#include "master/offer_book.hpp"
#include "master/options.hpp"
#include "master/update_stream.hpp"

namespace cluster::master {

struct Counters {
  std::uint64_t offers_made = 0;
  std::uint64_t offers_rescinded = 0;
  std::uint64_t offers_declined = 0;
  std::uint64_t launches_accepted = 0;
  std::uint64_t launches_refused = 0;
  std::uint64_t tasks_ended = 0;
  std::uint64_t agents_lost = 0;
  std::uint64_t agent_registrations = 0;
  std::uint64_t subscriptions = 0;
  std::uint64_t updates_sent = 0;
  std::uint64_t protocol_errors = 0;
  std::uint64_t limits_hit = 0;
};

class Core {
 public:
  // Every registered agent and framework is away, and counts as such from now on.
  Core(const RegistryState& state, MasterOptions options, Logger logger, std::uint64_t term, Moment,
       Counters counters, Effects&);

  void opened(Moment, SessionId, Lane, Effects&);
  void closed(Moment, SessionId, Effects&);
  void on(Moment, SessionId, const wire::AgentMessage&, Effects&);
  void on(Moment, SessionId, const wire::SchedulerMessage&, Effects&);
  void on(Moment, SessionId, const wire::AdminMessage&, Effects&);
  // What the session said is not a message of its lane: it hears why, and is closed.
  void garbage(Moment, SessionId, const Error&, Effects&);
  // Of a question that is answered beside the core.
  void heard(Moment, SessionId);

  // One command was applied; `state` has it already, and may have later ones too.
  void applied(Moment, const std::vector<RegistryEvent>&, Effects&);

  void wake(Moment, Effects&);
  Time deadline() const;

  // The term is over: every session is sent to `leader` and closed, waiting questions are answered.
  void stop(std::optional<Endpoint> leader, Effects&);

  // Pieces of jobs that are not launched, for the next GetTasks.
  void set_pending_tasks(std::vector<wire::TaskRow> rows) { pending_rows_ = std::move(rows); }

  const Counters& counters() const { return counters_; }
  Metrics metrics() const;
  const Allocator& allocator() const { return allocator_; }

 private:
  struct Session {
    Lane lane{};
    Time heard{};
    AgentId agent;          // Registered, or about to be, on this session.
    FrameworkId framework;  // Subscribed, or about to be.
  };

  struct AgentLink {
    SessionId session;        // None: away.
    bool reconciled = false;  // AgentRegistered was sent on `session`.
    std::optional<wire::RegisterAgentRequest> registering;  // Waits for its command.
    Time heard{};                                           // Or when it went away.
    bool losing = false;  // LoseAgent is on its way through the log.
  };

  struct FrameworkLink {
    SessionId session;
    bool subscribed = false;       // Subscribed was sent on `session`.
    bool registering = false;      // RegisterFramework is on its way.
    bool removing = false;         // RemoveFramework is on its way.
    Time away_until = time_never;  // Removed then.
    std::size_t launches = 0;      // On their way.
    std::map<TaskId, UpdateStream> streams;
  };

  // A task between the proposal of its launch and the event of its end: what the allocator holds
  // for it, and what the registry doesn't know.
  struct LiveTask {
    AgentId agent;
    Shared<Resources> resources;
    bool committed = false;
    bool kill_wanted = false;  // Asked for while the launch was on its way.
    bool kill_proposed = false;
    bool end_proposed = false;
    std::uint64_t end_sequence = 0;    // To acknowledge to the agent once the end is committed.
    std::optional<TaskStatus> latest;  // As its agent says.
  };

  enum class Wait { job_change, job_submitted, job_stopped, task_kill };
  struct Waiter {
    SessionId session;
    std::uint64_t question = 0;
    Wait wait{};
    JobId job;
    TaskKey task;
    std::uint64_t after = 0;  // Of GetJob.
    Time until = time_never;
    std::optional<JobSpec> spec;  // Of SubmitJob.
  };

  // core.cpp
  void finish(Moment, Effects&);  // At the end of each input: offers that are due.
  void on_event(Moment, const RegistryEvent&, Effects&);
  void on_refused(Moment, const RegistryEvent&, Effects&);
  void check_timeouts(Moment, Effects&);
  void drop_session(Moment, SessionId, Effects&);    // Closes and forgets.
  void forget_session(Moment, SessionId, Effects&);  // It is closed.
  Session* find_session(SessionId);

  // agents.cpp
  void on_message(Moment, SessionId, const wire::RegisterAgentRequest&, Effects&);
  void complete_registration(Moment, const AgentId&, Effects&);
  void compare_tasks(Moment, const AgentId&, const std::vector<wire::AgentTask>&, Effects&);
  void agent_away(Moment, const AgentId&, Effects&);
  void agent_registered(Moment, const AgentId&, Effects&);
  void agent_lost(Moment, const AgentId&, const std::string& why, Effects&);
  void registration_refused(Moment, const AgentId&, const std::string& why, Effects&);
  void check_agents(Moment, Effects&);
  void add_to_allocator(const AgentRecord&);
  SessionId session_of(const AgentId&) const;  // None unless it has been reconciled.

  // frameworks.cpp
  void on_message(Moment, SessionId, const wire::Subscribe&, Effects&);
  void complete_subscription(Moment, const FrameworkId&, Effects&);
  void framework_away(Moment, const FrameworkId&, Effects&);
  void framework_registered(Moment, const FrameworkId&, Effects&);
  void framework_removed(Moment, const FrameworkId&, Effects&);
  void remove_framework(Moment, const FrameworkId&, Effects&);
  void check_frameworks(Moment, Effects&);
  FrameworkId new_framework_id();
  void on_call(Moment, const FrameworkId&, const wire::SchedulerMessage&, Effects&);
  void reconcile(Moment, const FrameworkId&, const wire::Reconcile&, Effects&);
  void refuse_call(const FrameworkId&, Errc, std::string why, Effects&);
  // With a fatal SchedulerError.
  void end_session(Moment, SessionId, Errc, std::string why, Effects&);
  SessionId session_of(const FrameworkId&) const;  // None unless subscribed.

  // offers.cpp
  void offers_changed(Moment);  // Something may be offered: soon, or at once when idle.
  void make_offers(Moment, Effects&);
  void recover(const OutstandingOffer&, Duration refuse, Moment);
  void rescind(std::vector<OutstandingOffer>, Moment, Effects&);
  void accept(Moment, const FrameworkId&, const wire::Accept&, Effects&);
  void launch(Moment, const FrameworkId&, const AgentId&, const Bytes& spec, Resources& pool,
              Effects&);
  void decline(Moment, const FrameworkId&, const wire::Decline&);

  // tasks.cpp
  void task_launched(const TaskKey&, Effects&);
  void launch_refused(Moment, const TaskKey&, const std::string& why, Effects&);
  void task_ended(Moment, const TaskKey&, Effects&);
  void release(Moment, const TaskKey&, const LiveTask&);
  void task_update(Moment, const AgentId&, const FrameworkId&, const TaskStatus&, Effects&);
  void kill(const TaskKey&, Effects&);
  void send_kill(const TaskKey&, Effects&);
  void queue_update(const TaskKey&, TaskStatus, Effects&);
  void send_next(const TaskKey&, UpdateStream&, Effects&);
  void acknowledge(const TaskKey&, std::uint64_t sequence, Effects&);
  // Not part of the task's stream, so without a sequence: nothing to acknowledge.
  void tell(Moment, const TaskKey&, TaskState, std::string reason, std::string message, Effects&);
  TaskStatus status_of(const TaskRecord&) const;  // With what its agent says.

  // admin.cpp
  void answer(SessionId, std::uint64_t question, wire::AdminBody, Effects&);
  void fail(SessionId, std::uint64_t question, Errc, std::string why, Effects&);
  void ask(Moment, SessionId, std::uint64_t question, const wire::GetJob&, Effects&);
  void ask(Moment, SessionId, std::uint64_t question, const wire::SubmitJobRequest&, Effects&);
  void ask(Moment, SessionId, std::uint64_t question, const wire::StopJobRequest&, Effects&);
  void ask(Moment, SessionId, std::uint64_t question, const wire::KillTaskRequest&, Effects&);
  bool add_waiter(Waiter, Effects&);  // False: refused, and answered.
  void job_event(const JobId&, const std::string* refused, Effects&);
  void kill_event(const TaskKey&, const std::string* refused, Effects&);
  void check_waiters(Moment, Effects&);
  void check_tools(Moment, Effects&);
  wire::AgentRows agent_rows() const;
  wire::FrameworkRows framework_rows() const;
  wire::TaskRows task_rows(const wire::GetTasks&) const;
  wire::TaskRow row_of(const TaskRecord&) const;

  // What agents know the cluster by.
  ClusterUid cluster() const { return state_.cluster() ? state_.cluster() : options_.cluster; }

  const RegistryState& state_;
  const MasterOptions options_;
  const Logger logger_;
  const std::uint64_t term_;
  Counters counters_;

  Allocator allocator_;
  OfferBook offers_;
  std::map<SessionId, Session> sessions_;
  std::map<AgentId, AgentLink> agents_;
  std::map<FrameworkId, FrameworkLink> frameworks_;
  std::map<TaskKey, LiveTask> tasks_;
  std::map<AgentId, std::set<TaskKey>> tasks_by_agent_;  // Of `tasks_`.
  std::vector<Waiter> waiters_;
  std::vector<wire::TaskRow> pending_rows_;

  std::uint64_t last_framework_number_ = 0;
  Time next_check_ = time_never;       // Of timeouts, and the next pings.
  Time next_allocation_ = time_never;  // Something has changed; `time_never`: nothing has.
  Time last_allocation_ = Time::min();
  Time last_loss_ = Time::min();
};

}  // namespace cluster::master
