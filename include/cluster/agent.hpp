// An agent: runs tasks on this machine for a cluster's masters.
//
// Each task runs under a small supervisor process of its own, in a sandbox directory, held to its
// resources by cgroups where those are writable. Tasks outlive the agent: destroying it, or killing
// its process, leaves them running, and the next agent that is started on the same directory finds
// them and their ends again.
//
// Threads: every method may be called from any thread. Observers run where the runtime delivers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/metrics.hpp"
#include "cluster/op.hpp"
#include "cluster/resources.hpp"
#include "cluster/result.hpp"
#include "cluster/runtime.hpp"
#include "cluster/types.hpp"

namespace cluster {

struct AgentOptions {
  std::string directory;  // Its identity, its tasks and their sandboxes; created when missing.
  std::vector<Endpoint> masters;       // Any of them leads to the leader. At least one.
  Endpoint listen = {"127.0.0.1", 0};  // Where logs of its tasks are read; port 0: a free one.
  std::string hostname;                // Empty: the system's.
  Resources resources;                 // Empty: `detect_resources()`.
  std::string supervisor;  // Path of `cluster-supervisor`. Empty: beside the running program, or
                           // where the package was installed.
  std::string cgroup_root = "cluster";  // Tasks' cgroups are made below it, in each hierarchy.
  bool cgroups = true;                  // False: do not use them even where they are writable.
  bool cpu_quota = true;                // Hold tasks to their cpus even when the machine is idle.
  std::uint32_t sandboxes_max = 200;    // Of ended tasks; older ones are removed,
  Duration sandbox_age_max = std::chrono::hours(24);  // and those that ended so long ago.
  // Of each task's stdout and stderr on disk, while the agent runs; 0: no limit. Of what is longer
  // the beginning is given up: at least the newest half of this much is kept, offsets stay.
  std::uint64_t output_bytes_max = 64 << 20;
  Duration retry_min = std::chrono::milliseconds(100);   // Between attempts to reach a master,
  Duration retry_max = std::chrono::seconds(2);          // doubled up to this, with jitter.
  Duration register_timeout = std::chrono::seconds(10);  // For a master to answer.
  Duration stop_timeout =
      std::chrono::seconds(10);  // `stop(true)`: for masters to hear of the end.
  std::uint64_t seed = 0;        // Of the jitter; 0: taken from the system.
};

// This machine's cpus and mem (less what the system itself needs), and ports 31000 to 32000.
Resources detect_resources();

class Agent {
 public:
  // Opens the directory, finds its tasks again, listens and begins to look for the leader. Does not
  // wait for it. `already_exists` when another agent has the directory, `address_in_use`,
  // `not_found` when there is no supervisor, `corrupt`.
  static Result<Agent> start(Runtime&, AgentOptions);

  Agent(Agent&&) noexcept;
  Agent& operator=(Agent&&) noexcept;
  ~Agent();  // Leaves its tasks running.

  AgentId id() const;           // Born with the directory.
  Endpoint endpoint() const;    // Where it listens.
  Resources resources() const;  // What it offers.
  // What holds tasks to their limits: "cgroup v1 (cpu, memory)", or "none: " and why.
  std::string isolation() const;

  bool is_registered() const;   // With a leader, at this moment.
  std::string problem() const;  // Why not, as a sentence; empty when registered.

  // Called when an operator asked this agent to stop (StopAgent on the admin lane). What to do is
  // the host's choice, normally `stop(kill_tasks)` and the end of its process. One observer.
  void on_stop_requested(std::function<void(bool kill_tasks)> observer);

  // Called at most once, when the agent can't go on: its disk failed. Its tasks run on.
  void on_failed(std::function<void(const Error&)> observer);

  // Leaves the master and stops listening. With `kill_tasks`, first ends all tasks by their kill
  // policy and waits until the master has heard, at most `stop_timeout` after the last one ended.
  // Then the agent does nothing more; destroy it.
  Op<void> stop(bool kill_tasks);

  Metrics metrics() const;

 private:
  struct Impl;
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cluster
