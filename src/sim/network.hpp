// The simulated network: sessions between processes, with a plan of faults.
//
// On the log's lane a message may be lost, doubled, delayed and so reordered, each by chance. On
// the other lanes a session is what TCP gives: in order, or broken. A partition cuts one direction
// between two processes; both cut is a full partition.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "runtime/transport.hpp"
#include "sim/world.hpp"

namespace cluster::sim {

using ProcessId = Id<struct ProcessTag>;

struct NetworkFaults {
  std::uint64_t loss_permille = 0;
  std::uint64_t double_permille = 0;
  Duration delay_min = std::chrono::microseconds(50);
  Duration delay_max = std::chrono::microseconds(500);
  std::uint64_t slow_permille = 0;  // Messages that take up to `slow_max` instead.
  Duration slow_max = std::chrono::milliseconds(400);
};

class SimTransport;

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  NetworkFaults faults;
  // Sees every message of the log's lane as it leaves; for checkers.
  std::function<void(ProcessId from, const Bytes&, bool is_doubled)> on_log_message;

  void cut(ProcessId from, ProcessId to) { cuts_.emplace(from, to); }
  void heal() { cuts_.clear(); }
  bool is_cut(ProcessId from, ProcessId to) const { return cuts_.contains({from, to}); }

  // Nothing reaches the process until then.
  void pause(ProcessId process, Time until) { paused_[process] = until; }

  std::uint64_t messages() const { return messages_; }
  std::uint64_t lost() const { return lost_; }

 private:
  friend class SimTransport;

  // Its ends go by numbers of their own, since both may be in one process.
  struct Session {
    ProcessId process[2];  // Dialer, listener.
    runtime::ListenerId listener;
    runtime::SessionHandler* handler[2] = {nullptr, nullptr};
    runtime::Lane lane = runtime::Lane::log;
    bool is_open = false;
    Time last_arrival[2];  // Towards each end, for lanes that keep order.
  };

  static int end_of(runtime::SessionId id) { return static_cast<int>(id.value() % 2); }
  static runtime::SessionId other_end(runtime::SessionId id) {
    return runtime::SessionId(id.value() ^ 1);
  }
  Session* find(runtime::SessionId id) {
    auto at = sessions_.find(id.value() / 2);
    return at == sessions_.end() ? nullptr : &at->second;
  }
  void erase(runtime::SessionId id) { sessions_.erase(id.value() / 2); }
  // Runs `f` at `at`, or when the process at that end of its session runs again.
  void deliver(Time at, runtime::SessionId to, Callback f);

  World& world_;
  std::map<ProcessId, Time> paused_;
  std::set<std::pair<ProcessId, ProcessId>> cuts_;
  std::map<Endpoint, SimTransport*> listeners_;
  std::map<std::uint64_t, Session> sessions_;
  std::uint64_t next_session_ = 1;
  std::uint64_t messages_ = 0;
  std::uint64_t lost_ = 0;
};

// One process' view of the network. Dies with the process.
class SimTransport final : public runtime::Transport {
 public:
  SimTransport(Network&, ProcessId);
  ~SimTransport() override;

  // The process is gone: its ends of sessions vanish, and the other ends hear of it after a while.
  // What the rest of it still asks for does nothing.
  void die();

  Result<runtime::ListenerId> listen(const Endpoint&) override;
  Endpoint endpoint(runtime::ListenerId) const override;
  void serve(runtime::ListenerId, runtime::Lane, runtime::SessionHandler*) override;
  void stop_listening(runtime::ListenerId) override;
  runtime::SessionId dial(const Endpoint&, runtime::Lane, runtime::SessionHandler&,
                          NodeId member) override;
  const runtime::PeerIdentity& peer(runtime::SessionId) const override { return anyone_; }
  bool send(runtime::SessionId, Bytes) override;
  std::size_t queued_bytes(runtime::SessionId) const override { return 0; }
  void close(runtime::SessionId) override;

 private:
  void connect(runtime::SessionId dialer, const Endpoint& to);
  void break_session(runtime::SessionId, Errc code, const char* why);

  Network& network_;
  ProcessId process_;
  runtime::PeerIdentity anyone_{.is_authenticated = false, .names = {}, .members = {}};
  struct Listener {
    Endpoint endpoint;
    std::map<runtime::Lane, runtime::SessionHandler*> lanes;
  };
  std::map<runtime::ListenerId, Listener> listeners_;
  std::uint64_t next_listener_ = 1;
  bool is_dead_ = false;
};

}  // namespace cluster::sim
