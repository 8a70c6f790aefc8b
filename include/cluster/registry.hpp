// The cluster's state, the same on every master because it is a pure function of the log: agents,
// frameworks, tasks and jobs. Offers, connections and what runs at this moment are not in it.
//
// Threads: a `RegistryState` belongs to whoever applies it; `apply` and reads happen on one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/job.hpp"
#include "cluster/resources.hpp"
#include "cluster/result.hpp"
#include "cluster/shared.hpp"
#include "cluster/state_machine.hpp"
#include "cluster/table.hpp"
#include "cluster/task.hpp"
#include "cluster/types.hpp"

namespace cluster {

struct AgentRecord {
  enum class State : std::uint8_t {
    registered = 0,
    lost = 1
  };  // lost: removed after missed pings.

  AgentId id;
  std::string hostname;
  Endpoint endpoint;  // Of its admin lane: logs of its tasks.
  Resources total;
  std::string isolation;  // What holds its tasks to their limits: "cgroup v1 (cpu, memory)", or why
                          // nothing does.
  State state = State::registered;
  WallTime since{};

  friend bool operator==(const AgentRecord&, const AgentRecord&) = default;
};

struct FrameworkRecord {
  enum class State : std::uint8_t { active = 0, removed = 1 };

  FrameworkId id;
  std::string name;
  std::string role = "*";
  Duration failover_timeout{};  // How long it may stay away before it and its tasks are removed.
  State state = State::active;
  WallTime since{};

  friend bool operator==(const FrameworkRecord&, const FrameworkRecord&) = default;
};

struct TaskKey {
  FrameworkId framework;
  TaskId task;

  friend bool operator==(const TaskKey&, const TaskKey&) = default;
  friend auto operator<=>(const TaskKey&, const TaskKey&) = default;
};

// Two entries per task: its launch and its end. Between them `status.state` is `staging` here, and
// what it is really doing is its agent's to say.
struct TaskRecord {
  TaskKey key;
  AgentId agent;
  std::string name;
  Shared<Resources> resources;
  std::optional<JobRef> job;
  Bytes spec;  // The encoded TaskSpec, as the framework handed it in; dropped in the history.
  TaskStatus status;
  bool acknowledged = false;    // The framework has heard of the end.
  bool kill_requested = false;  // Committed, so that a failover does not forget it.
  WallTime launched_at{};

  friend bool operator==(const TaskRecord&, const TaskRecord&) = default;
};

// Where one piece of a job stands.
struct JobTask {
  enum class State : std::uint8_t { waiting = 0, launched = 1, succeeded = 2, failed = 3 };

  State state = State::waiting;
  std::uint32_t attempt = 0;     // Of the last launch; 0 before the first.
  std::uint32_t failures = 0;    // Ends that count against `attempts_max`.
  std::uint32_t losses = 0;      // Ends that do not: its agent died.
  TaskId task;                   // Of the last launch.
  std::optional<TaskExit> exit;  // Of the last end.
  WallTime ended_at{};

  friend bool operator==(const JobTask&, const JobTask&) = default;
};

struct JobRecord {
  JobSpec spec;
  JobState state = JobState::active;
  std::string message;                      // Why it failed, where it did.
  std::vector<std::vector<JobTask>> tasks;  // By stage and index.
  WallTime submitted_at{};
  WallTime ended_at{};
  std::uint64_t revision = 0;  // The log position of its last change: for waiting on it.

