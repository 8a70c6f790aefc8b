// The registry's records: they travel in its commands and in answers to operators.
#include "wire/common_codec.hpp"

namespace cluster::wire {
namespace {

namespace registry = schema::registry;

void write_job_task(registry::JobTask::Builder out, const JobTask& value) {
  out.setState(static_cast<registry::JobTask::State>(value.state));
  out.setAttempt(value.attempt);
  out.setFailures(value.failures);
  out.setLosses(value.losses);
  out.setTask(to_text(value.task.value()));
  if (value.exit) write(out.initExit(), *value.exit);
  out.setEndedAt(to_wire(value.ended_at));
}

JobTask read_job_task(Decoding& decoding, registry::JobTask::Reader in) {
  JobTask task{.state = read_enum(decoding, in.getState(), JobTask::State::failed, "state"),
               .attempt = in.getAttempt(),
               .failures = in.getFailures(),
               .losses = in.getLosses(),
               .task = read_optional_id<TaskId>(decoding, in.getTask(), "task"),
               .exit = std::nullopt,
               .ended_at = read_wall_time(decoding, in.getEndedAt())};
  if (in.hasExit()) task.exit = read(decoding, in.getExit());
  return task;
}

}  // namespace

void write(registry::AgentRecord::Builder out, const AgentRecord& value) {
  out.setId(to_text(value.id.value()));
  out.setHostname(to_text(value.hostname));
  write(out.initEndpoint(), value.endpoint);
  write_resources(value.total, [&](unsigned n) { return out.initTotal(n); });
  out.setIsolation(to_text(value.isolation));
  out.setState(static_cast<registry::AgentRecord::State>(value.state));
  out.setSince(to_wire(value.since));
}

AgentRecord read(Decoding& decoding, registry::AgentRecord::Reader in) {
  return {.id = read_id<AgentId>(decoding, in.getId(), "agent"),
          .hostname = from_text(in.getHostname()),
          .endpoint = read(decoding, in.getEndpoint()),
          .total = read(decoding, in.getTotal()),
          .isolation = from_text(in.getIsolation()),
          .state = read_enum(decoding, in.getState(), AgentRecord::State::lost, "agent state"),
          .since = read_wall_time(decoding, in.getSince())};
}

void write(registry::FrameworkRecord::Builder out, const FrameworkRecord& value) {
  out.setId(to_text(value.id.value()));
  out.setName(to_text(value.name));
  out.setRole(to_text(value.role));
  out.setFailoverTimeout(to_wire(value.failover_timeout));
  out.setState(static_cast<registry::FrameworkRecord::State>(value.state));
  out.setSince(to_wire(value.since));
}

FrameworkRecord read(Decoding& decoding, registry::FrameworkRecord::Reader in) {
  return {.id = read_id<FrameworkId>(decoding, in.getId(), "framework"),
          .name = from_text(in.getName()),
          .role = from_text(in.getRole()),
          .failover_timeout = read_duration(decoding, in.getFailoverTimeout(), "failover timeout"),
          .state = read_enum(decoding, in.getState(), FrameworkRecord::State::removed,
                             "framework state"),
          .since = read_wall_time(decoding, in.getSince())};
}

void write(registry::TaskKey::Builder out, const TaskKey& value) {
  out.setFramework(to_text(value.framework.value()));
  out.setTask(to_text(value.task.value()));
}

// Either part may be empty here: a question may leave the framework open, and a piece that waits
// has no task yet.
TaskKey read(Decoding& decoding, registry::TaskKey::Reader in) {
  return {.framework = read_optional_id<FrameworkId>(decoding, in.getFramework(), "framework"),
          .task = read_optional_id<TaskId>(decoding, in.getTask(), "task")};
}

void write(registry::TaskRecord::Builder out, const TaskRecord& value) {
  write(out.initKey(), value.key);
  out.setAgent(to_text(value.agent.value()));
  out.setName(to_text(value.name));
  write_resources(value.resources, [&](unsigned n) { return out.initResources(n); });
  if (value.job) write(out.initJob(), *value.job);
  out.setSpec(to_data(value.spec.view()));
  write(out.initStatus(), value.status);
  out.setAcknowledged(value.acknowledged);
  out.setKillRequested(value.kill_requested);
  out.setLaunchedAt(to_wire(value.launched_at));
}

TaskRecord read(Decoding& decoding, registry::TaskRecord::Reader in) {
  TaskRecord record{.key = read(decoding, in.getKey()),
                    .agent = read_optional_id<AgentId>(decoding, in.getAgent(), "agent"),
                    .name = from_text(in.getName()),
                    .resources = read(decoding, in.getResources()),
                    .job = std::nullopt,
                    .spec = from_data(in.getSpec()),
                    .status = {},
                    .acknowledged = in.getAcknowledged(),
                    .kill_requested = in.getKillRequested(),
                    .launched_at = read_wall_time(decoding, in.getLaunchedAt())};
  record.status = read(decoding, in.getStatus(), record.key.task, record.agent);
  if (in.hasJob()) record.job = read(decoding, in.getJob());
  return record;
}

void write(registry::JobRecord::Builder out, const JobRecord& value) {
  write(out.initSpec(), value.spec);
  out.setState(static_cast<registry::JobRecord::State>(value.state));
  out.setMessage(to_text(value.message));
  auto stages = out.initTasks(list_size(value.tasks));
  for (unsigned i = 0; i < stages.size(); ++i) {
    auto tasks = stages[i].initTasks(list_size(value.tasks[i]));
    for (unsigned k = 0; k < tasks.size(); ++k) write_job_task(tasks[k], value.tasks[i][k]);
  }
  out.setSubmittedAt(to_wire(value.submitted_at));
  out.setEndedAt(to_wire(value.ended_at));
  out.setRevision(value.revision);
}

JobRecord read(Decoding& decoding, registry::JobRecord::Reader in) {
  JobRecord record{.spec = read(decoding, in.getSpec()),
                   .state = read_enum(decoding, in.getState(), JobState::stopped, "job state"),
                   .message = from_text(in.getMessage()),
                   .tasks = {},
                   .submitted_at = read_wall_time(decoding, in.getSubmittedAt()),
                   .ended_at = read_wall_time(decoding, in.getEndedAt()),
                   .revision = in.getRevision()};
  for (auto stage : in.getTasks()) {
    auto& tasks = record.tasks.emplace_back();
    tasks.reserve(stage.getTasks().size());
    for (auto task : stage.getTasks()) tasks.push_back(read_job_task(decoding, task));
  }
  bool fits = record.tasks.size() == record.spec.stages.size();
  for (std::size_t i = 0; fits && i < record.tasks.size(); ++i) {
    fits = record.tasks[i].size() == record.spec.stages[i].instances;
  }
  if (!fits) decoding.fail("a job's progress does not match its stages");
  return record;
}

}  // namespace cluster::wire
