#include "registry/digest.hpp"

#include <cstddef>

namespace cluster::registry {
namespace {

template <class E>
std::uint64_t number(E value) {
  return static_cast<std::uint64_t>(value);
}

void add_to(RowHash& hash, const ResourceValue& value) {
  hash.add(std::uint64_t{value.index()});
  if (const auto* scalar = std::get_if<Scalar>(&value)) {
    hash.add(std::int64_t{scalar->in_thousandths()});
  } else if (const auto* ranges = std::get_if<Ranges>(&value)) {
    hash.add(std::uint64_t{ranges->size()});
    for (const Interval& range : *ranges) hash.add(range.first).add(range.end);
  } else if (const auto* items = std::get_if<Items>(&value)) {
    hash.add(std::uint64_t{items->size()});
    for (const std::string& item : *items) hash.add(item);
  }
}

void add_to(RowHash& hash, const Resources& resources) {
  hash.add(std::uint64_t{resources.values().size()});
  for (const auto& [name, value] : resources.values()) {
    hash.add(name);
    add_to(hash, value);
  }
}

void add_to(RowHash& hash, const std::optional<JobRef>& ref) {
  hash.add(ref.has_value());
  if (!ref) return;
  hash.add(ref->job);
  hash.add(std::uint64_t{ref->stage})
      .add(std::uint64_t{ref->index})
      .add(std::uint64_t{ref->attempt});
}

void add_to(RowHash& hash, const std::optional<TaskExit>& exit) {
  hash.add(exit.has_value());
  if (exit) hash.add(std::int64_t{exit->code}).add(std::int64_t{exit->signal});
}

void add_to(RowHash& hash, const TaskStatus& status) {
  hash.add(status.task).add(number(status.state)).add(status.sequence);
  add_to(hash, status.exit);
  hash.add(status.reason).add(status.message).add(status.agent).add(status.at);
}

void add_to(RowHash& hash, const TaskRecord& task) {
  hash.add(task.key.framework).add(task.key.task).add(task.agent).add(task.name);
  add_to(hash, task.resources);
  add_to(hash, task.job);
  hash.add(task.spec.view());
  add_to(hash, task.status);
  hash.add(task.acknowledged).add(task.kill_requested).add(task.launched_at);
}

void add_to(RowHash& hash, const Command& command) {
  hash.add(std::uint64_t{command.argv.size()});
  for (const std::string& argument : command.argv) hash.add(argument);
  hash.add(command.shell).add(std::uint64_t{command.environment.size()});
  for (const auto& [name, value] : command.environment) hash.add(name).add(value);
}

void add_to(RowHash& hash, const StageSpec& stage) {
  hash.add(stage.name).add(std::uint64_t{stage.after.size()});
  for (const std::string& name : stage.after) hash.add(name);
  add_to(hash, stage.command);
  hash.add(std::uint64_t{stage.commands.size()});
  for (const Command& command : stage.commands) add_to(hash, command);
  hash.add(std::uint64_t{stage.instances});
  add_to(hash, stage.resources);
  hash.add(std::uint64_t{stage.attempts_max}).add(stage.kill_grace);
}

}  // namespace

Digest row_of(const AgentRecord& agent) {
  RowHash hash(RowKind::agent);
  hash.add(agent.id).add(agent.hostname).add(agent.endpoint.host);
  hash.add(std::uint64_t{agent.endpoint.port});
  add_to(hash, agent.total);
  hash.add(agent.isolation).add(number(agent.state)).add(agent.since);
  return hash.finish();
}

Digest row_of(const FrameworkRecord& framework) {
  RowHash hash(RowKind::framework);
  hash.add(framework.id).add(framework.name).add(framework.role).add(framework.failover_timeout);
  hash.add(number(framework.state)).add(framework.since);
  return hash.finish();
}

Digest row_of(const TaskRecord& task) {
  RowHash hash(RowKind::task);
  add_to(hash, task);
  return hash.finish();
}

Digest history_row_of(const TaskRecord& task) {
  RowHash hash(RowKind::history);
  add_to(hash, task);
  return hash.finish();
}

Digest row_of(const JobSpec& job) {
  RowHash hash(RowKind::job_spec);
  hash.add(job.id).add(job.name).add(number(job.kind)).add(std::uint64_t{job.stages.size()});
  for (const StageSpec& stage : job.stages) add_to(hash, stage);
  return hash.finish();
}

Digest row_of(const JobRecord& job) {
  RowHash hash(RowKind::job);
  hash.add(job.spec.id).add(number(job.state)).add(job.message);
  hash.add(job.submitted_at).add(job.ended_at).add(job.revision);
  return hash.finish();
}

Digest row_of(const JobId& job, std::size_t stage, std::size_t index, const JobTask& task) {
  RowHash hash(RowKind::piece);
  hash.add(job).add(std::uint64_t{stage}).add(std::uint64_t{index}).add(number(task.state));
  hash.add(std::uint64_t{task.attempt}).add(std::uint64_t{task.failures});
  hash.add(std::uint64_t{task.losses}).add(task.task);
  add_to(hash, task.exit);
  hash.add(task.ended_at);
  return hash.finish();
}

Digest frameworks_made_row_of(std::uint64_t count) {
  if (count == 0) return {};  // A state in which nothing has happened has the digest 0.
  return RowHash(RowKind::frameworks_made).add(count).finish();
}

Digest recompute_digest(const RegistryState& state) {
  Digest digest = frameworks_made_row_of(state.frameworks_made());
  for (const auto& [id, agent] : state.agents()) add(digest, row_of(agent));
  for (const auto& [id, framework] : state.frameworks()) add(digest, row_of(framework));
  for (const auto& [key, task] : state.tasks()) add(digest, row_of(task));
  for (const TaskRecord& task : state.history()) add(digest, history_row_of(task));
  for (const auto& [id, job] : state.jobs()) {
    add(digest, row_of(job.spec));
    add(digest, row_of(job));
    for (std::size_t stage = 0; stage < job.tasks.size(); ++stage) {
      for (std::size_t index = 0; index < job.tasks[stage].size(); ++index) {
        add(digest, row_of(id, stage, index, job.tasks[stage][index]));
      }
    }
  }
  return digest;
}

}  // namespace cluster::registry
