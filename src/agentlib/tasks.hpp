// Desired against observed tasks: what masters want run and killed, what the launcher saw, and the
// statuses in between. Pure.
//
// Law: a task is written before it is launched, a status before it is told, and both are forgotten
// only when the master has acknowledged the end.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "agentlib/model.hpp"

namespace cluster::agentlib {

struct TaskCounters {
  std::uint64_t launched = 0;
  std::uint64_t ended = 0;
  std::uint64_t failed = 0;  // Of those ended: failed, error or lost.
};

class Tasks {
 public:
  // Statuses that changed are handed back to be told; the caller knows whom.
  using Told = std::vector<wire::AgentUpdate>;

  Tasks(AgentId agent, std::vector<TaskRow> recovered);

  void on(const Instant&, const wire::RunTask&, Effects&, Told&);
  void on(const Instant&, const wire::KillAgentTask&, Effects&, Told&);
  void on(const wire::AgentUpdateAck&, Effects&);
  void on_started(const Instant&, const TaskKey&, Effects&, Told&);
  void on_ended(const Instant&, const TaskKey&, const TaskEnd&, Effects&, Told&);
  void on_time(const Instant&, Effects&);
  void kill_all(const Instant&, Effects&, Told&);
  // After a restart: kills that were asked for and not carried out begin anew.
  void resume_kills(Time now, Effects&);

  Time deadline() const;                       // Of the next grace period's end.
  std::vector<wire::AgentTask> known() const;  // The latest status of each.
  std::vector<wire::AgentUpdate> unacknowledged() const;
  const TaskRow* find(const TaskKey&) const;
  std::size_t open() const;  // Not ended.
  std::size_t size() const { return tasks_.size(); }
  const TaskCounters& counters() const { return counters_; }

 private:
  struct Task {
    TaskRow row;
    Duration kill_grace{};
    std::uint64_t acknowledged = 0;  // Sequence number.
    Time destroy_at = time_never;
  };

  void refuse(const Instant&, const wire::RunTask&, std::string why, Effects&, Told&);
  void kill(const Instant&, Task&, Effects&, Told&);
  // Moves to the next status and has it written.
  void advance(const Instant&, Task&, TaskState, Effects&, Told&);

  AgentId agent_;
  std::map<TaskKey, Task> tasks_;
  TaskCounters counters_;
};

}  // namespace cluster::agentlib
