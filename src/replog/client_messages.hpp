// What a log's clients and members say to each other, on a lane of its own. The client dials, and
// says Hello; the member answers Welcome, now and whenever the leader changes. Calls and answers
// are told apart by tags; answers come in any order.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "cluster/log.hpp"
#include "cluster/result.hpp"

namespace cluster::replog {

struct ClientHello {
  ClusterUid cluster;
  friend bool operator==(const ClientHello&, const ClientHello&) = default;
};
struct ClientWelcome {
  Endpoint leader;     // No host when nobody is known to lead, or this member does.
  bool leads = false;  // This member does.
  friend bool operator==(const ClientWelcome&, const ClientWelcome&) = default;
};
struct ClientAppend {
  Bytes data;
  friend bool operator==(const ClientAppend&, const ClientAppend&) = default;
};
struct ClientRead {
  Position from;
  Position to;
  std::uint64_t bytes_max = 0;
  friend bool operator==(const ClientRead&, const ClientRead&) = default;
};
struct ClientCatchUp {
  friend bool operator==(const ClientCatchUp&, const ClientCatchUp&) = default;
};
struct ClientAppended {
  Position position;
  friend bool operator==(const ClientAppended&, const ClientAppended&) = default;
};
struct ClientEntries {
  std::vector<Entry> entries;
  friend bool operator==(const ClientEntries&, const ClientEntries&) = default;
};
struct ClientRange {
  LogRange range;
  friend bool operator==(const ClientRange&, const ClientRange&) = default;
};
struct ClientFailed {
  Error error;
  friend bool operator==(const ClientFailed&, const ClientFailed&) = default;
};

using ClientBody = std::variant<ClientHello, ClientWelcome, ClientAppend, ClientRead, ClientCatchUp,
                                ClientAppended, ClientEntries, ClientRange, ClientFailed>;

struct ClientMessage {
  std::uint64_t tag = 0;
  ClientBody body;
  // Of a call: how long the client still waits. A member that cannot answer by then need not hold
  // the call any longer, nor propose what it asks. 0: it does not say.
  std::uint32_t timeout_ms = 0;
  friend bool operator==(const ClientMessage&, const ClientMessage&) = default;
};

// What one answer to a read holds, whatever was asked for; a single larger entry comes all the
// same.
inline constexpr std::size_t client_read_bytes_max = 16u << 20;

Bytes encode(const ClientMessage&);
Result<ClientMessage> decode_client_message(const Bytes&);

}  // namespace cluster::replog
