// What an entry of the log asks of the keys, and what the state answers.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cluster/keys.hpp"

namespace cluster::registry {

struct GrantLease {
  LeaseId lease;
  Duration ttl{};

  friend bool operator==(const GrantLease&, const GrantLease&) = default;
};
// Of many leases at once. Those that have ended are named in the answer.
struct KeepAlive {
  std::vector<LeaseId> leases;

  friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};
struct RevokeLease {
  LeaseId lease;

  friend bool operator==(const RevokeLease&, const RevokeLease&) = default;
};
// The leader's: nobody renewed the lease for its time to live. Refused when the lease has been
// renewed more often than the leader knew.
struct ExpireLease {
  LeaseId lease;
  std::uint64_t renewals = 0;

  friend bool operator==(const ExpireLease&, const ExpireLease&) = default;
};
// What was before `upto` cannot be read any more; `upto` can.
struct Compact {
  Revision upto;

  friend bool operator==(const Compact&, const Compact&) = default;
};
struct SetHistoryPolicy {
  HistoryPolicy policy;

  friend bool operator==(const SetHistoryPolicy&, const SetHistoryPolicy&) = default;
};
// Makes it, or changes its quota. What it holds beyond a quota stays; only more is refused.
struct SetNamespace {
  std::string name;
  KeyQuota quota;

  friend bool operator==(const SetNamespace&, const SetNamespace&) = default;
};
// Refused while it holds keys.
struct RemoveNamespace {
  std::string name;

  friend bool operator==(const RemoveNamespace&, const RemoveNamespace&) = default;
};

// Makes a command one that is applied once. Numbers may come in any order; below
// `acknowledged_below`, whose answers the client has, no number is accepted again.
struct SessionStamp {
  LeaseId session;  // None: the command is applied each time it comes.
  std::uint64_t sequence = 0;
  std::uint64_t acknowledged_below = 0;

  friend bool operator==(const SessionStamp&, const SessionStamp&) = default;
};

// Who waits for the answer: a process and its count. Means nothing to the state.
struct RequestId {
  std::uint64_t process = 0;
  std::uint64_t number = 0;

  friend bool operator==(const RequestId&, const RequestId&) = default;
};

using KeyCommandBody =
    std::variant<PutKey, DeleteKeys, Transaction, GrantLease, KeepAlive, RevokeLease, ExpireLease,
                 Compact, SetHistoryPolicy, SetNamespace, RemoveNamespace>;

struct KeyCommand {
  RequestId request;
  SessionStamp stamp;
  std::string space;  // The namespace of puts, deletions and transactions.
  KeyCommandBody body;

  friend bool operator==(const KeyCommand&, const KeyCommand&) = default;
};

struct KeyAnswer {
  Revision revision;         // As in `TransactionResult`.
  bool succeeded = true;     // Of a transaction: its conditions held.
  bool is_repeated = false;  // Given before, to the same command of the same session.
  bool is_trimmed = false;   // Given before, and its keys and values were too large to keep.
  // Of a transaction's operations; of a put or deletion by itself only where it says more than the
  // revision does.
  std::vector<OperationResult> results;
  std::vector<LeaseId> ended;  // Leases that were to be renewed and are not there.

  friend bool operator==(const KeyAnswer&, const KeyAnswer&) = default;
};

// A log entry of one command. The first byte is the format's version.
Bytes encode(const KeyCommand&);
// Keys and values of what is decoded share the entry's bytes. `corrupt`: nobody could have written
// it. `unsupported`: a newer version may have: a replica must not go on without it.
Result<KeyCommand> decode_key_command(const Bytes&);

}  // namespace cluster::registry
