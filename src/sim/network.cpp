#include "sim/network.hpp"

#include <vector>

namespace cluster::sim {

using runtime::Lane;
using runtime::ListenerId;
using runtime::SessionHandler;
using runtime::SessionId;

void Network::deliver(Time at, SessionId id, int end, Callback f) {
  world_.at(at, [this, id, end, f = std::move(f)]() mutable {
    auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    auto paused = paused_.find(found->second.process[end]);
    if (paused != paused_.end() && paused->second > world_.now()) {
      return deliver(paused->second, id, end, std::move(f));
    }
    f();
  });
}

SimTransport::SimTransport(Network& network, ProcessId process)
    : network_(network), process_(process) {}

// The process is gone: its ends of sessions vanish, and the other ends hear of it after a while.
SimTransport::~SimTransport() {
  for (auto& [id, listener] : listeners_) network_.listeners_.erase(listener.endpoint);
  std::vector<SessionId> mine;
  for (auto& [id, session] : network_.sessions_) {
    if (session.process[0] == process_ || session.process[1] == process_) mine.push_back(id);
  }
  for (SessionId id : mine) close(id);
}

Result<ListenerId> SimTransport::listen(const Endpoint& endpoint) {
  if (network_.listeners_.contains(endpoint)) {
    return Error{Errc::address_in_use, to_string(endpoint) + " is taken"};
  }
  ListenerId id(next_listener_++);
  listeners_[id].endpoint = endpoint;
  network_.listeners_[endpoint] = this;
  return id;
}

Endpoint SimTransport::endpoint(ListenerId id) const { return listeners_.at(id).endpoint; }

void SimTransport::serve(ListenerId id, Lane lane, SessionHandler* handler) {
  auto at = listeners_.find(id);
  if (at == listeners_.end()) return;
  if (handler != nullptr) {
    at->second.lanes[lane] = handler;
    return;
  }
  at->second.lanes.erase(lane);
  std::vector<SessionId> accepted;
  for (auto& [session_id, session] : network_.sessions_) {
    if (session.process[1] == process_ && session.lane == lane) accepted.push_back(session_id);
  }
  for (SessionId session : accepted) close(session);
}

void SimTransport::stop_listening(ListenerId id) {
  auto at = listeners_.find(id);
  if (at == listeners_.end()) return;
  while (!at->second.lanes.empty()) serve(id, at->second.lanes.begin()->first, nullptr);
  network_.listeners_.erase(at->second.endpoint);
  listeners_.erase(at);
}

SessionId SimTransport::dial(const Endpoint& to, Lane lane, SessionHandler& handler, NodeId) {
  SessionId id(network_.next_session_++);
  Network::Session& session = network_.sessions_[id];
  session.process[0] = process_;
  session.handler[0] = &handler;
  session.lane = lane;
  World& world = network_.world_;
  Duration delay = between(world.random(), network_.faults.delay_min, network_.faults.delay_max);
  world.after(delay, [&network = network_, id, to] {
    auto at = network.sessions_.find(id);
    if (at == network.sessions_.end()) return;  // Closed meanwhile, or its process died.
    auto listener = network.listeners_.find(to);
    SimTransport* target = listener == network.listeners_.end() ? nullptr : listener->second;
    if (target != nullptr) return target->connect(id, to);
    SessionHandler* dialer = at->second.handler[0];
    network.sessions_.erase(at);
    dialer->on_close(id, Error{Errc::unreachable, "nobody listens there"});
  });
  return id;
}

// Runs at the listener.
void SimTransport::connect(SessionId id, const Endpoint& to) {
  Network::Session& session = network_.sessions_.at(id);
  SessionHandler* handler = nullptr;
  for (auto& [listener_id, listener] : listeners_) {
    auto lane = listener.lanes.find(session.lane);
    if (listener.endpoint == to && lane != listener.lanes.end()) handler = lane->second;
  }
  bool is_cut = network_.is_cut(session.process[0], process_) ||
                network_.is_cut(process_, session.process[0]);
  if (handler == nullptr || is_cut) {
    SessionHandler* dialer = session.handler[0];
    network_.sessions_.erase(id);
    return dialer->on_close(id, Error{Errc::unreachable, is_cut ? "timed out" : "refused"});
  }
  session.process[1] = process_;
  session.handler[1] = handler;
  session.is_open = true;
  SessionHandler* dialer = session.handler[0];
  handler->on_open(id, Endpoint{});
  if (network_.sessions_.contains(id)) dialer->on_open(id, to);
}

bool SimTransport::send(SessionId id, Bytes message) {
  auto at = network_.sessions_.find(id);
  if (at == network_.sessions_.end() || !at->second.is_open) return false;
  Network::Session& session = at->second;
  World& world = network_.world_;
  Random& random = world.random();
  const NetworkFaults& faults = network_.faults;
  int to = 1 - end_of(session);
  network_.messages_ += 1;
  bool is_cut = network_.is_cut(process_, session.process[to]);
  bool is_datagram = runtime::is_log_lane(session.lane);
  if (is_cut && !is_datagram) {
    break_session(id, Errc::unreachable, "the network was cut");
    return false;
  }
  bool is_doubled = is_datagram && !is_cut && random.chance(faults.double_permille, 1000);
  if (is_datagram && network_.on_log_message) {
    network_.on_log_message(process_, message, is_doubled);
  }
  if (is_cut || (is_datagram && random.chance(faults.loss_permille, 1000))) {
    network_.lost_ += 1;
    return true;
  }
  for (int copy = 0; copy < (is_doubled ? 2 : 1); ++copy) {
    bool is_slow = random.chance(faults.slow_permille, 1000);
    Time arrival = world.now() +
                   between(random, faults.delay_min, is_slow ? faults.slow_max : faults.delay_max);
    if (!is_datagram) {
      arrival = std::max(arrival, session.last_arrival[to]);
      session.last_arrival[to] = arrival;
    }
    network_.deliver(arrival, id, to, [&network = network_, id, to, message] {
      auto found = network.sessions_.find(id);
      if (found == network.sessions_.end() || !found->second.is_open) return;
      if (SessionHandler* handler = found->second.handler[to]) handler->on_message(id, message);
    });
  }
  return true;
}

void SimTransport::close(SessionId id) {
  auto at = network_.sessions_.find(id);
  if (at == network_.sessions_.end()) return;
  Network::Session& session = at->second;
  bool was_connected = static_cast<bool>(session.process[1]);
  if (!was_connected) {
    network_.sessions_.erase(at);
    return;
  }
  session.handler[end_of(session)] = nullptr;
  // Broken already: the other end is about to hear of it.
  if (!session.is_open) return;
  break_session(id, Errc::closed, "the peer closed it");
}

// Both ends hear of it after a moment, but for an end that closed it.
void SimTransport::break_session(SessionId id, Errc code, const char* why) {
  network_.sessions_.at(id).is_open = false;
  World& world = network_.world_;
  world.after(between(world.random(), network_.faults.delay_min, network_.faults.delay_max),
              [&network = network_, id, code, why] {
                auto at = network.sessions_.find(id);
                if (at == network.sessions_.end()) return;
                Network::Session session = at->second;
                network.sessions_.erase(at);
                for (SessionHandler* handler : session.handler) {
                  if (handler != nullptr) handler->on_close(id, Error{code, why});
                }
              });
}

}  // namespace cluster::sim
