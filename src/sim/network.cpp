#include "sim/network.hpp"

#include <vector>

namespace cluster::sim {

using runtime::Lane;
using runtime::ListenerId;
using runtime::SessionHandler;
using runtime::SessionId;

void Network::deliver(Time at, SessionId to, Callback f) {
  world_.at(at, [this, to, f = std::move(f)]() mutable {
    Session* session = find(to);
    if (session == nullptr) return;
    auto paused = paused_.find(session->process[end_of(to)]);
    if (paused != paused_.end() && paused->second > world_.now()) {
      return deliver(paused->second, to, std::move(f));
    }
    f();
  });
}

SimTransport::SimTransport(Network& network, ProcessId process)
    : network_(network), process_(process) {}

SimTransport::~SimTransport() { die(); }

void SimTransport::die() {
  if (std::exchange(is_dead_, true)) return;
  for (auto& [id, listener] : listeners_) network_.listeners_.erase(listener.endpoint);
  listeners_.clear();
  std::vector<SessionId> mine;
  for (auto& [number, session] : network_.sessions_) {
    for (std::uint64_t end : {0, 1}) {
      if (session.process[end] == process_) mine.push_back(SessionId(number * 2 + end));
    }
  }
  for (SessionId id : mine) close(id);
}

Result<ListenerId> SimTransport::listen(const Endpoint& endpoint) {
  if (is_dead_) return Error{Errc::closed, "the simulated process has died"};
  if (network_.listeners_.contains(endpoint)) {
    return Error{Errc::address_in_use, to_string(endpoint) + " is taken"};
  }
  ListenerId id(next_listener_++);
  listeners_[id].endpoint = endpoint;
  network_.listeners_[endpoint] = this;
  return id;
}

Endpoint SimTransport::endpoint(ListenerId id) const {
  auto at = listeners_.find(id);
  return at == listeners_.end() ? Endpoint{} : at->second.endpoint;
}

void SimTransport::serve(ListenerId id, Lane lane, SessionHandler* handler) {
  auto at = listeners_.find(id);
  if (at == listeners_.end()) return;
  if (handler != nullptr) {
    at->second.lanes[lane] = handler;
    return;
  }
  at->second.lanes.erase(lane);
  std::vector<SessionId> accepted;
  for (auto& [number, session] : network_.sessions_) {
    bool is_its = session.process[1] == process_ && session.listener == id && session.lane == lane;
    if (is_its) accepted.push_back(SessionId(number * 2 + 1));
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
  std::uint64_t number = network_.next_session_++;
  SessionId id(number * 2);
  if (is_dead_) return id;
  Network::Session& session = network_.sessions_[number];
  session.process[0] = process_;
  session.handler[0] = &handler;
  session.lane = lane;
  World& world = network_.world_;
  Duration delay = between(world.random(), network_.faults.delay_min, network_.faults.delay_max);
  world.after(delay, [&network = network_, id, to] {
    Network::Session* found = network.find(id);
    if (found == nullptr) return;  // Closed meanwhile, or its process died.
    auto listener = network.listeners_.find(to);
    SimTransport* target = listener == network.listeners_.end() ? nullptr : listener->second;
    if (target != nullptr) return target->connect(id, to);
    SessionHandler* dialer = found->handler[0];
    network.erase(id);
    dialer->on_close(id, Error{Errc::unreachable, "nobody listens there"});
  });
  return id;
}

// Runs at the listener.
void SimTransport::connect(SessionId dialer_end, const Endpoint& to) {
  Network::Session& session = *network_.find(dialer_end);
  SessionHandler* handler = nullptr;
  for (auto& [listener_id, listener] : listeners_) {
    auto lane = listener.lanes.find(session.lane);
    if (listener.endpoint != to || lane == listener.lanes.end()) continue;
    handler = lane->second;
    session.listener = listener_id;
  }
  bool is_cut = network_.is_cut(session.process[0], process_) ||
                network_.is_cut(process_, session.process[0]);
  SessionHandler* dialer = session.handler[0];
  if (handler == nullptr || is_cut) {
    network_.erase(dialer_end);
    return dialer->on_close(dialer_end, Error{Errc::unreachable, is_cut ? "timed out" : "refused"});
  }
  session.process[1] = process_;
  session.handler[1] = handler;
  session.is_open = true;
  handler->on_open(Network::other_end(dialer_end), Endpoint{});
  if (network_.find(dialer_end) != nullptr) dialer->on_open(dialer_end, to);
}

bool SimTransport::send(SessionId id, Bytes message) {
  Network::Session* found = network_.find(id);
  if (is_dead_ || found == nullptr || !found->is_open) return false;
  Network::Session& session = *found;
  World& world = network_.world_;
  Random& random = world.random();
  const NetworkFaults& faults = network_.faults;
  SessionId other = Network::other_end(id);
  int to = Network::end_of(other);
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
    network_.deliver(arrival, other, [&network = network_, other, to, message] {
      Network::Session* open = network.find(other);
      if (open == nullptr || !open->is_open) return;
      if (SessionHandler* handler = open->handler[to]) handler->on_message(other, message);
    });
  }
  return true;
}

void SimTransport::close(SessionId id) {
  Network::Session* session = network_.find(id);
  if (session == nullptr) return;
  bool was_connected = static_cast<bool>(session->process[1]);
  if (!was_connected) return network_.erase(id);
  session->handler[Network::end_of(id)] = nullptr;
  // Broken already: the other end is about to hear of it.
  if (!session->is_open) return;
  break_session(id, Errc::closed, "the peer closed it");
}

// Both ends hear of it after a moment, but for an end that closed it.
void SimTransport::break_session(SessionId id, Errc code, const char* why) {
  network_.find(id)->is_open = false;
  World& world = network_.world_;
  world.after(between(world.random(), network_.faults.delay_min, network_.faults.delay_max),
              [&network = network_, id, code, why] {
                Network::Session* found = network.find(id);
                if (found == nullptr) return;
                Network::Session session = *found;
                network.erase(id);
                for (SessionId end : {id, Network::other_end(id)}) {
                  SessionHandler* handler = session.handler[Network::end_of(end)];
                  if (handler != nullptr) handler->on_close(end, Error{code, why});
                }
              });
}

}  // namespace cluster::sim
