#include "master/driver.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>

#include "master/core.hpp"
#include "master/follower.hpp"
#include "master/peer_watch.hpp"
#include "registry/driver.hpp"

namespace cluster::master {
namespace {

// Before a member that still leads tries again after an append that failed.
constexpr Duration lead_again_after = std::chrono::milliseconds(200);

// Bytes of commands under way at a time. Well below what a log queues, which counts some more for
// each entry, and far more than a group commit takes.
constexpr std::size_t appending_max = 8u << 20;

bool is_about_entries(const wire::AdminBody& question) {
  return std::holds_alternative<wire::BeginBackup>(question) ||
         std::holds_alternative<wire::ReadSnapshot>(question) ||
         std::holds_alternative<wire::ReadEntries>(question);
}

bool is_about_keys(const wire::AdminBody& question) {
  return std::holds_alternative<wire::AskKeys>(question) ||
         std::holds_alternative<wire::WatchKeys>(question);
}

}  // namespace

struct MasterDriver::Impl {
  // One per lane: sessions say on which lane they are by whom they talk to.
  struct LaneHandler final : runtime::SessionHandler {
    LaneHandler(Impl& impl, Lane its_lane) : owner(impl), lane(its_lane) {}
    void on_open(SessionId id, const Endpoint&) override {
      owner.run([this, id] { owner.session_opened(id, lane); });
    }
    void on_message(SessionId id, Bytes message) override {
      owner.run([this, id, message = std::move(message)] { owner.message(id, lane, message); });
    }
    void on_close(SessionId id, const Error&) override {
      owner.run([this, id] { owner.session_closed(id); });
    }
    Impl& owner;
    const Lane lane;
  };

  // For continuations and observers of the log: on the node thread, while this lives.
  template <class F>
  auto on_node(F f) {
    return [its_host = &host, guarded = lifeline.guard([this, f](auto argument) {
      run([f, argument = std::move(argument)]() mutable { f(std::move(argument)); });
    })](auto argument) mutable {
      if (its_host->on_node_thread()) return guarded(std::move(argument));
      its_host->post(
          [guarded, argument = std::move(argument)]() mutable { guarded(std::move(argument)); });
    };
  }

  Impl(runtime::Host& its_host, runtime::ListenerId its_listener, Log& its_log,
       registry::RegistryDriver& its_registry, MasterOptions its_options)
      : host(its_host),
        listener(its_listener),
        log(its_log),
        registry(its_registry),
        options(std::move(its_options)),
        logger(host.logger().with_part("master")),
        peers(host, options.self, options.members, options.ping_interval) {
    alarm = host.make_alarm([this] {
      run([this] {
        if (core) act([this](Effects& effects) { core->wake(moment(), effects); });
      });
    });
    again = host.make_alarm([this] { run([this] { begin(); }); });
    for (LaneHandler* handler : {&agents, &schedulers, &tools}) {
      host.transport().serve(listener, handler->lane, handler);
    }
    registry.subscribe(lifeline.guard([this](Position, const std::vector<RegistryEvent>& events) {
      run([this, events] { entry_applied(events); });
    }));
    log.watch_leadership(on_node([this](const Leadership& now) { leadership_changed(now); }));
  }

  ~Impl() {
    for (const LaneHandler* handler : {&agents, &schedulers, &tools}) {
      host.transport().serve(listener, handler->lane, nullptr);
    }
  }

  Moment moment() const { return Moment{host.now(), host.wall_now()}; }

  // One input at a time: what comes while one is handled (a session that closes as we send on it)
  // waits for its end.
  void run(Callback input) {
    inputs.push_back(std::move(input));
    if (busy) return;
    busy = true;
    while (!inputs.empty()) {
      Callback next = std::move(inputs.front());
      inputs.pop_front();
      next();
    }
    busy = false;
    alarm->set(core ? core->deadline() : time_never);
  }

  template <class F>
  void act(F f) {
    Effects effects;
    f(effects);
    perform(effects);
  }

  void perform(Effects& effects) {
    for (Action& action : effects.actions) {
      std::visit([this](auto& body) { perform(body); }, action);
    }
  }

