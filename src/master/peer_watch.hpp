// Which other masters answer: asks each for its status once per interval, on a session that is
// dialed again when it ends.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "cluster/log.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace cluster::master {

// Node thread only.
class PeerWatch final : private runtime::SessionHandler {
 public:
  PeerWatch(runtime::Host&, NodeId self, const std::vector<Peer>& members, Duration interval);
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;
  ~PeerWatch() override;

  // These are the members from now on; sessions to others end.
  void watch(const std::vector<Peer>& members);

  // Answered within the last three intervals; `self` always.
  bool is_reachable(NodeId) const;

 private:
  struct Watched {
    Endpoint endpoint;
    runtime::SessionId session;
    bool open = false;
    Time answered = Time::min();
  };

  void on_open(runtime::SessionId, const Endpoint& peer) override;
  void on_message(runtime::SessionId, Bytes message) override;
  void on_close(runtime::SessionId, const Error& why) override;
  void tick();
  Watched* find(runtime::SessionId);

  runtime::Host& host_;
  const NodeId self_;
  const Duration interval_;
  std::map<NodeId, Watched> peers_;
  std::unique_ptr<runtime::Alarm> alarm_;
};

}  // namespace cluster::master
