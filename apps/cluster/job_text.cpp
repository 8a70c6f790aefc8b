#include "job_text.hpp"

#include "text.hpp"

namespace cluster::app {

JobCount count_tasks(const JobRecord& job) {
  JobCount count;
  for (const auto& stage : job.tasks) {
    for (const JobTask& task : stage) {
      ++count.total;
      switch (task.state) {
        case JobTask::State::waiting: ++count.waiting; break;
        case JobTask::State::launched: ++count.launched; break;
        case JobTask::State::succeeded: ++count.succeeded; break;
        case JobTask::State::failed: ++count.failed; break;
      }
      count.launches += task.attempt;
      count.failures += task.failures;
      count.losses += task.losses;
    }
  }
  return count;
}

std::string progress_text(const JobRecord& job) {
  JobCount count = count_tasks(job);
  std::string text;
  if (job.spec.kind == JobKind::service) {
    text =
        std::to_string(count.launched) + " of " + count_of(count.total, "instance") + " launched";
  } else {
    text = std::to_string(count.succeeded) + " of " + count_of(count.total, "task") + " succeeded";
    if (count.launched > 0) text += ", " + std::to_string(count.launched) + " launched";
  }
  if (count.waiting > 0) text += ", " + std::to_string(count.waiting) + " waiting";
  if (count.failed > 0) text += ", " + std::to_string(count.failed) + " failed";
  if (count.failures > 0) text += "; " + count_of(count.failures, "failure");
  if (count.losses > 0) {
    text += "; " + std::to_string(count.losses) + (count.losses == 1 ? " loss" : " losses");
  }
  return text;
}

int exit_code_of(const JobRecord& job) {
  if (job.state == JobState::succeeded) return 0;
  int of_others = 0;  // Tasks that were killed because the job had failed, or was stopped.
  for (const auto& stage : job.tasks) {
    for (const JobTask& task : stage) {
      if (!task.exit) continue;
      int code = task.exit->signal != 0 ? 128 + task.exit->signal : task.exit->code;
      if (code == 0) continue;
      if (task.state == JobTask::State::failed) return code;
      if (of_others == 0) of_others = code;
    }
  }
  return of_others != 0 ? of_others : 1;
}

}  // namespace cluster::app