  void perform(Send& send) {
    if (!sessions.contains(send.session)) return;
    Bytes bytes =
        std::visit([](const auto& message) { return wire::encode(message); }, send.message);
    if (bytes.size() > runtime::message_size_max) {
      logger.error("an answer is larger than a message may be", "bytes", bytes.size());
      const auto* answer = std::get_if<wire::AdminMessage>(&send.message);
      if (!answer) return;
      bytes = wire::encode(wire::AdminMessage{
          answer->id, wire::Failure{Error{Errc::too_large, "the answer is too large to be sent"}}});
    }
    host.transport().send(send.session, std::move(bytes));
  }

  void perform(Close& close) {
    if (is_stepping_down && asking_log.contains(close.session)) return;
    sessions.erase(close.session);
    host.transport().close(close.session);
  }

  void perform(Propose& propose) {
    if (!writer) return;  // This term is over; whoever waits is told by `stop`.
    proposals.push_back(encode(propose.command));
    append_proposals();
  }

  // No more at a time than the log takes without refusing: a refusal would end this core.
  void append_proposals() {
    while (writer && !proposals.empty() && appending < appending_max) {
      const std::size_t size = proposals.front().size();
      appending += size;
      append(std::move(proposals.front()), [this, size](Position) {
        appending -= size;
        append_proposals();
      });
      proposals.pop_front();
    }
  }

  // A failed append ends this core: what became of the entry, the log tells the next one.
  template <class F>
  void append(Bytes command, F appended) {
    writer->append(std::move(command))
        .then(on_node([this, mine = epoch, appended](const Result<Position>& at) {
          if (mine != epoch) return;
          if (at) return appended(*at);
          logger.warning("append failed", "error", at.error().message());
          step_down();
          again->set(host.now() + lead_again_after);
        }));
  }

  void leadership_changed(const Leadership& now) {
    leadership = now;
    if (writer && (!now.is_self || now.term != writer->term())) step_down();
    begin();
  }

  // An entry of our own tells, once it is applied, that everything before this term is.
  void begin() {
    if (!leadership.is_self || writer) return;
    auto current = log.current_writer();
    if (!current) {
      again->set(host.now() + lead_again_after);
      return;
    }
    writer.emplace(*std::move(current));
    ++epoch;
    const BeginTerm first{
        .term = writer->term(), .leader = options.self, .cluster = options.cluster};
    append(encode(first), [this](Position at) {
      barrier = at;
      start();
    });
  }

  void start() {
    if (core || !barrier || registry.applied() < *barrier) return;
    act([this](Effects& effects) {
      core = std::make_unique<Core>(registry.state(), options, logger, writer->term(), moment(),
                                    counters, effects);
      for (const auto& [id, lane] : sessions) core->opened(moment(), id, lane, effects);
    });
    tell_leading();
  }

  void step_down() {
    writer.reset();
    barrier.reset();
    proposals.clear();
    appending = 0;
    ++epoch;
    if (!core) return;
    look_at_members();
    is_stepping_down = true;
    act([this](Effects& effects) { core->stop(leader_endpoint(leadership, options), effects); });
    is_stepping_down = false;
    counters = core->counters();
    core.reset();
    tell_leading();
  }

  void tell_leading() {
    for (const auto& observer : observers) observer(core != nullptr);
  }

  void entry_applied(const std::vector<RegistryEvent>& events) {
    if (!core) return start();
    act([&](Effects& effects) { core->applied(moment(), events, effects); });
  }

  void session_opened(SessionId id, Lane lane) {
    if (sessions.size() >= options.limits.sessions_max) {
      ++sessions_refused;
      host.transport().close(id);
      return;
    }
    sessions[id] = lane;
    if (core) act([&](Effects& effects) { core->opened(moment(), id, lane, effects); });
  }

  void session_closed(SessionId id) {
    if (sessions.erase(id) == 0 || !core) return;
    act([&](Effects& effects) { core->closed(moment(), id, effects); });
  }

  void message(SessionId id, Lane lane, const Bytes& bytes) {
    if (!sessions.contains(id)) return;
    switch (lane) {
      case Lane::agent: return handle(id, lane, wire::decode_agent_message(bytes.view()));
      case Lane::scheduler: return handle(id, lane, wire::decode_scheduler_message(bytes.view()));
      default: break;
    }
    if (bytes.size() > options.limits.admin_message_max) {
      return handle(
          id, lane,
          Result<wire::AdminMessage>(Errc::too_large,
                                     "a question of " + std::to_string(bytes.size()) + " bytes"));
    }
    handle(id, lane, wire::decode_admin_message(bytes.view()));
  }

