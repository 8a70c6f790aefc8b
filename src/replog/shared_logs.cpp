#include "replog/shared_logs.hpp"

#include <algorithm>
#include <utility>

namespace cluster::replog {
namespace {

constexpr std::size_t missed_max = 4096;  // Of so many logs it is remembered that they are missing.

}  // namespace

class SharedLogs::SeatPorts final : public Ports {
 public:
  SeatPorts(SharedLogs& logs, std::shared_ptr<Seat> seat) : logs_(logs), seat_(std::move(seat)) {}
  ~SeatPorts() override { logs_.close(seat_); }

  void set_members(const std::vector<Peer>& members) override {
    logs_.set_members(*seat_, members);
  }
  void answer_on(runtime::SessionId session, NodeId peer) override {
    logs_.links_->answer_on(session, peer);
  }
  void send(NodeId to, Bytes message) override {
    logs_.links_->send(host_of(to), std::move(message));
  }
  bool is_connected(NodeId peer) const override {
    return logs_.links_->is_connected(host_of(peer));
  }
  std::size_t queued_bytes(NodeId to) const override {
    return logs_.links_->queued_bytes(host_of(to));
  }

  void submit(std::vector<Change> changes, std::vector<Action> then) override {
    std::vector<Submission> submitted;
    if (!changes.empty()) submitted.push_back({seat_, std::move(changes)});
    std::vector<Due> due;
    if (!then.empty()) due.push_back({seat_, std::move(then)});
    logs_.committer_.submit(std::move(submitted), std::move(due));
  }
  std::size_t open_bytes() const override { return logs_.committer_.open_bytes(); }
  Time writing_since() const override { return logs_.committer_.writing_since(); }

  Metrics metrics() const override { return {}; }  // The host lists what is shared.
  std::uint64_t garbage() const override { return 0; }

 private:
  NodeId host_of(NodeId peer) const {
    auto at = seat_->strangers.find(peer);
    return at == seat_->strangers.end() ? peer : at->second;
  }