  friend bool operator==(const JobRecord&, const JobRecord&) = default;
};

// A command: one log entry. Times are set by the leader that proposes: `apply` reads no clock.
struct RegisterAgent {
  AgentRecord agent;
};
struct LoseAgent {
  AgentId agent;
  std::string reason;
  WallTime at;
};  // Its open tasks end as lost.
struct RegisterFramework {
  FrameworkRecord framework;
};  // New, or known: then name, role, timeout are updated.
struct RemoveFramework {
  FrameworkId framework;
  WallTime at;
};
struct LaunchTask {
  TaskRecord task;
};  // Refused when the agent is not registered or the key is known.
struct KillTask {
  TaskKey key;
};
struct EndTask {
  TaskKey key;
  TaskStatus status;
};  // `status.state` is terminal. The first end holds.
struct AcknowledgeTask {
  TaskKey key;
};  // The end is delivered: the task becomes history.
struct SubmitJob {
  JobSpec job;
  WallTime at;
};
struct StopJob {
  JobId job;
  std::string reason;
  WallTime at;
};
// A leader's first command: once it is applied, so is all of earlier terms. The first of them says
// what agents know the cluster by, for ever: a log that is made anew from what one member kept has
// another id, and they are to come back.
struct BeginTerm {
  std::uint64_t term = 0;
  NodeId leader;
  ClusterUid cluster;
};
// The leader's, when every master that keeps the state has said that it reads this format: from
// here on there may be commands and rows that older versions do not know.
struct RaiseFormat {
  std::uint32_t format = 0;
  std::string by;  // The version that proposed it.
};

using RegistryCommand =
    std::variant<RegisterAgent, LoseAgent, RegisterFramework, RemoveFramework, LaunchTask, KillTask,
                 EndTask, AcknowledgeTask, SubmitJob, StopJob, BeginTerm, RaiseFormat>;

Bytes encode(const RegistryCommand&);
// `unsupported` where it begins a format that this version does not read: nothing after it may be
// applied.
Result<RegistryCommand> decode_registry_command(ByteView);

// What an applied command changed, in the order of the changes: what a leader acts on. It names
// whatever the change is about: a task's events name its agent, framework and job too.
struct RegistryEvent {
  enum class Kind : std::uint8_t {
    agent_registered,
    agent_lost,
    framework_registered,
    framework_removed,
    task_launched,
    task_kill_requested,
    task_ended,
    task_acknowledged,
    job_submitted,
    job_changed,
    format_raised,
    refused,  // The command did not fit the state; `message` says why. Nothing changed.
  };
  Kind kind = Kind::refused;
  AgentId agent;
  FrameworkId framework;
  TaskKey task;
  JobId job;
  std::string message;

  friend bool operator==(const RegistryEvent&, const RegistryEvent&) = default;
};

struct RegistryLimits {
  std::size_t ended_tasks_kept = 20'000;  // History of acknowledged tasks, the oldest go first.
  std::size_t ended_jobs_kept = 1'000;
  std::size_t lost_agents_kept = 100;
  std::size_t removed_frameworks_kept = 100;
};

// What a table finds a record by.
struct KeyOfRecord {
  const AgentId& operator()(const AgentRecord& agent) const { return agent.id; }
  const FrameworkId& operator()(const FrameworkRecord& framework) const { return framework.id; }
  const TaskKey& operator()(const TaskRecord& task) const { return task.key; }
  const JobId& operator()(const JobRecord& job) const { return job.spec.id; }
};

// Ended and acknowledged tasks, oldest first. A copy shares the records, which never change.
class TaskHistory {
 public:
  class Iterator {
   public:
    using iterator_category = std::bidirectional_iterator_tag;
    using value_type = TaskRecord;
    using difference_type = std::ptrdiff_t;
    using reference = const TaskRecord&;
    using pointer = const TaskRecord*;

    Iterator() = default;
    reference operator*() const { return **at_; }
    pointer operator->() const { return at_->get(); }
    Iterator& operator++() { return ++at_, *this; }
    Iterator operator++(int) { return Iterator(at_++); }
    Iterator& operator--() { return --at_, *this; }
    Iterator operator--(int) { return Iterator(at_--); }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    friend class TaskHistory;
    using Base = std::deque<std::shared_ptr<const TaskRecord>>::const_iterator;
    explicit Iterator(Base at) : at_(at) {}
    Base at_;
  };

  Iterator begin() const { return Iterator(rows_.begin()); }
  Iterator end() const { return Iterator(rows_.end()); }
  std::reverse_iterator<Iterator> rbegin() const { return std::reverse_iterator(end()); }
  std::reverse_iterator<Iterator> rend() const { return std::reverse_iterator(begin()); }
  std::size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  const TaskRecord& operator[](std::size_t i) const { return *rows_[i]; }
  const TaskRecord& front() const { return *rows_.front(); }

  void push_back(TaskRecord task) {
    rows_.push_back(std::make_shared<const TaskRecord>(std::move(task)));
  }
  void pop_front() { rows_.pop_front(); }

