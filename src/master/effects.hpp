// What the master's core wants done, in order.
//
// Everything here is `now` in the sense of the effects contract: a master keeps nothing on its own
// disk. What must be durable first is proposed as a command, and what may only happen after it is
// decided later, when the command's event comes back from the registry.
#pragma once

#include <variant>
#include <vector>

#include "cluster/registry.hpp"
#include "runtime/transport.hpp"
#include "wire/admin_messages.hpp"
#include "wire/agent_messages.hpp"
#include "wire/scheduler_messages.hpp"

namespace cluster::master {

using runtime::Lane;
using runtime::SessionId;
using AnyMessage = std::variant<wire::AgentMessage, wire::SchedulerMessage, wire::AdminMessage>;

struct Send {
  SessionId session;
  AnyMessage message;
  friend bool operator==(const Send&, const Send&) = default;
};

// The core has forgotten the session already; nothing of it is heard any more.
struct Close {
  SessionId session;
  friend bool operator==(const Close&, const Close&) = default;
};

// Proposals are appended in the order given.
struct Propose {
  RegistryCommand command;
};

using Action = std::variant<Send, Close, Propose>;

struct Effects {
  std::vector<Action> actions;

  void send(SessionId session, wire::AgentMessage message) {
    actions.push_back(Send{session, std::move(message)});
  }
  void send(SessionId session, wire::SchedulerMessage message) {
    actions.push_back(Send{session, std::move(message)});
  }
  void send(SessionId session, wire::AdminMessage message) {
    actions.push_back(Send{session, std::move(message)});
  }
  void close(SessionId session) { actions.push_back(Close{session}); }
  void propose(RegistryCommand command) { actions.push_back(Propose{std::move(command)}); }
};

// When an input arrives: on the node's clock for deadlines, on the wall for the record.
struct Moment {
  Time now{};
  WallTime wall{};
};

}  // namespace cluster::master