  SharedLogs& logs_;
  std::shared_ptr<Seat> seat_;
};

SharedLogs::SharedLogs(runtime::Host& host, runtime::ListenerId listener, SharedLogsOptions options,
                       Write write)
    : host_(host),
      options_(std::move(options)),
      log_(host.logger().with_part("logs")),
      door_(options_.identity, log_),
      life_(host.random_seed() | 1),
      committer_(
          host,
          [write = std::move(write)](const std::vector<Submission>& submissions) {
            return SharedLogs::write(write, submissions);
          },
          [](Due due) {
            for (Action& action : due.actions) {
              if (due.seat->user == nullptr) return;
              due.seat->user->perform(std::move(action));
            }
          },
          [this](const Error& why) {
            for (const auto& [log, seat] : std::map(seats_)) {
              if (seat->user != nullptr) seat->user->on_disk_failed(why);
            }
          },
          {[](const Submission& one) {
             std::size_t bytes = 0;
             for (const Change& change : one.changes) bytes += bytes_of(change);
             return bytes;
           },
           options_.group_bytes_max}),
      alarm_(host.make_alarm([this] { on_wake(); })) {
  runtime::PeerLinksOptions links;
  links.self = options_.identity.member;
  links.on_lost = [this](NodeId peer) { lose(peer, "its session ended"); };
  links_ = std::make_unique<runtime::PeerLinks>(
      host, listener, runtime::Lane::logs, std::move(links),
      [this](runtime::SessionId session, const runtime::PeerIdentity& sender, Bytes bytes) {
        return on_message(session, sender, bytes);
      });
  alarm_->set(host.now() + options_.beat_interval);
}

SharedLogs::~SharedLogs() = default;

Result<void> SharedLogs::write(const Write& write, const std::vector<Submission>& submissions) {
  std::vector<LogChanges> changes;
  for (const Submission& one : submissions) {
    if (!one.seat->is_closed) changes.push_back({one.seat->log, &one.changes});
  }
  return changes.empty() ? Result<void>{} : write(changes);
}

std::unique_ptr<Ports> SharedLogs::open(LogId log, std::vector<Peer> members, PortUser& user) {
  CLUSTER_CHECK(log && !seats_.contains(log), "a log is opened once", log);
  auto seat = std::make_shared<Seat>();
  seat->log = log;
  seat->user = &user;
  seats_.emplace(log, seat);
  missed_.erase(log);
  set_members(*seat, std::move(members));
  // Not inside the call.
  host_.post(lifeline_.guard([this, seat] {
    for (const auto& [peer, host] : peers_) {
      if (host.is_reached && seat->user != nullptr) seat->user->on_reached(peer);
    }
  }));
  return std::make_unique<SeatPorts>(*this, std::move(seat));
}

// The others need not find out by waiting: to them it is as if this member's process had ended.
void SharedLogs::close(const std::shared_ptr<Seat>& seat) {
  for (const auto& [member, endpoint] : seat->members) {
    bool is_told = member != options_.identity.member && !is_ending_;
    if (is_told) send(member, seat->log, NoSuchLog{});
  }
  seat->user = nullptr;
  seat->is_closed = !is_ending_;
  seats_.erase(seat->log);
  dial_members();
}

void SharedLogs::set_members(Seat& seat, std::vector<Peer> members) {
  seat.members.clear();
  seat.strangers.clear();
  for (Peer& peer : members) {
    if (peer.id < runtime::unknown_peers) {
      seat.members[peer.id] = std::move(peer.endpoint);
      continue;
    }
    // What logs call such an endpoint differs; here each has one name.
    NodeId next(runtime::unknown_peers.value() + strangers_.size());
    NodeId name = strangers_.try_emplace(peer.endpoint, next).first->second;
    seat.strangers[peer.id] = name;
    seat.members[name] = std::move(peer.endpoint);
  }
  // Where logs differ about a host's endpoint, the one that was told last is right.
  for (const auto& [id, endpoint] : seat.members) {
    if (id == options_.identity.member || endpoint.host.empty()) continue;
    auto [at, is_new] = peers_.try_emplace(id);
    at->second.endpoint = endpoint;
  }
  dial_members();
}

// Once for many logs that change at the same time.
void SharedLogs::dial_members() {
  if (std::exchange(is_dialing_due_, true)) return;
  host_.post(lifeline_.guard([this] {
    is_dialing_due_ = false;
    std::set<NodeId> wanted;
    for (const auto& [log, seat] : seats_) {
      for (const auto& [id, endpoint] : seat->members) wanted.insert(id);
    }
    std::erase_if(peers_, [&](const auto& one) { return !wanted.contains(one.first); });
    std::vector<Peer> peers;
    for (const auto& [id, host] : peers_) peers.push_back({id, host.endpoint});
    links_->set_members(peers);
  }));
}

bool SharedLogs::on_message(runtime::SessionId session, const runtime::PeerIdentity& sender,
                            const Bytes& bytes) {
  auto envelope = door_.admit(sender, bytes);
  if (!envelope) return false;
  links_->answer_on(session, envelope->from);
  if (const auto* beat = std::get_if<HostBeat>(&envelope->message)) {
    on_beat(envelope->from, *beat);
  } else {
    note_heard(envelope->from);
    on_envelope(session, *std::move(envelope));
  }
  return true;
}

void SharedLogs::on_envelope(runtime::SessionId session, Envelope envelope) {
  auto at = seats_.find(envelope.log);
  bool is_missing = std::holds_alternative<NoSuchLog>(envelope.message);
  if (at == seats_.end()) {
    if (is_missing) return;
    if (missed_.size() < missed_max && missed_.insert(envelope.log).second) {
      log_.info("was asked for a log that is not open here", "log", envelope.log, "by",
                envelope.from);
    }
    return send(envelope.from, envelope.log, NoSuchLog{});
  }
  std::shared_ptr<Seat> seat = at->second;
  NodeId from = envelope.from;
  if (is_missing) return on_no_such_log(*seat, from);
  bool is_back = !seat->without.empty() && seat->without.erase(from) != 0;
  seat->user->on_envelope(session, std::move(envelope));
  auto peer = peers_.find(from);
  bool is_reached = peer != peers_.end() && peer->second.is_reached;
  if (is_back && is_reached && seat->user != nullptr) seat->user->on_reached(from);
}

void SharedLogs::on_no_such_log(Seat& seat, NodeId from) {
  if (!seat.members.contains(from) || !seat.without.insert(from).second) return;
  log_.warning("a member has not opened a log that it belongs to", "member", from, "log", seat.log,
               "remedy", "open the log there, or remove the member from it");
  seat.user->on_lost(from);
}

void SharedLogs::on_beat(NodeId from, const HostBeat& beat) {
  auto at = peers_.find(from);
  if (at == peers_.end()) return;
  std::uint64_t before = std::exchange(at->second.life, beat.life);
  if (before != 0 && before != beat.life) lose(from, "it was started again");
  note_heard(from);
}

void SharedLogs::note_heard(NodeId from) {
  auto at = peers_.find(from);
  if (at == peers_.end()) return;
  at->second.heard_at = host_.now();
  if (std::exchange(at->second.is_reached, true)) return;
  log_.debug("hears a host", "member", from);
  tell_all(&PortUser::on_reached, from);
}

void SharedLogs::lose(NodeId peer, std::string_view why) {
  auto at = peers_.find(peer);
  bool was_reached = at != peers_.end() && std::exchange(at->second.is_reached, false);
  if (was_reached) log_.info("does not hear a host", "member", peer, "why", why);
  tell_all(&PortUser::on_lost, peer);
}

void SharedLogs::tell_all(void (PortUser::*news)(NodeId), NodeId peer) {
  std::vector<std::shared_ptr<Seat>> told;
  for (const auto& [log, seat] : seats_) told.push_back(seat);
  for (const auto& seat : told) {
    bool is_away = news == &PortUser::on_reached && seat->without.contains(peer);
    if (seat->user != nullptr && !is_away) (seat->user->*news)(peer);
  }
}

void SharedLogs::on_wake() {
  Time now = host_.now();
  std::vector<NodeId> silent;
  for (const auto& [id, peer] : peers_) {
    send(id, LogId{}, HostBeat{life_});
    if (peer.is_reached && peer.heard_at + options_.silence_max <= now) silent.push_back(id);
  }
  for (NodeId id : silent) lose(id, "it is silent");
  alarm_->set(now + options_.beat_interval);
}

void SharedLogs::send(NodeId to, LogId log, Message message) {
  links_->send(to, encode(Envelope{.cluster = options_.identity.cluster,
                                   .from = options_.identity.member,
                                   .incarnation = options_.identity.incarnation,
                                   .message = std::move(message),
                                   .log = log}));
}

Metrics SharedLogs::metrics() const {
  Metrics metrics = links_->metrics();
  list_commits(committer_, metrics);
  metrics.push_back(gauge("cluster_log_host_logs", "Logs that are open.", seats_.size()));
  metrics.push_back(
      counter("cluster_log_garbage_total", "Messages that made no sense.", door_.refused()));
  return metrics;
}

}  // namespace cluster::replog