  template <class Message>
  void handle(SessionId id, Lane lane, const Result<Message>& message) {
    act([&](Effects& effects) {
      std::uint64_t question = 0;
      if constexpr (std::is_same_v<Message, wire::AdminMessage>) {
        if (message && answer_here(id, *message, effects)) {
          if (core) core->heard(moment(), id);
          return;
        }
        if (message) question = message->id;
      }
      if (!message && core) return core->garbage(moment(), id, message.error(), effects);
      if (!message) {
        ++counters.protocol_errors;
        return refuse(id, lane, message.error(), effects);
      }
      if (core) return core->on(moment(), id, *message, effects);
      look_at_members();
      redirect(id, lane, question, leader_endpoint(leadership, options), effects);
    });
  }

  // What only the process knows, or part of it.
  bool answer_here(SessionId id, const wire::AdminMessage& message, Effects& effects) {
    if (std::holds_alternative<wire::GetTasks>(message.body) && core && pending_tasks) {
      core->set_pending_tasks(pending_tasks());
    }
    if (std::holds_alternative<wire::GetMetrics>(message.body)) {
      Metrics metrics = process_metrics ? process_metrics() : Metrics{};
      effects.send(id, wire::AdminMessage{message.id, wire::MetricsAnswer{std::move(metrics)}});
      return true;
    }
    if (ask_log(id, message, effects)) return true;
    if (!std::holds_alternative<wire::GetStatus>(message.body)) return false;
    look_at_members();
    wire::MasterStatus status = status_of(registry.state(), leadership, log.range(), options);
    status.applied = registry.last_change().value();
    status.digest = registry.digest()[0];
    status.process = options.process;
    for (wire::MasterRow& member : status.members) {
      member.reachable = peers.is_reachable(member.id);
    }
    effects.send(id, wire::AdminMessage{message.id, std::move(status)});
    return true;
  }

  // What the log is asked about its members, its entries and users' keys, through whichever of them
  // was asked: it carries changes to its leader.
  bool ask_log(SessionId id, const wire::AdminMessage& message, Effects& effects) {
    auto reply = [this, id, question = message.id](auto to_body) {
      asking_log.insert(id);
      return on_node([this, id, question, to_body](auto result) {
        if (auto asked = asking_log.find(id); asked != asking_log.end()) asking_log.erase(asked);
        wire::AdminBody body = wire::Failure{};
        if (result) {
          body = to_body(*std::move(result));
        } else {
          body = wire::Failure{std::move(result).error()};
        }
        act([&](Effects& then) { then.send(id, wire::AdminMessage{question, std::move(body)}); });
      });
    };
    auto with_leader = [this](Members members) {
      return wire::MembersAnswer{.members = std::move(members), .leader = leadership.leader};
    };
    if (std::holds_alternative<wire::GetMembers>(message.body)) {
      effects.send(id, wire::AdminMessage{message.id, with_leader(log.members())});
    } else if (const auto* change = std::get_if<wire::ChangeMembersRequest>(&message.body)) {
      log.change_members(change->edits).then(reply(with_leader));
    } else if (const auto* add = std::get_if<wire::AddMemberRequest>(&message.body)) {
      log.add_member(add->newcomer).then(reply([](JoinToken token) {
        return wire::JoinTokenAnswer{std::move(token)};
      }));
    } else if (const auto* transfer = std::get_if<wire::TransferLeadershipRequest>(&message.body)) {
      log.transfer_leadership(transfer->to).then(reply([](const Leadership& now) {
        return wire::LeaderAnswer{.leader = now.leader, .term = now.term};
      }));
    } else if (is_about_entries(message.body) && log_reader) {
      log_reader(message.body, reply([](wire::AdminBody body) { return body; }));
    } else if (is_about_keys(message.body) && key_service) {
      key_service(message.body, reply([](wire::AdminBody body) { return body; }));
    } else {
      return false;
    }
    return true;
  }

  // Members come and go; until a log is formed, those are meant that will found it.
  void look_at_members() {
    const Members now = log.members();
    if (now.members.empty()) return;
    options.members.clear();
    for (const MemberInfo& member : now.members) {
      options.members.push_back({.id = member.id, .endpoint = member.endpoint});
    }
    peers.watch(options.members);
  }

