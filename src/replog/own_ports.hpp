// The ports of a log that is alone in its directory.
#pragma once

#include "replog/ports.hpp"
#include "runtime/committer.hpp"
#include "runtime/peer_links.hpp"

namespace cluster::replog {

struct OwnPortsOptions {
  runtime::ListenerId listener;
  std::vector<Peer> members;
  std::size_t group_bytes_max = 0;
};

class OwnPorts final : public Ports {
 public:
  // The user must outlive it.
  OwnPorts(runtime::Host&, std::shared_ptr<Store>, OwnPortsOptions, PortUser&, const Logger&);

  void set_members(const std::vector<Peer>& members) override { links_.set_members(members); }
  void answer_on(runtime::SessionId session, NodeId peer) override {
    links_.answer_on(session, peer);
  }
  void send(NodeId to, Bytes message) override { links_.send(to, std::move(message)); }
  bool is_connected(NodeId peer) const override { return links_.is_connected(peer); }
  std::size_t queued_bytes(NodeId to) const override { return links_.queued_bytes(to); }

  void submit(std::vector<Change> changes, std::vector<Action> then) override {
    committer_.submit(std::move(changes), std::move(then));
  }
  std::size_t open_bytes() const override { return committer_.open_bytes(); }
  Time writing_since() const override { return committer_.writing_since(); }

  Metrics metrics() const override;
  std::uint64_t garbage() const override { return door_.refused() + strays_; }

 private:
  bool on_message(runtime::SessionId, const runtime::PeerIdentity& sender, const Bytes&);

  PortUser& user_;
  Doorkeeper door_;
  std::uint64_t strays_ = 0;
  runtime::Committer<Change, Action> committer_;
  runtime::PeerLinks links_;
};

}  // namespace cluster::replog
