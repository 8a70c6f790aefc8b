#include "runtime/peer_links.hpp"

#include <algorithm>
#include <utility>

namespace cluster::runtime {

class PeerLinks::Incoming final : public SessionHandler {
 public:
  explicit Incoming(PeerLinks& links) : links_(links) {}

  void on_open(SessionId, const Endpoint&) override {}
  void on_close(SessionId, const Error&) override {}
  void on_message(SessionId session, Bytes message) override {
    Transport& transport = links_.host_.transport();
    if (links_.on_message_(transport.peer(session), std::move(message))) return;
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
  ~Outgoing() override {
    if (session_) links_.host_.transport().close(session_);
  }
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  bool send(Bytes message) {
    if (!is_open_) return false;
    Transport& transport = links_.host_.transport();
    if (transport.queued_bytes(session_) > links_.options_.queue_bytes_max) return false;
    return transport.send(session_, std::move(message));
  }
  bool is_open() const { return is_open_; }

  void on_open(SessionId, const Endpoint&) override {
    is_open_ = true;
    backoff_ = links_.options_.redial_min;
    links_.log_.info("connected to member", "member", peer_.id, "endpoint", peer_.endpoint);
  }
  // We only write here; whoever answers on it is no member.
  void on_message(SessionId session, Bytes) override {
    links_.refused_ += 1;
    links_.host_.transport().close(session);
    lose(Error{Errc::protocol, "it spoke on a one-way session"});
  }
  void on_close(SessionId, const Error& why) override { lose(why); }

 private:
  void dial() {
    session_ = links_.host_.transport().dial(peer_.endpoint, links_.lane_, *this, peer_.id);
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
  for (const Peer& peer : options_.members) {
    if (peer.id != options_.self) outgoing_[peer.id] = std::make_unique<Outgoing>(*this, peer);
  }
}

PeerLinks::~PeerLinks() { host_.transport().serve(listener_, lane_, nullptr); }

void PeerLinks::send(NodeId to, Bytes message) {
  auto at = outgoing_.find(to);
  bool is_sent = at != outgoing_.end() && at->second->send(std::move(message));
  (is_sent ? sent_ : dropped_) += 1;
}

bool PeerLinks::is_connected(NodeId peer) const {
  auto at = outgoing_.find(peer);
  return at != outgoing_.end() && at->second->is_open();
}

Metrics PeerLinks::metrics() const {
  auto count = [](const char* name, const char* help, std::uint64_t value) {
    return Metric{name, help, Metric::Kind::counter, static_cast<double>(value)};
  };
  return {
      count("cluster_peer_messages_sent_total", "Messages handed to a connected peer.", sent_),
      count("cluster_peer_messages_dropped_total", "Messages to a peer that was away or slow.",
            dropped_),
      count("cluster_peer_messages_refused_total", "Messages that no member of ours sent.",
            refused_),
  };
}

}  // namespace cluster::runtime
