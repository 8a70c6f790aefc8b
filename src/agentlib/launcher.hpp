// What runs tasks. The agent decides, a launcher performs: real processes in production, none in
// simulation.
#pragma once

#include <string>
#include <vector>

#include "agentlib/model.hpp"

namespace cluster::agentlib {

// Called on the node thread, never inside a call of the launcher.
class LaunchObserver {
 public:
  virtual ~LaunchObserver() = default;
  virtual void on_task_started(const TaskKey&) = 0;
  // Once per task, and after it everything the task had started is dead.
  virtual void on_task_ended(const TaskKey&, const TaskEnd&) = 0;
};

// Node thread only. Calls return at once and are carried out in order per task; unknown keys are
// ignored.
class Launcher {
 public:
  virtual ~Launcher() = default;

  // Once, before all else: the tasks that an earlier agent left. Those that have not ended are
  // found again, or launched where that never happened (and no kill was asked for), or reported
  // as ended. What belongs to no task of the list is cleaned away.
  virtual void start(LaunchObserver&, const std::vector<TaskRow>& known) = 0;

  virtual void launch(const TaskKey&, const Bytes& spec) = 0;
  virtual void terminate(const TaskKey&) = 0;  // Asks it to end: SIGTERM to its process group.
  virtual void destroy(const TaskKey&) = 0;    // Ends all of it: SIGKILL.
  // The task has ended and its end is known where it must be: what is kept for it may go.
  virtual void forget(const TaskKey&) = 0;

  // "cgroup v1 (cpu, memory)", or "none: " and why.
  virtual std::string isolation() const = 0;
};

}  // namespace cluster::agentlib
