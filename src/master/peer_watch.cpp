#include "master/peer_watch.hpp"

#include "wire/admin_messages.hpp"

namespace cluster::master {

PeerWatch::PeerWatch(runtime::Host& host, NodeId self, const std::vector<Peer>& members,
                     Duration interval)
    : host_(host), self_(self), interval_(interval) {
  for (const Peer& member : members) {
    if (member.id != self) peers_[member.id].endpoint = member.endpoint;
  }
  alarm_ = host_.make_alarm([this] { tick(); });
  if (!peers_.empty()) alarm_->set(host_.now());
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
