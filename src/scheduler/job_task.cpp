#include "scheduler/job_task.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace cluster::scheduler {

TaskId task_id_of(const JobSpec& job, const JobRef& ref) {
  // A dot in a stage's name would let two jobs make the same id ("a.b" + "c", "a" + "b.c").
  std::string stage = job.stages[ref.stage].name;
  if (stage.find('.') != std::string::npos) {
    std::replace(stage.begin(), stage.end(), '.', '_');
    stage = std::to_string(ref.stage) + "-" + stage;
  }
  return TaskId(job.id.value() + "." + stage + "." + std::to_string(ref.index) + "." +
                std::to_string(ref.attempt));
}

TaskSpec task_of(const JobSpec& job, const JobRef& ref) {
  CLUSTER_CHECK(ref.stage < job.stages.size(), "a piece belongs to a stage", job.id);
  const StageSpec& stage = job.stages[ref.stage];
  TaskSpec task;
  task.id = task_id_of(job, ref);
  task.name = job.name.empty() ? job.id.value() : job.name;
  if (job.stages.size() > 1) task.name += "/" + stage.name;
  task.command = stage.command;
  if (ref.index < stage.commands.size()) {
    const Command& own = stage.commands[ref.index];
    task.command.argv = own.argv;
    task.command.shell = own.shell;
    for (const auto& [name, value] : own.environment) task.command.environment[name] = value;
  }
  auto& environment = task.command.environment;
  environment["CLUSTER_JOB"] = job.id.value();
  environment["CLUSTER_STAGE"] = stage.name;
  environment["CLUSTER_TASK"] = task.id.value();
  environment["CLUSTER_INDEX"] = std::to_string(ref.index);
  environment["CLUSTER_INSTANCES"] = std::to_string(stage.instances);
  environment["CLUSTER_ATTEMPT"] = std::to_string(ref.attempt);
  task.resources = stage.resources;
  task.kill_grace = stage.kill_grace;
  task.labels = {{"job", job.id.value()}, {"stage", stage.name}};
  task.job = ref;
  return task;
}

}  // namespace cluster::scheduler
