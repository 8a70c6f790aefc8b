// A node: a master, an agent, or both in one process, composed and run by any program that links
// this.
//
//   auto node = Node::start(runtime, {.master = NodeOptions::Master{.self = NodeId(1), ...},
//                                     .agent = AgentOptions{.directory = "agent", ...}});
//
// The master keeps a replica of the log in its directory, applies it to the registry, serves
// agents, schedulers and tools on one endpoint, and leads when the log says so; while it leads it
// also runs the cluster's jobs. `cluster master` and `cluster agent` are little more than this.
//
// Threads: every method may be called from any thread. Observers run where the runtime delivers.
// The runtime must have been made with `deliver_on_node_thread` where there is a master.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/agent.hpp"
#include "cluster/log.hpp"
#include "cluster/metrics.hpp"
#include "cluster/op.hpp"
#include "cluster/result.hpp"
#include "cluster/runtime.hpp"
#include "cluster/types.hpp"

namespace cluster {

struct NodeOptions {
  struct Master {
    // As in `LogOptions`: a founder's three words, a newcomer's token, or nothing for a directory
    // that is a member.
    NodeId self;
    std::vector<Peer> members;  // All founders, `self` included.
    ClusterUid cluster;
    std::string join;
    std::string directory;  // Of its replica; made for one member of one cluster.
    Endpoint listen;        // Empty host: the endpoint that the members know.
    Duration agent_timeout = std::chrono::seconds(15);  // An agent silent for longer is lost.
    Duration ping_interval{};  // Of agents; 0: a fifth of `agent_timeout`, at most a second.
    Duration election_timeout = std::chrono::milliseconds(600);
    Duration heartbeat_interval = std::chrono::milliseconds(60);
    std::uint64_t seed = 0;    // Of elections' randomness; 0: taken from the system.
    SnapshotPolicy snapshots;  // Of the cluster's state, which then stands for its entries.
    // How often the masters compare their states, where something has changed. One whose state is
    // not that of the others stops; 0: never.
    Duration digest_interval = std::chrono::seconds(60);
  };

  std::optional<Master> master;
  std::optional<AgentOptions> agent;
  std::string version;  // What it says of itself.
};

struct NodeStatus {
  struct Master {
    Endpoint endpoint;
    Leadership leadership;
    bool leading = false;  // The master's work, not only the log: calls are carried out here.
    LogRange log;
    Position applied;
  };
  struct AgentPart {
    AgentId id;
    Endpoint endpoint;
    bool registered = false;
    std::string problem;  // Why it is not registered.
    std::string isolation;
  };

  std::optional<Master> master;
  std::optional<AgentPart> agent;
};

class Node {
 public:
  // Starts what the options name, the master first. Does not wait for a leader. Errors are those of
  // `Log::open` and `Agent::start`; what was started is stopped again.
  static Result<Node> start(Runtime&, NodeOptions);

  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;
  ~Node();  // Stops at once; tasks of the agent run on.

  NodeStatus status() const;
  Metrics metrics() const;

  // Called once when an operator has asked the agent to stop (`cluster down`).
  void on_stop_requested(std::function<void(bool kill_tasks)> observer);

  // Called at most once, when a part cannot go on: its disk failed.
  void on_failed(std::function<void(const Error&)> observer);

  // Stops the agent, ending its tasks where told so, while the master goes on and hears of it. Then
  // destroy the node, which ends the master.
  Op<void> stop(bool kill_tasks = false);

 private:
  struct Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cluster
