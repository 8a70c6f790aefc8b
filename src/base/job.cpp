// The rules that a job's spec obeys. `apply` of the registry relies on them: a job that is kept has
// passed here, so its numbers bound what its progress takes.
#include "cluster/job.hpp"

#include <map>

#include "base/spec_rules.hpp"

namespace cluster {
namespace {

constexpr std::uint32_t instances_max = 10'000;
constexpr std::uint32_t attempts_limit = 1'000;
constexpr std::size_t stages_max = 1'000;
constexpr std::uint64_t job_tasks_max = 100'000;
// Ids of a job's tasks are made of both and two numbers, and have 255 characters at most.
constexpr std::size_t job_and_stage_length_max = 200;

std::size_t encoded_size(const StageSpec& stage) {
  std::size_t size = 96 + rules::size_of(stage.name) + rules::size_of(stage.command) +
                     rules::size_of(stage.resources);
  for (const std::string& name : stage.after) size += rules::size_of(name);
  for (const Command& command : stage.commands) size += rules::size_of(command);
  return size;
}

std::string problem_of_commands(const std::string& what, const StageSpec& stage) {
  if (stage.commands.empty()) return rules::problem_of_command(what, stage.command);
  if (!stage.command.argv.empty() || !stage.command.shell.empty()) {
    return what +
           " has a command and a list of commands; beside a list, the command may only give the "
           "environment";
  }
  if (stage.commands.size() != stage.instances) {
    return what + " has " + std::to_string(stage.commands.size()) + " commands and " +
           std::to_string(stage.instances) + " instances; the two numbers must be equal";
  }
  if (auto problem = rules::problem_of_environment(what, stage.command); !problem.empty()) {
    return problem;
  }
  for (std::size_t i = 0; i < stage.commands.size(); ++i) {
    auto problem =
        rules::problem_of_command(what + ", command " + std::to_string(i), stage.commands[i]);
    if (!problem.empty()) return problem;
  }
  return {};
}

std::string problem_of_stage(const StageSpec& stage, std::size_t index) {
  auto id = rules::problem_of_id("the name of stage " + std::to_string(index + 1), stage.name);
  if (!id.empty()) return id;
  std::string what = "stage \"" + stage.name + "\"";
  if (stage.instances < 1 || stage.instances > instances_max) {
    return what + " has " + std::to_string(stage.instances) + " instances; 1 to " +
           std::to_string(instances_max) + " are right";
  }
  if (stage.attempts_max < 1 || stage.attempts_max > attempts_limit) {
    return what + " has attempts_max " + std::to_string(stage.attempts_max) + "; 1 to " +
           std::to_string(attempts_limit) + " are right";
  }
  if (auto problem = problem_of_commands(what, stage); !problem.empty()) return problem;
  if (auto problem = rules::problem_of_resources("the resources of " + what, stage.resources);
      !problem.empty()) {
    return problem;
  }
  return rules::problem_of_grace(what, stage.kill_grace);
}

// Names are unique; every `after` names another stage, and no stage waits for itself through
// others: stages are taken out one after another once all they wait for are out (Kahn 1962).
std::string problem_of_order(const std::vector<StageSpec>& stages) {
  std::map<std::string_view, std::size_t> index_of;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (!index_of.emplace(stages[i].name, i).second) {
      return "two stages are named \"" + stages[i].name + "\"; names must differ";
    }
  }
  std::vector<std::vector<std::size_t>> followers(stages.size());
  std::vector<std::size_t> waits(stages.size());
  for (std::size_t i = 0; i < stages.size(); ++i) {
    for (const std::string& name : stages[i].after) {
      auto before = index_of.find(name);
      if (before == index_of.end()) {
        return "stage \"" + stages[i].name + "\" comes after \"" + name.substr(0, 60) +
               "\", which is not a stage of this job";
      }
      followers[before->second].push_back(i);
      ++waits[i];
    }
  }
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (waits[i] == 0) ready.push_back(i);
  }
  for (std::size_t next = 0; next < ready.size(); ++next) {
    for (std::size_t follower : followers[ready[next]]) {
      if (--waits[follower] == 0) ready.push_back(follower);
    }
  }
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (waits[i] != 0) {
      return "stage \"" + stages[i].name +
             "\" waits for itself through its `after`; the order of stages must have no circle";
    }
  }
  return {};
}

}  // namespace

std::string_view to_string(JobState state) {
  switch (state) {
    case JobState::active: return "active";
    case JobState::stopping: return "stopping";
    case JobState::succeeded: return "succeeded";
    case JobState::failed: return "failed";
    case JobState::stopped: return "stopped";
  }
  return "unknown";
}

bool is_terminal(JobState state) {
  return state == JobState::succeeded || state == JobState::failed || state == JobState::stopped;
}

std::string problem_of(const JobSpec& job) {
  if (auto problem = rules::problem_of_id("the job's id", job.id.value()); !problem.empty()) {
    return problem;
  }
  if (auto problem = rules::problem_of_text("the job's name", job.name); !problem.empty()) {
    return problem;
  }
  if (job.stages.empty()) return "the job has no stage; give it at least one";
  if (job.stages.size() > stages_max) {
    return "the job has " + std::to_string(job.stages.size()) + " stages; the most is " +
           std::to_string(stages_max);
  }
  if (job.kind == JobKind::service && job.stages.size() != 1) {
    return "a service has exactly one stage; this one has " + std::to_string(job.stages.size());
  }
  if (job.kind == JobKind::service && !job.stages.front().after.empty()) {
    return "a service's stage has an `after`; it waits for nothing, leave it out";
  }
  std::size_t size = 64 + rules::size_of(job.id.value()) + rules::size_of(job.name);
  std::uint64_t tasks = 0;
  for (std::size_t i = 0; i < job.stages.size(); ++i) {
    if (auto problem = problem_of_stage(job.stages[i], i); !problem.empty()) return problem;
    if (job.id.value().size() + job.stages[i].name.size() > job_and_stage_length_max) {
      return "the job's id and the name of stage \"" + job.stages[i].name +
             "\" have over 200 characters together; shorten one, since tasks are named after both";
    }
    size += encoded_size(job.stages[i]);
    tasks += job.stages[i].instances;
  }
  if (tasks > job_tasks_max) {
    return "the job has " + std::to_string(tasks) + " tasks in all; the most is " +
           std::to_string(job_tasks_max);
  }
  if (auto problem = rules::problem_of_size("the job's spec", size); !problem.empty()) {
    return problem;
  }
  return problem_of_order(job.stages);
}

}  // namespace cluster