  runtime::Host& host;
  const runtime::ListenerId listener;
  Log& log;
  registry::RegistryDriver& registry;
  MasterOptions options;  // Its members are those of the log, as they were last looked at.
  const Logger logger;
  PeerWatch peers;

  LaneHandler agents{*this, Lane::agent};
  LaneHandler schedulers{*this, Lane::scheduler};
  LaneHandler tools{*this, Lane::admin};
  std::map<SessionId, Lane> sessions;
  // Once for each question that the log has not answered: that may be a leader's own end, which
  // these sessions outlive.
  std::multiset<SessionId> asking_log;
  bool is_stepping_down = false;
  std::uint64_t sessions_refused = 0;

  Leadership leadership;
  std::optional<Log::Writer> writer;  // While this member leads and no append has failed.
  std::uint64_t epoch = 0;            // Of `writer`: what is asked of an older one is stale.
  std::optional<Position> barrier;
  std::deque<Bytes> proposals;  // Not handed to the log yet.
  std::size_t appending = 0;    // Bytes of those that are, and are not settled.
  std::unique_ptr<Core> core;   // Once everything of earlier terms is applied.
  Counters counters;            // Of the cores before.
  std::vector<std::function<void(bool)>> observers;
  std::function<std::vector<wire::TaskRow>()> pending_tasks;
  std::function<Metrics()> process_metrics;
  Answerer log_reader;
  Answerer key_service;

  std::deque<Callback> inputs;
  bool busy = false;
  std::unique_ptr<runtime::Alarm> alarm;
  std::unique_ptr<runtime::Alarm> again;
  runtime::Lifeline lifeline;
};

MasterDriver::MasterDriver(runtime::Host& host, runtime::ListenerId listener, Log& log,
                           registry::RegistryDriver& registry, MasterOptions options)
    : impl_(std::make_unique<Impl>(host, listener, log, registry, std::move(options))) {}

MasterDriver::~MasterDriver() = default;

bool MasterDriver::is_leading() const { return impl_->core != nullptr; }

void MasterDriver::on_leading(std::function<void(bool leading)> observer) {
  observer(is_leading());
  impl_->observers.push_back(std::move(observer));
}

void MasterDriver::set_pending_tasks(std::function<std::vector<wire::TaskRow>()> provider) {
  impl_->pending_tasks = std::move(provider);
}

void MasterDriver::set_process_metrics(std::function<Metrics()> provider) {
  impl_->process_metrics = std::move(provider);
}

void MasterDriver::set_log_reader(Answerer reader) { impl_->log_reader = std::move(reader); }

void MasterDriver::set_key_service(Answerer service) { impl_->key_service = std::move(service); }

Metrics MasterDriver::metrics() const {
  const Counters& of = impl_->core ? impl_->core->counters() : impl_->counters;
  auto counter = [](std::string name, std::string help, std::uint64_t value) {
    return Metric{"cluster_master_" + std::move(name), std::move(help), Metric::Kind::counter,
                  static_cast<double>(value)};
  };
  Metrics metrics = {
      Metric{"cluster_master_leading", "1 while this master leads.", Metric::Kind::gauge,
             impl_->core ? 1.0 : 0.0},
      counter("offers_made_total", "Offers sent.", of.offers_made),
      counter("offers_rescinded_total", "Offers taken back.", of.offers_rescinded),
      counter("offers_declined_total", "Offers declined.", of.offers_declined),
      counter("launches_accepted_total", "Tasks proposed for launch.", of.launches_accepted),
      counter("launches_refused_total", "Launches the registry refused.", of.launches_refused),
      counter("tasks_ended_total", "Ends of tasks committed.", of.tasks_ended),
      counter("agents_lost_total", "Agents declared lost.", of.agents_lost),
      counter("agent_registrations_total", "Registrations asked for.", of.agent_registrations),
      counter("subscriptions_total", "Subscriptions asked for.", of.subscriptions),
      counter("updates_sent_total", "Updates sent to frameworks.", of.updates_sent),
      counter("protocol_errors_total", "Sessions closed for what they said.", of.protocol_errors),
      counter("limits_hit_total", "Requests refused for a limit.", of.limits_hit),
      counter("sessions_refused_total", "Sessions over the limit.", impl_->sessions_refused),
  };
  if (impl_->core) {
    const Metrics living = impl_->core->metrics();
    metrics.insert(metrics.end(), living.begin(), living.end());
  }
  return metrics;
}

}  // namespace cluster::master
