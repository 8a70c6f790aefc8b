// The agent's vocabulary: what its core is told, what it wants done, what it keeps.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cluster/registry.hpp"
#include "cluster/task.hpp"
#include "cluster/types.hpp"
#include "wire/agent_messages.hpp"

namespace cluster::agentlib {

// Both clocks at the moment of an input.
struct Instant {
  Time time{};
  WallTime wall{};
};

// Who this agent is: its id is born with its directory, its cluster is that of the first master
// that registered it. No leader of a term before `term`, the latest it has served, is obeyed.
struct Identity {
  AgentId agent;
  ClusterUid cluster;
  std::uint64_t term = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};

// A task that the agent may not forget yet: written before the task is launched, and with each
// status before anyone hears of it.
struct TaskRow {
  TaskKey key;
  Bytes spec;  // As the framework handed it in.
  TaskStatus status;
  bool kill_requested = false;
  friend bool operator==(const TaskRow&, const TaskRow&) = default;
};

// How a launcher says that a task is over.
struct TaskEnd {
  std::optional<TaskExit> exit;  // None: it never ran, or its end was not seen.
  std::string reason;  // "" (it ended by itself or was killed), "launch_failed", "memory_limit",
                       // "supervisor_died".
  std::string message;
  friend bool operator==(const TaskEnd&, const TaskEnd&) = default;
};

// Changes become durable together, in one transaction.
struct PutIdentity {
  Identity identity;
  friend bool operator==(const PutIdentity&, const PutIdentity&) = default;
};
struct PutTask {
  TaskRow row;
  friend bool operator==(const PutTask&, const PutTask&) = default;
};
struct RemoveTask {
  TaskKey key;
  friend bool operator==(const RemoveTask&, const RemoveTask&) = default;
};
using Change = std::variant<PutIdentity, PutTask, RemoveTask>;

// A link is one attempt to talk to a master. They are numbered, so that nothing meant for one
// reaches the next.
using LinkId = Id<struct LinkTag>;

struct Dial {
  LinkId link;
  Endpoint master;
  friend bool operator==(const Dial&, const Dial&) = default;
};
struct Hang {  // Close the link.
  LinkId link;
  friend bool operator==(const Hang&, const Hang&) = default;
};
struct Send {
  LinkId link;
  wire::AgentMessage message;
  friend bool operator==(const Send&, const Send&) = default;
};
struct Launch {
  TaskKey key;
  Bytes spec;
  friend bool operator==(const Launch&, const Launch&) = default;
};
struct Terminate {  // Ask it to end: SIGTERM.
  TaskKey key;
  friend bool operator==(const Terminate&, const Terminate&) = default;
};
struct Destroy {  // End it, with all it started: SIGKILL.
  TaskKey key;
  friend bool operator==(const Destroy&, const Destroy&) = default;
};
struct Forget {  // Free what the launcher keeps for an ended task.
  TaskKey key;
  friend bool operator==(const Forget&, const Forget&) = default;
};
struct Stopped {
  friend bool operator==(const Stopped&, const Stopped&) = default;
};
using Action = std::variant<Dial, Hang, Send, Launch, Terminate, Destroy, Forget, Stopped>;

struct Effects {
  std::vector<Action> now;      // Done at once.
  std::vector<Change> changes;  // Become durable together, in one transaction.
  std::vector<Action> then;     // Done once these changes, and all earlier ones, are durable.

  bool empty() const { return now.empty() && changes.empty() && then.empty(); }
};

// True for names that may be part of a path: 1 to `size_max` of [A-Za-z0-9._-], not "." or "..".
bool is_safe_name(std::string_view name, std::size_t size_max);
bool is_safe(const TaskKey& key);

}  // namespace cluster::agentlib
