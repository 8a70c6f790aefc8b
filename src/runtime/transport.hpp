// Sessions between processes: connections that carry whole messages.
//
// A listener is shared by several lanes; the dialer names the lane it wants, and each lane has one
// handler. On one session messages arrive whole and in order, or the session closes. On the logs'
// lanes alone small messages overtake large ones, so that an entry of megabytes holds up no
// heartbeat. (The log assumes less still, and its simulated network gives it less: there, messages
// of its lane are lost, doubled and reordered.) Everything here happens on the node thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster::runtime {

using SessionId = Id<struct SessionTag>;  // Never used twice in a process.
using ListenerId = Id<struct ListenerTag>;

enum class Lane : std::uint8_t {
  log = 1,  // One log.
  agent = 2,
  scheduler = 3,
  admin = 4,
  log_client = 5,
  logs = 6,  // A host's logs, all of them.
};

// Between members: small messages overtake large ones, and none waits for another.
inline bool is_log_lane(Lane lane) { return lane == Lane::log || lane == Lane::logs; }

inline constexpr std::size_t message_size_max = 32u << 20;
// From this size on messages of the log's lane are overtaken. What the log sends in groups is
// smaller: one entry alone is as large.
inline constexpr std::size_t large_message_min = 512u << 10;

// Who is at the other end of a session.
struct PeerIdentity {
  bool is_authenticated = true;    // By a certificate. Else nobody is, and all claims are believed.
  std::vector<std::string> names;  // Of the certificate: "cluster:member:7", "10.0.0.1" ...
  std::vector<NodeId> members;     // Those among them that are members.

  bool may_be(NodeId member) const {
    return !is_authenticated || std::find(members.begin(), members.end(), member) != members.end();
  }
};

class SessionHandler {
 public:
  virtual ~SessionHandler() = default;
  // A dialed session is connected, or an accepted one has begun. `peer` is the other end's address.
  virtual void on_open(SessionId, const Endpoint& peer) = 0;
  virtual void on_message(SessionId, Bytes message) = 0;
  // The session is over; nothing follows. Comes instead of `on_open` when dialing failed, and not
  // after our own `close`.
  virtual void on_close(SessionId, const Error& why) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Port 0 takes a free one. `address_in_use`, `permission`, `invalid_argument`.
  virtual Result<ListenerId> listen(const Endpoint&) = 0;
  virtual Endpoint endpoint(ListenerId) const = 0;
  // Sessions that dialers open on `lane` go to `handler`, which must outlive its being served. A
  // lane without handler refuses. nullptr stops, and closes the lane's sessions without a word to
  // the handler.
  virtual void serve(ListenerId, Lane lane, SessionHandler* handler) = 0;
  virtual void stop_listening(ListenerId) = 0;  // Closes its accepted sessions too.

  // `on_open` or `on_close` follows, never inside the call. The handler must outlive the session,
  // or close it first. An attempt is given up after some seconds. Where sessions are authenticated,
  // the other end must be `member`; none: a master, or on the admin lane whoever may serve at the
  // endpoint's host.
  virtual SessionId dial(const Endpoint&, Lane, SessionHandler&, NodeId member = {}) = 0;

  // Of a session that is open; nobody at all of any other.
  virtual const PeerIdentity& peer(SessionId) const = 0;

  // Queues a message. False when the session is closed; a session whose queue passes its limit is
  // closed with `overloaded`, since its peer does not read.
  virtual bool send(SessionId, Bytes message) = 0;
  virtual std::size_t queued_bytes(SessionId) const = 0;

  // What is queued is still sent, where the peer takes it. No `on_close` follows. Unknown ids are
  // ignored.
  virtual void close(SessionId) = 0;
};

}  // namespace cluster::runtime
