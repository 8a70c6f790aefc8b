#include "wire/spec_codec.hpp"

#include "wire/common_codec.hpp"

namespace cluster::wire {
namespace {

namespace spec = schema::spec;

using Pairs = std::map<std::string, std::string>;

void write_command(spec::CommandInfo::Builder out, const Command& value) {
  out.setShell(!value.shell.empty());
  out.setValue(to_text(value.shell));
  auto arguments = out.initArguments(list_size(value.argv));
  for (unsigned i = 0; i < arguments.size(); ++i) arguments.set(i, to_text(value.argv[i]));
  auto variables = out.initEnvironment().initVariables(list_size(value.environment));
  unsigned i = 0;
  for (const auto& [name, content] : value.environment) {
    variables[i].setName(to_text(name));
    variables[i].setValue(to_text(content));
    ++i;
  }
}

Command read_command(Decoding& decoding, spec::CommandInfo::Reader in) {
  Command command;
  command.shell = from_text(in.getValue());
  if (!in.getShell() && !command.shell.empty()) {
    decoding.fail("a command has a shell line and says that it is none");
  }
  command.argv.reserve(in.getArguments().size());
  for (auto argument : in.getArguments()) command.argv.push_back(from_text(argument));
  for (auto variable : in.getEnvironment().getVariables()) {
    bool is_new =
        command.environment.emplace(from_text(variable.getName()), from_text(variable.getValue()))
            .second;
    if (!is_new) decoding.fail("a command sets an environment variable twice");
  }
  return command;
}

void write_grace(spec::KillPolicy::Builder out, Duration grace) {
  Duration kept = std::clamp(grace, -duration_max, duration_max);
  out.initGracePeriod().setNanoseconds(
      std::chrono::duration_cast<std::chrono::nanoseconds>(kept).count());
}

// Rounded towards zero; what makes no sense is kept for `problem_of` to explain.
Duration read_grace(spec::KillPolicy::Reader in) {
  auto grace = std::chrono::nanoseconds(in.getGracePeriod().getNanoseconds());
  return std::clamp(std::chrono::duration_cast<Duration>(grace), -duration_max, duration_max);
}

void write_stage(spec::StageInfo::Builder out, const StageSpec& value) {
  out.setName(to_text(value.name));
  auto after = out.initAfter(list_size(value.after));
  for (unsigned i = 0; i < after.size(); ++i) after.set(i, to_text(value.after[i]));
  write_command(out.initCommand(), value.command);
  auto commands = out.initCommands(list_size(value.commands));
  for (unsigned i = 0; i < commands.size(); ++i) write_command(commands[i], value.commands[i]);
  out.setInstances(value.instances);
  write_resources(value.resources, [&](unsigned n) { return out.initResources(n); });
  out.setAttemptsMax(value.attempts_max);
  write_grace(out.initKillPolicy(), value.kill_grace);
}

StageSpec read_stage(Decoding& decoding, spec::StageInfo::Reader in) {
  StageSpec stage;
  stage.name = from_text(in.getName());
  for (auto name : in.getAfter()) stage.after.push_back(from_text(name));
  stage.command = read_command(decoding, in.getCommand());
  stage.commands.reserve(in.getCommands().size());
  for (auto command : in.getCommands()) stage.commands.push_back(read_command(decoding, command));
  stage.instances = in.getInstances();
  stage.resources = read(decoding, in.getResources());
  stage.attempts_max = in.getAttemptsMax();
  stage.kill_grace = read_grace(in.getKillPolicy());
  return stage;
}

std::size_t encoded_size(const TaskSpec& task) {
  std::size_t size = 256 + rules::size_of(task.name) + rules::size_of(task.command) +
                     rules::size_of(task.resources);
  for (const auto& [key, value] : task.labels) {
    size += 16 + rules::size_of(key) + rules::size_of(value);
  }
  return size;
}

}  // namespace

void write(spec::TaskInfo::Builder out, const TaskSpec& value) {
  out.setTaskId(to_text(value.id.value()));
  out.setName(to_text(value.name));
  write_command(out.initCommand(), value.command);
  write_resources(value.resources, [&](unsigned n) { return out.initResources(n); });
  write_grace(out.initKillPolicy(), value.kill_grace);
  auto labels = out.initLabels().initLabels(list_size(value.labels));
  unsigned i = 0;
  for (const auto& [key, content] : value.labels) {
    labels[i].setKey(to_text(key));
    labels[i].setValue(to_text(content));
    ++i;
  }
  if (value.job) write(out.initJob(), *value.job);
}

// Ids are read as they are: `problem_of` says what is wrong with them.
TaskSpec read(Decoding& decoding, spec::TaskInfo::Reader in) {
  TaskSpec task;
  task.id = TaskId(from_text(in.getTaskId()));
  task.name = from_text(in.getName());
  task.command = read_command(decoding, in.getCommand());
  task.resources = read(decoding, in.getResources());
  task.kill_grace = read_grace(in.getKillPolicy());
  for (auto label : in.getLabels().getLabels()) {
    bool is_new =
        task.labels.emplace(from_text(label.getKey()), from_text(label.getValue())).second;
    if (!is_new) decoding.fail("a task has a label twice");
  }
  if (in.hasJob()) task.job = read(decoding, in.getJob());
  return task;
}

void write(spec::JobInfo::Builder out, const JobSpec& value) {
  out.setJobId(to_text(value.id.value()));
  out.setName(to_text(value.name));
  out.setKind(static_cast<spec::JobInfo::Kind>(value.kind));
  auto stages = out.initStages(list_size(value.stages));
  for (unsigned i = 0; i < stages.size(); ++i) write_stage(stages[i], value.stages[i]);
}

JobSpec read(Decoding& decoding, spec::JobInfo::Reader in) {
  JobSpec job;
  job.id = JobId(from_text(in.getJobId()));
  job.name = from_text(in.getName());
  job.kind = read_enum(decoding, in.getKind(), JobKind::service, "job kind");
  job.stages.reserve(in.getStages().size());
  for (auto stage : in.getStages()) job.stages.push_back(read_stage(decoding, stage));
  return job;
}

Bytes encode(const TaskSpec& task) {
  return encode_as<spec::TaskInfo>([&](auto root) { write(root, task); });
}

Result<TaskSpec> decode_task_spec(ByteView bytes) {
  return decode_as<spec::TaskInfo>(bytes, Errc::corrupt, "task spec",
                                   [](auto root, Decoding& d) { return read(d, root); });
}

Bytes encode(const JobSpec& job) {
  return encode_as<spec::JobInfo>([&](auto root) { write(root, job); });
}

Result<JobSpec> decode_job_spec(ByteView bytes) {
  return decode_as<spec::JobInfo>(bytes, Errc::corrupt, "job spec",
                                  [](auto root, Decoding& d) { return read(d, root); });
}

std::string problem_of(const TaskSpec& task) {
  if (auto problem = rules::problem_of_id("the task's id", task.id.value()); !problem.empty()) {
    return problem;
  }
  if (auto problem = rules::problem_of_text("the task's name", task.name); !problem.empty()) {
    return problem;
  }
  if (auto problem = rules::problem_of_command("the task", task.command); !problem.empty()) {
    return problem;
  }
  if (auto problem = rules::problem_of_resources("the task's resources", task.resources);
      !problem.empty()) {
    return problem;
  }
  if (auto problem = rules::problem_of_grace("the task", task.kill_grace); !problem.empty()) {
    return problem;
  }
  for (const auto& [key, value] : task.labels) {
    if (key.empty()) return "the task has a label without a name; name it or leave it out";
  }
  return rules::problem_of_size("the task's spec", encoded_size(task));
}

}  // namespace cluster::wire