  friend bool operator==(const TaskHistory& a, const TaskHistory& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::deque<std::shared_ptr<const TaskRecord>> rows_;
};

// Which open or unacknowledged tasks each agent has.
class TasksOfAgents {
 public:
  // Gives the agent's id as all tasks of it share it.
  const AgentId& insert(const AgentId& agent, const TaskKey& key) {
    auto& [id, keys] = *keys_.try_emplace(agent).first;
    // Tasks often come in the order of their keys, and those that are looked at lie anywhere.
    const bool is_last = keys.empty() || keys.back() < key;
    keys.insert(is_last ? keys.end() : std::lower_bound(keys.begin(), keys.end(), key), key);
    return id;
  }
  void erase(const AgentId& agent, const TaskKey& key) {
    auto found = keys_.find(agent);
    auto& keys = found->second;
    keys.erase(std::lower_bound(keys.begin(), keys.end(), key));
    if (keys.empty()) keys_.erase(found);
  }
  bool has_any(const AgentId& agent) const { return keys_.contains(agent); }
  bool all_agents(auto is_so) const {
    return std::all_of(keys_.begin(), keys_.end(), [&](const auto& of) { return is_so(of.first); });
  }
  // In ascending order.
  std::vector<TaskKey> of(const AgentId& agent) const {
    auto found = keys_.find(agent);
    return found == keys_.end() ? std::vector<TaskKey>() : found->second;
  }

 private:
  std::unordered_map<AgentId, std::vector<TaskKey>> keys_;  // Sorted, and never empty.
};

class RegistryState {
 public:
  using Agents = Table<AgentRecord, KeyOfRecord>;
  using Frameworks = Table<FrameworkRecord, KeyOfRecord>;
  using Tasks = Table<TaskRecord, KeyOfRecord>;
  using Jobs = Table<JobRecord, KeyOfRecord>;

  explicit RegistryState(RegistryLimits limits = {});

  // Applies one command. Pure: the same commands at the same positions give the same state
  // everywhere.
  std::vector<RegistryEvent> apply(Position at, const RegistryCommand&);

  Position applied() const { return applied_; }

  // Of the tables below; equal states have equal digests, whatever the order of their making.
  std::array<std::uint64_t, 2> digest() const { return digest_; }

  const Agents& agents() const { return agents_; }
  const Frameworks& frameworks() const { return frameworks_; }
  const Tasks& tasks() const { return tasks_; }  // Open, and ended but unacknowledged.
  const TaskHistory& history() const { return history_; }
  const Jobs& jobs() const { return jobs_; }

  const AgentRecord* find(const AgentId&) const;
  const FrameworkRecord* find(const FrameworkId&) const;
  const TaskRecord* find(const TaskKey&) const;  // Not in the history.
  const JobRecord* find(const JobId&) const;

  ClusterUid cluster() const { return cluster_; }  // Of the first term; none before.
  // What may be proposed: what every master that keeps the state reads. 1 at first.
  std::uint32_t format() const { return format_; }
  std::uint64_t frameworks_made() const { return frameworks_made_; }  // Ever: a source of new ids.

  // A view of this state for another thread; cheap, however large the state.
  SnapshotJob begin_snapshot();
  // The state that a snapshot was taken of, by this version or an older one. `corrupt` where the
  // bytes are not those, `unsupported` where a newer version took it.
  static Result<RegistryState> restore(SnapshotReader&, RegistryLimits limits = {});

 private:
  friend struct RegistryApply;     // src/registry/apply.cpp
  friend struct RegistrySnapshot;  // src/registry/state_snapshot.cpp

  RegistryLimits limits_;
  Position applied_;
  ClusterUid cluster_;
  std::uint32_t format_ = 1;
  std::string format_by_;  // The version that raised it.
  std::array<std::uint64_t, 2> digest_{};
  Agents agents_;
  Frameworks frameworks_;
  Tasks tasks_;
  TaskHistory history_;
  Jobs jobs_;
  std::uint64_t frameworks_made_ = 0;

  // What follows from the above, kept so that no command scans a table. Not in the digest.
  struct JobCounts {
    std::uint64_t launched = 0;  // Pieces that are launched.
    std::uint64_t open = 0;      // Pieces that have not succeeded.
  };
  std::map<JobId, JobCounts> job_counts_;  // Of jobs that have not ended.
  TasksOfAgents tasks_of_agents_;
  std::set<std::pair<WallTime, AgentId>> lost_agents_;  // Oldest first, as the two below.
  std::set<std::pair<WallTime, FrameworkId>> removed_frameworks_;
  std::set<std::pair<WallTime, JobId>> ended_jobs_;

  std::array<Shared<Resources>, 256> asked_;  // What tasks asked for lately: the next shares it.
};

}  // namespace cluster
