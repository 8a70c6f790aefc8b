// A driver's ways out: to the log's other members, and to its disk. A log that is alone has its own
// (own_ports.hpp); the logs of one host share them (shared_logs.hpp).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/metrics.hpp"
#include "cluster/log.hpp"
#include "replog/effects.hpp"
#include "replog/store.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace cluster::replog {

// What comes back. On the node thread; never inside the call of a port, but for `perform`.
class PortUser {
 public:
  virtual ~PortUser() = default;

  virtual void on_envelope(runtime::SessionId, Envelope) = 0;
  // The way to a member's host: it is gone, or it works and will be watched.
  virtual void on_lost(NodeId) = 0;
  virtual void on_reached(NodeId) = 0;
  // What waited for `submit`'s changes is due.
  virtual void perform(Action) = 0;
  virtual void on_disk_failed(const Error&) = 0;
};

class Ports {
 public:
  virtual ~Ports() = default;

  // To the members, as `runtime::PeerLinks`.
  virtual void set_members(const std::vector<Peer>&) = 0;
  virtual void answer_on(runtime::SessionId, NodeId peer) = 0;
  virtual void send(NodeId to, Bytes message) = 0;
  virtual bool is_connected(NodeId) const = 0;
  virtual std::size_t queued_bytes(NodeId to) const = 0;

  // To the disk, as `runtime::Committer`.
  virtual void submit(std::vector<Change> changes, std::vector<Action> then) = 0;
  virtual std::size_t open_bytes() const = 0;
  virtual Time writing_since() const = 0;

  virtual Metrics metrics() const = 0;
  virtual std::uint64_t garbage() const = 0;  // Messages that made no sense.
};

inline std::size_t bytes_of(const Change& change) {
  const auto* put = std::get_if<PutEntry>(&change);
  return put != nullptr ? put->entry.value.cost() : 64;
}

// What a committer counts.
template <class C>
void list_commits(const C& committer, Metrics& metrics) {
  metrics.push_back(
      counter("cluster_log_groups_total", "Groups made durable.", committer.groups()));
  metrics.push_back(
      counter("cluster_log_changes_total", "Changes in those groups.", committer.changes()));
  metrics.push_back(
      gauge("cluster_log_unsynced_bytes", "What waits for the disk.", committer.open_bytes()));
  committer.write_times().list("cluster_log_sync_seconds", "How long groups took to be durable.",
                               metrics);
  committer.group_sizes().list("cluster_log_group_changes", "How many changes groups had.",
                               metrics);
}

// Reads what a peer sends, and lets pass what a member of the cluster may have said.
class Doorkeeper {
 public:
  Doorkeeper(const Identity& identity, Logger log) : identity_(identity), log_(std::move(log)) {}

  std::optional<Envelope> admit(const runtime::PeerIdentity& sender, const Bytes&);
  std::uint64_t refused() const { return refused_; }

 private:
  Identity identity_;
  Logger log_;
  std::uint64_t refused_ = 0;
};

}  // namespace cluster::replog
