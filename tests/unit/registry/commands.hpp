// Commands from a small world (few agents, frameworks, tasks, jobs), so that most of them meet each
// other: for tests that apply many and look at what must hold after each.
#pragma once

#include <string>
#include <vector>

#include "base/check.hpp"
#include "cluster/registry.hpp"
#include "registry/digest.hpp"

namespace cluster::test {

inline WallTime wall(std::int64_t milliseconds) {
  return WallTime(std::chrono::milliseconds(milliseconds));
}

inline AgentRecord agent_record(std::string id, WallTime since = wall(1)) {
  return {.id = AgentId(std::move(id)), .hostname = "host", .since = since};
}

inline FrameworkRecord framework_record(std::string id) {
  return {.id = FrameworkId(std::move(id)), .name = "a framework", .since = wall(1)};
}

inline TaskKey key(std::string framework, std::string task) {
  return {.framework = FrameworkId(std::move(framework)), .task = TaskId(std::move(task))};
}

inline LaunchTask launch(TaskKey key, std::string agent, std::optional<JobRef> job = {}) {
  return {.task = {.key = std::move(key),
                   .agent = AgentId(std::move(agent)),
                   .job = std::move(job),
                   .spec = Bytes(ByteView("spec")),
                   .launched_at = wall(5)}};
}

inline EndTask end_of(TaskKey key, TaskState state, std::int64_t at = 9) {
  TaskStatus status{.state = state, .sequence = 3, .at = wall(at)};
  if (state == TaskState::finished) status.exit = TaskExit{};
  if (state == TaskState::failed) status.exit = TaskExit{.code = 7};
  return {.key = std::move(key), .status = status};
}

inline StageSpec stage(std::string name, std::uint32_t instances, std::uint32_t attempts_max = 1) {
  StageSpec stage{.name = std::move(name), .instances = instances, .attempts_max = attempts_max};
  stage.command.argv = {"true"};
  stage.resources.set("cpus", Scalar::whole(1));
  return stage;
}

inline JobSpec job_spec(std::string id, std::vector<StageSpec> stages,
                        JobKind kind = JobKind::batch) {
  return {.id = JobId(id), .name = id, .kind = kind, .stages = std::move(stages)};
}

// `below(n)` gives a number in [0, n): a seeded generator's, or a fuzzer's bytes.
template <class Below>
RegistryCommand make_command(const RegistryState& state, Below below) {
  auto name = [&](const char* prefix, std::uint64_t end) {
    return prefix + std::to_string(below(end));
  };
  auto at = wall(static_cast<std::int64_t>(state.applied().value() + below(3)));
  auto any_key = [&] {
    // Mostly one that is kept, so that commands find something to change.
    if (!state.tasks().empty() && below(4) != 0) {
      return std::next(state.tasks().begin(),
                       static_cast<std::ptrdiff_t>(below(state.tasks().size())))
          ->first;
    }
    return key(name("f", 3), name("t", 6));
  };
  // A piece that waits, with its next attempt; or a wrong one.
  auto any_piece = [&]() -> std::optional<JobRef> {
    auto job = state.find(JobId(name("j", 4)));
    if (job == nullptr || below(4) == 0) return std::nullopt;
    JobRef ref{.job = job->spec.id,
               .stage = static_cast<std::uint32_t>(below(job->tasks.size())),
               .index = static_cast<std::uint32_t>(below(3))};
    if (ref.index < job->tasks[ref.stage].size()) {
      ref.attempt = job->tasks[ref.stage][ref.index].attempt + 1;
    }
    if (below(10) == 0) ++ref.attempt;
    return ref;
  };
  static constexpr TaskState ends[] = {TaskState::finished, TaskState::finished, TaskState::failed,
                                       TaskState::killed,   TaskState::lost,     TaskState::error,
                                       TaskState::dropped,  TaskState::running};
  switch (below(21)) {
    case 0: return RegisterAgent{.agent = agent_record(name("a", 4), at)};
    case 1: return LoseAgent{.agent = AgentId(name("a", 4)), .reason = "silent", .at = at};
    case 2: return RegisterFramework{.framework = framework_record(name("f", 4))};
    case 3:
      return below(3) == 0 ? RegistryCommand(RemoveFramework{FrameworkId(name("f", 4)), at})
                           : RegistryCommand(RegisterFramework{framework_record(name("f", 4))});
    case 4: return KillTask{.key = any_key()};
    case 5: {
      auto instances = static_cast<std::uint32_t>(1 + below(2));
      bool is_service = below(3) == 0;
      std::vector<StageSpec> stages = {stage("s", instances, instances)};
      if (!is_service && below(2) == 0) stages.push_back(stage("s2", 1));
      return SubmitJob{.job = job_spec(name("j", 4), std::move(stages),
                                       is_service ? JobKind::service : JobKind::batch),
                       .at = at};
    }
    case 6: return StopJob{.job = JobId(name("j", 4)), .reason = "told to", .at = at};
    case 7: return RegisterAgent{.agent = agent_record(name("a", 4), at)};
    case 8:
      if (below(4) == 0)
        return RaiseFormat{.format = static_cast<std::uint32_t>(1 + below(2)), .by = "2"};
      return BeginTerm{.term = 1 + below(9),
                       .leader = NodeId(1 + below(3)),
                       .cluster = ClusterUid(1 + below(3))};
    default: break;
  }
  switch (below(4)) {
    case 0:
    case 1: return launch(key(name("f", 3), name("t", 6)), name("a", 4), any_piece());
    case 2: return end_of(any_key(), ends[below(8)], at.time_since_epoch().count());
    default: return AcknowledgeTask{.key = any_key()};
  }
}

// What holds after every command, whatever came before.
inline void check_invariants(const RegistryState& state, const RegistryLimits& limits) {
  CLUSTER_CHECK(state.digest() == registry::recompute_digest(state),
                "the running digest is that of the tables");
  std::map<TaskKey, JobRef> open_pieces;
  for (const auto& [id, task] : state.tasks()) {
    CLUSTER_CHECK(task.key == id && task.status.task == id.task, "a task is kept under its key");
    CLUSTER_CHECK(!task.acknowledged, "an acknowledged task is history");
    const FrameworkRecord* framework = state.find(id.framework);
    const AgentRecord* agent = state.find(task.agent);
    CLUSTER_CHECK(framework != nullptr && agent != nullptr, "a kept task names what is kept");
    bool is_open = !is_terminal(task.status.state);
    if (is_open) {
      CLUSTER_CHECK(agent->state == AgentRecord::State::registered,
                    "an open task's agent is not lost");
    }
    if (framework->state == FrameworkRecord::State::removed) {
      CLUSTER_CHECK(is_open && task.kill_requested, "a removed framework's tasks are being killed");
    }
    if (is_open && task.job) open_pieces[id] = *task.job;
  }
  for (const TaskRecord& task : state.history()) {
    CLUSTER_CHECK(task.acknowledged && is_terminal(task.status.state) && task.spec.empty(),
                  "history has ended, is acknowledged, and needs no spec");
  }
  std::size_t ended_jobs = 0, launched_pieces = 0;
  for (const auto& [id, job] : state.jobs()) {
    bool has_launched = false, has_failed = false, all_succeeded = true;
    for (std::size_t s = 0; s < job.tasks.size(); ++s) {
      for (const JobTask& piece : job.tasks[s]) {
        has_launched |= piece.state == JobTask::State::launched;
        has_failed |= piece.state == JobTask::State::failed;
        all_succeeded &= piece.state == JobTask::State::succeeded;
        launched_pieces += piece.state == JobTask::State::launched;
        CLUSTER_CHECK(piece.failures + piece.losses <= piece.attempt, "an end follows a launch");
      }
    }
    CLUSTER_CHECK(!is_terminal(job.state) || !has_launched, "an ended job runs nothing");
    CLUSTER_CHECK(job.state != JobState::stopping || has_launched,
                  "a stopping job waits for tasks");
    CLUSTER_CHECK(job.state != JobState::succeeded || all_succeeded, "success is of all pieces");
    CLUSTER_CHECK(job.state != JobState::active || !has_failed, "a failed piece stops its job");
    CLUSTER_CHECK(job.state != JobState::failed || has_failed, "failure is of a piece");
    ended_jobs += is_terminal(job.state);
  }
  CLUSTER_CHECK(launched_pieces == open_pieces.size(), "each launched piece is one open task");
  for (const auto& [id, ref] : open_pieces) {
    const JobTask& piece = state.find(ref.job)->tasks[ref.stage][ref.index];
    CLUSTER_CHECK(piece.state == JobTask::State::launched && piece.task == id.task &&
                      piece.attempt == ref.attempt,
                  "a job's open task is its piece's last launch");
  }
  CLUSTER_CHECK(state.history().size() <= limits.ended_tasks_kept, "the history is bounded");
  CLUSTER_CHECK(ended_jobs <= limits.ended_jobs_kept, "ended jobs are bounded");
}

inline bool same_tables(const RegistryState& a, const RegistryState& b) {
  return a.agents() == b.agents() && a.frameworks() == b.frameworks() && a.tasks() == b.tasks() &&
         a.history() == b.history() && a.jobs() == b.jobs() &&
         a.frameworks_made() == b.frameworks_made() && a.digest() == b.digest();
}

// Applies `steps` commands to two replicas, to the second one as the log would bring them.
// Gives the number of commands that changed something.
template <class Below>
std::size_t run_commands(std::size_t steps, Below below) {
  RegistryLimits limits{.ended_tasks_kept = 5,
                        .ended_jobs_kept = 2,
                        .lost_agents_kept = 1,
                        .removed_frameworks_kept = 1};
  RegistryState state(limits), replica(limits);
  std::size_t accepted = 0;
  Position at;
  for (std::size_t i = 0; i < steps; ++i) {
    RegistryCommand command = make_command(state, below);
    auto decoded = decode_registry_command(encode(command).view());
    CLUSTER_CHECK(decoded.has_value(), "a command can be read back");
    at = at.plus(1 + below(2));
    RegistryState before = state;
    auto events = state.apply(at, command);
    auto replica_events = replica.apply(at, *decoded);
    CLUSTER_CHECK(events == replica_events, "replicas tell the same");
    CLUSTER_CHECK(same_tables(state, replica) && state.applied() == replica.applied(),
                  "replicas are equal");
    bool is_barrier = std::holds_alternative<BeginTerm>(command);
    CLUSTER_CHECK(events.empty() == is_barrier, "every command tells what it changed");
    if (is_barrier) {
      CLUSTER_CHECK(same_tables(before, state), "the begin of a term changes nothing");
      continue;
    }
    bool is_refused = events.front().kind == RegistryEvent::Kind::refused;
    if (is_refused) {
      CLUSTER_CHECK(events.size() == 1 && !events.front().message.empty(), "a refusal says why");
      CLUSTER_CHECK(before.digest() == state.digest() && before.tasks() == state.tasks() &&
                        before.jobs() == state.jobs() && before.agents() == state.agents(),
                    "a refused command changes nothing");
    }
    accepted += !is_refused;
    check_invariants(state, limits);
  }
  return accepted;
}

}  // namespace cluster::test
