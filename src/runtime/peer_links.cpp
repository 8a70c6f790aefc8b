#include "runtime/peer_links.hpp"

#include <algorithm>
#include <utility>

#include "base/metrics.hpp"

namespace cluster::runtime {

class PeerLinks::Incoming final : public SessionHandler {
 public:
  explicit Incoming(PeerLinks& links) : links_(links) {}

  void on_open(SessionId, const Endpoint&) override {}
  void on_close(SessionId session, const Error&) override {
    std::erase_if(links_.answered_on_, [&](const auto& one) { return one.second == session; });
  }
  void on_message(SessionId session, Bytes message) override {
    Transport& transport = links_.host_.transport();
    if (links_.on_message_(session, transport.peer(session), std::move(message))) return;
    links_.refused_ += 1;
    transport.close(session);
  }

 private:
  PeerLinks& links_;
};

class PeerLinks::Outgoing final : public SessionHandler {
 public:
  Outgoing(PeerLinks& links, Peer peer)
      : links_(links),
        peer_(std::move(peer)),
        random_(links.host_.random_seed()),
        backoff_(links.options_.redial_min),
        alarm_(links.host_.make_alarm([this] { dial(); })) {
    dial();
  }
  ~Outgoing() override { stop(); }
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  bool send(Bytes message) {
    if (!is_open_) return false;
    Transport& transport = links_.host_.transport();
    if (transport.queued_bytes(session_) > links_.options_.queue_bytes_max) return false;
    return transport.send(session_, std::move(message));
  }
  bool is_open() const { return is_open_; }
  SessionId session() const { return session_; }
  const Endpoint& endpoint() const { return peer_.endpoint; }
  void stop() {
    is_open_ = false;
    alarm_->set(time_never);
    if (session_) links_.host_.transport().close(std::exchange(session_, SessionId{}));
  }

  void on_open(SessionId, const Endpoint&) override {
    is_open_ = true;
    backoff_ = links_.options_.redial_min;
    links_.log_.info("connected to member", "member", peer_.id, "endpoint", peer_.endpoint);
  }
  // Of one that does not dial us.
  void on_message(SessionId session, Bytes message) override {
    Transport& transport = links_.host_.transport();
    if (links_.on_message_(session, transport.peer(session), std::move(message))) return;
    links_.refused_ += 1;
    if (session != session_) return;
    transport.close(session);
    lose(Error{Errc::protocol, "it is no member of ours"});
  }
  void on_close(SessionId, const Error& why) override { lose(why); }

 private:
  void dial() {
    NodeId expected = peer_.id < unknown_peers ? peer_.id : NodeId{};
    session_ = links_.host_.transport().dial(peer_.endpoint, links_.lane_, *this, expected);
  }

  void lose(const Error& why) {
    bool was_open = std::exchange(is_open_, false);
    if (was_open) {
      links_.log_.info("lost member", "member", peer_.id, "why", why.message());
    } else {
      links_.log_.debug("cannot reach member", "member", peer_.id, "why", why.message());
    }
    session_ = SessionId{};
    auto wait = static_cast<std::uint64_t>(backoff_.count());
    alarm_->set(links_.host_.now() + Duration(wait / 2 + random_.below(wait / 2 + 1)));
    backoff_ = std::min(backoff_ * 2, links_.options_.redial_max);
    if (was_open && links_.options_.on_lost) links_.options_.on_lost(peer_.id);
  }

  PeerLinks& links_;
  Peer peer_;
  Random random_;
  Duration backoff_;
  SessionId session_;
  bool is_open_ = false;
  std::unique_ptr<Alarm> alarm_;
};

PeerLinks::PeerLinks(Host& host, ListenerId listener, Lane lane, PeerLinksOptions options,
                     OnMessage on_message)
    : host_(host),
      listener_(listener),
      lane_(lane),
      options_(std::move(options)),
      on_message_(std::move(on_message)),
      log_(host.logger().with_part("peers")),
      incoming_(std::make_unique<Incoming>(*this)) {
  host_.transport().serve(listener_, lane_, incoming_.get());
  set_members(options_.members);
}

void PeerLinks::set_members(const std::vector<Peer>& members) {
  std::map<NodeId, std::unique_ptr<Outgoing>> kept;
  for (const Peer& peer : members) {
    if (peer.id == options_.self) continue;
    auto at = outgoing_.find(peer.id);
    bool is_same = at != outgoing_.end() && at->second->endpoint() == peer.endpoint;
    kept[peer.id] = is_same ? std::move(at->second) : std::make_unique<Outgoing>(*this, peer);
    if (is_same) outgoing_.erase(at);
  }
  for (auto& [id, one] : outgoing_) {
    one->stop();
    retired_.push_back(std::move(one));
  }
  outgoing_ = std::move(kept);
  if (!retired_.empty()) host_.post(lifeline_.guard([this] { retired_.clear(); }));
}

void PeerLinks::answer_on(SessionId session, NodeId peer) {
  if (!outgoing_.contains(peer)) answered_on_[peer] = session;
}

PeerLinks::~PeerLinks() { host_.transport().serve(listener_, lane_, nullptr); }

void PeerLinks::send(NodeId to, Bytes message) {
  bool is_sent = false;
  if (auto at = outgoing_.find(to); at != outgoing_.end()) {
    is_sent = at->second->send(std::move(message));
  } else if (auto on = answered_on_.find(to); on != answered_on_.end()) {
    Transport& transport = host_.transport();
    is_sent = transport.queued_bytes(on->second) <= options_.queue_bytes_max &&
              transport.send(on->second, std::move(message));
  }
  (is_sent ? sent_ : dropped_) += 1;
}

std::size_t PeerLinks::queued_bytes(NodeId to) const {
  auto dialed = outgoing_.find(to);
  if (dialed != outgoing_.end()) {
    return host_.transport().queued_bytes(dialed->second->session());
  }
  auto answered = answered_on_.find(to);
  return answered == answered_on_.end() ? 0 : host_.transport().queued_bytes(answered->second);
}

bool PeerLinks::is_connected(NodeId peer) const {
  auto at = outgoing_.find(peer);
  return at != outgoing_.end() && at->second->is_open();
}

Metrics PeerLinks::metrics() const {
  return {
      counter("cluster_peer_messages_sent_total", "Messages handed to a connected peer.", sent_),
      counter("cluster_peer_messages_dropped_total", "Messages to a peer that was away or slow.",
              dropped_),
      counter("cluster_peer_messages_refused_total", "Messages that no member of ours sent.",
              refused_),
  };
}

}  // namespace cluster::runtime
