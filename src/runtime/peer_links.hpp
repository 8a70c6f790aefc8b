// Messages between the members of a group, each known by id: best effort, over sessions that are
// kept open. Each member dials every other and sends on what it dialed; what it accepts it reads.
// One that it does not dial (a newcomer, one that was removed) is answered on the session that it
// dialed. A message to a peer that cannot be reached, or does not keep up, is dropped: the
// protocols above expect it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "cluster/log.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace cluster::runtime {

// Ids from here on stand for endpoints of which it is not known whose they are.
inline constexpr NodeId unknown_peers{0x10000};

struct PeerLinksOptions {
  NodeId self;
  std::vector<Peer> members;
  Duration redial_min = std::chrono::milliseconds(50);
  Duration redial_max = std::chrono::seconds(1);
  std::size_t queue_bytes_max = 32u << 20;  // Per peer; beyond it messages are dropped.
  // The session to a member, which was open, has ended: its process may be gone.
  std::function<void(NodeId)> on_lost;
};

class PeerLinks {
 public:
  // Gets what peers send, over which session, and who that is with; false means that it was not
  // from a member of ours, and the session is closed.
  using OnMessage = std::function<bool(SessionId, const PeerIdentity& sender, Bytes message)>;

  // Everything on the node thread.
  PeerLinks(Host&, ListenerId, Lane, PeerLinksOptions, OnMessage);
  ~PeerLinks();

  // Whom to dial from now on. Sessions to those that stay are kept.
  void set_members(const std::vector<Peer>&);
  // What is for `peer` may go out on this session, unless we dial it.
  void answer_on(SessionId, NodeId peer);

  void send(NodeId to, Bytes message);
  bool is_connected(NodeId) const;
  std::size_t queued_bytes(NodeId to) const;
  Metrics metrics() const;

 private:
  class Incoming;
  class Outgoing;

  Host& host_;
  ListenerId listener_;
  Lane lane_;
  PeerLinksOptions options_;
  OnMessage on_message_;
  Logger log_;
  std::unique_ptr<Incoming> incoming_;
  std::map<NodeId, std::unique_ptr<Outgoing>> outgoing_;
  std::vector<std::unique_ptr<Outgoing>> retired_;  // Perhaps among our callers.
  std::map<NodeId, SessionId> answered_on_;
  Lifeline lifeline_;
  std::uint64_t sent_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace cluster::runtime
