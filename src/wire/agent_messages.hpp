// What a master and an agent say to each other, on the agent lane. The agent dials.
//
//   agent                                 master
//   RegisterAgentRequest  ------------->  commits the agent, compares its tasks
//                         <-------------  AgentRegistered
//                         <-------------  RunTask          (until the agent reports the task)
//   AgentUpdate           ------------->  soft for a living task; committed when terminal
//                         <-------------  AgentUpdateAck   (the agent may forget the update)
//                         <-------------  AgentPing
//   AgentPong             ------------->
//
// A master that does not lead answers a registration with AgentRedirect and closes.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cluster/resources.hpp"
#include "cluster/result.hpp"
#include "cluster/task.hpp"
#include "cluster/types.hpp"

namespace cluster::wire {

// What an agent knows of one of its tasks: the latest status whose sequence number tells master
// what it missed.
struct AgentTask {
  FrameworkId framework;
  TaskStatus status;
  friend bool operator==(const AgentTask&, const AgentTask&) = default;
};

struct RegisterAgentRequest {
  AgentId agent;       // Made with the agent's directory and kept in it.
  ClusterUid cluster;  // 0 until it has registered for the first time.
  std::string hostname;
  Endpoint endpoint;  // Where its admin lane listens.
  Resources total;
  std::string isolation;
  std::vector<AgentTask> tasks;  // Every task it has not been allowed to forget.
  friend bool operator==(const RegisterAgentRequest&, const RegisterAgentRequest&) = default;
};

struct AgentRegistered {
  ClusterUid cluster;
  std::uint64_t term = 0;
  Duration ping_interval{};  // Silence of several of these means that the master is gone.
  friend bool operator==(const AgentRegistered&, const AgentRegistered&) = default;
};

struct AgentRefused {
  Error error;
  friend bool operator==(const AgentRefused&, const AgentRefused&) = default;
};

struct AgentRedirect {
  std::optional<Endpoint> leader;  // None: no leader is known at present.
  friend bool operator==(const AgentRedirect&, const AgentRedirect&) = default;
};

struct RunTask {
  FrameworkId framework;
  TaskId task;
  Bytes spec;  // An encoded TaskSpec.
  friend bool operator==(const RunTask&, const RunTask&) = default;
};

// Kill a task that runs; a task that is not known ends as killed at once, with an update.
struct KillAgentTask {
  FrameworkId framework;
  TaskId task;
  friend bool operator==(const KillAgentTask&, const KillAgentTask&) = default;
};

struct AgentUpdate {
  FrameworkId framework;
  TaskStatus status;
  friend bool operator==(const AgentUpdate&, const AgentUpdate&) = default;
};

struct AgentUpdateAck {
  FrameworkId framework;
  TaskId task;
  std::uint64_t sequence = 0;  // This update and all before it.
  friend bool operator==(const AgentUpdateAck&, const AgentUpdateAck&) = default;
};

struct AgentPing {
  friend bool operator==(const AgentPing&, const AgentPing&) = default;
};
struct AgentPong {
  friend bool operator==(const AgentPong&, const AgentPong&) = default;
};

using AgentMessage =
    std::variant<RegisterAgentRequest, AgentRegistered, AgentRefused, AgentRedirect, RunTask,
                 KillAgentTask, AgentUpdate, AgentUpdateAck, AgentPing, AgentPong>;

Bytes encode(const AgentMessage&);
Result<AgentMessage> decode_agent_message(ByteView);

}  // namespace cluster::wire
