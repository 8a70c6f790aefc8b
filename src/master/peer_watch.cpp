#include "master/peer_watch.hpp"

#include <utility>

#include "wire/admin_messages.hpp"

namespace cluster::master {

PeerWatch::PeerWatch(runtime::Host& host, NodeId self, const std::vector<Peer>& members,
                     Duration interval)
    : host_(host), self_(self), interval_(interval) {
  alarm_ = host_.make_alarm([this] { tick(); });
  watch(members);
}

void PeerWatch::watch(const std::vector<Peer>& members) {
  std::map<NodeId, Watched> before = std::exchange(peers_, {});
  bool has_news = false;
  for (const Peer& member : members) {
    if (member.id == self_) continue;
    auto known = before.extract(member.id);
    bool is_same = !known.empty() && known.mapped().endpoint == member.endpoint;
    if (is_same) {
      peers_.insert(std::move(known));
    } else {
      if (!known.empty()) before.insert(std::move(known));  // It has moved.
      peers_[member.id].endpoint = member.endpoint;
      has_news = true;
    }
  }
  for (const auto& [id, gone] : before) {
    if (gone.session) host_.transport().close(gone.session);
  }
  if (has_news) alarm_->set(host_.now());
}

PeerWatch::~PeerWatch() {
  for (auto& [id, peer] : peers_) {
    if (peer.session) host_.transport().close(peer.session);
  }
}

bool PeerWatch::is_reachable(NodeId id) const {
  if (id == self_) return true;
  auto peer = peers_.find(id);
  return peer != peers_.end() && peer->second.answered > host_.now() - 3 * interval_;
}

void PeerWatch::tick() {
  runtime::Transport& transport = host_.transport();
  for (auto& [id, peer] : peers_) {
    if (!peer.session) {
      peer.session = transport.dial(peer.endpoint, runtime::Lane::admin, *this, id);
    } else if (peer.open) {
      transport.send(peer.session, wire::encode(wire::AdminMessage{1, wire::GetStatus{}}));
    }
  }
  alarm_->set(host_.now() + interval_);
}

void PeerWatch::on_open(runtime::SessionId session, const Endpoint&) {
  Watched* peer = find(session);
  if (!peer) return;
  peer->open = true;
  host_.transport().send(session, wire::encode(wire::AdminMessage{1, wire::GetStatus{}}));
}

void PeerWatch::on_message(runtime::SessionId session, Bytes) {
  if (Watched* peer = find(session)) peer->answered = host_.now();
}

void PeerWatch::on_close(runtime::SessionId session, const Error&) {
  Watched* peer = find(session);
  if (!peer) return;
  peer->session = runtime::SessionId();
  peer->open = false;
}

PeerWatch::Watched* PeerWatch::find(runtime::SessionId session) {
  for (auto& [id, peer] : peers_) {
    if (peer.session == session) return &peer;
  }
  return nullptr;
}

}  // namespace cluster::master
