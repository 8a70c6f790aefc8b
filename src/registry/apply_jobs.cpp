// A job's progress, kept in the same entry that launches or ends one of its tasks: there is no
// second book that could disagree.
//
//   piece:  waiting -> launched -> succeeded | failed | waiting again
//   job:    active -> succeeded                 every piece of a batch has succeeded
//           active -> stopping -> failed        a piece has failed for good, and none is launched
//           active -> stopping -> stopped       it was told to stop, and none is launched
#include "base/check.hpp"
#include "registry/apply.hpp"

namespace cluster {

void RegistryApply::change_job(const JobId& job, auto body) {
  change(state_.jobs_, job, [&](JobRecord& row) {
    body(row);
    row.revision = at_.value();
  });
}

std::string RegistryApply::problem_of_ref(const JobRef& ref) const {
  const JobRecord* job = state_.find(ref.job);
  if (job == nullptr) return "no such job is known";
  if (job->state != JobState::active) return "the job is " + std::string(to_string(job->state));
  if (ref.stage >= job->tasks.size() || ref.index >= job->tasks[ref.stage].size()) {
    return "the job has no such piece";
  }
  const JobTask& piece = job->tasks[ref.stage][ref.index];
  if (piece.state != JobTask::State::waiting) return "this piece of the job does not wait";
  if (ref.attempt == 0 || ref.attempt - 1 != piece.attempt) {
    return "the next attempt of this piece is another one";
  }
  return {};
}

void RegistryApply::piece_launched(const JobRef& ref, const TaskId& task) {
  JobRecord& job = *state_.jobs_.change(ref.job);
  JobTask& piece = job.tasks[ref.stage][ref.index];
  registry::subtract(state_.digest_, registry::row_of(ref.job, ref.stage, ref.index, piece));
  piece.state = JobTask::State::launched;
  piece.attempt = ref.attempt;
  piece.task = task;
  registry::add(state_.digest_, registry::row_of(ref.job, ref.stage, ref.index, piece));
  ++state_.job_counts_[ref.job].launched;
  change_job(ref.job, [](JobRecord&) {});
  tell(Kind::job_changed, ref.job);
}

namespace {

// The end of one piece. Ends count for and against a job only while it is active: what is killed
// because the job stops has not failed.
void end_piece(JobTask& piece, const TaskStatus& status, bool is_active, bool is_batch,
               std::uint32_t attempts_max) {
  piece.exit = status.exit;
  piece.ended_at = status.at;
  piece.state = JobTask::State::waiting;
  if (is_batch && status.state == TaskState::finished) piece.state = JobTask::State::succeeded;
  if (!is_active) return;
  if (status.state == TaskState::lost || status.state == TaskState::dropped) ++piece.losses;
  if (status.state == TaskState::failed || status.state == TaskState::error ||
      status.state == TaskState::killed) {
    ++piece.failures;
    if (is_batch && piece.failures >= attempts_max) piece.state = JobTask::State::failed;
  }
}

std::string why_failed(const StageSpec& stage, std::uint32_t index, const JobTask& piece,
                       const TaskStatus& status) {
  std::string text = "task " + std::to_string(index) + " of stage " + stage.name + " failed ";
  text += piece.failures == 1 ? "once" : std::to_string(piece.failures) + " times";
  text += piece.failures == 1 ? ": " : ", at last: ";
  if (status.exit && status.exit->signal != 0) {
    text += "signal " + std::to_string(status.exit->signal);
  } else if (status.exit) {
    text += "exit code " + std::to_string(status.exit->code);
  } else {
    text += to_string(status.state);
  }
  if (!status.reason.empty()) text += ", " + status.reason;
  if (!status.message.empty()) text += ": " + status.message;
  return text;
}

}  // namespace

void RegistryApply::piece_ended(const TaskRecord& task) {
  const JobRef& ref = *task.job;
  JobRecord* found = state_.jobs_.change(ref.job);
  CLUSTER_CHECK(found != nullptr, "a job outlives its launched tasks", ref.job);
  JobRecord& job = *found;
  JobTask& piece = job.tasks[ref.stage][ref.index];
  CLUSTER_CHECK(piece.state == JobTask::State::launched && piece.task == task.key.task,
                "a launched task is the one that its piece waits for", ref.job, task.key.task);
  const StageSpec& stage = job.spec.stages[ref.stage];

  registry::subtract(state_.digest_, registry::row_of(ref.job, ref.stage, ref.index, piece));
  end_piece(piece, task.status, job.state == JobState::active, job.spec.kind == JobKind::batch,
            stage.attempts_max);
  registry::add(state_.digest_, registry::row_of(ref.job, ref.stage, ref.index, piece));
  RegistryState::JobCounts& counts = state_.job_counts_[ref.job];
  --counts.launched;
  if (piece.state == JobTask::State::succeeded) --counts.open;

  change_job(ref.job, [&](JobRecord& row) {
    if (piece.state != JobTask::State::failed) return;
    row.state = JobState::stopping;
    row.message = why_failed(stage, ref.index, piece, task.status);
  });
  settle(ref.job, task.status.at);
  tell(Kind::job_changed, ref.job);
  trim_ended_jobs();
}

void RegistryApply::settle(const JobId& id, WallTime now) {
  const JobRecord& job = *state_.find(id);
  const RegistryState::JobCounts& counts = state_.job_counts_[id];
  JobState next = job.state;
  if (job.state == JobState::active && job.spec.kind == JobKind::batch && counts.open == 0) {
    next = JobState::succeeded;
  } else if (job.state == JobState::stopping && counts.launched == 0) {
    next = JobState::stopped;
    for (const auto& stage : job.tasks) {
      for (const JobTask& piece : stage) {
        if (piece.state == JobTask::State::failed) next = JobState::failed;
      }
    }
  }
  if (next == job.state) return;
  change(state_.jobs_, id, [&](JobRecord& row) {
    row.state = next;
    row.ended_at = now;
  });
  state_.ended_jobs_.emplace(now, id);
  state_.job_counts_.erase(id);
}

void RegistryApply::on(const SubmitJob& command) {
  const JobSpec& spec = command.job;
  if (std::string problem = problem_of(spec); !problem.empty()) {
    return refuse({.job = spec.id}, std::move(problem));
  }
  if (const JobRecord* known = state_.find(spec.id)) {
    if (known->spec != spec) {
      return refuse({.job = spec.id}, "a job with this id and another spec is known already");
    }
    return tell(Kind::job_submitted, spec.id);  // The same again is no error and no change.
  }
  JobRecord job{.spec = spec, .submitted_at = command.at, .revision = at_.value()};
  RegistryState::JobCounts& counts = state_.job_counts_[spec.id];
  registry::add(state_.digest_, registry::row_of(spec));
  for (const StageSpec& stage : spec.stages) {
    job.tasks.emplace_back(stage.instances);
    counts.open += stage.instances;
    for (std::size_t index = 0; index < stage.instances; ++index) {
      registry::add(state_.digest_,
                    registry::row_of(spec.id, job.tasks.size() - 1, index, JobTask()));
    }
  }
  insert(state_.jobs_, std::move(job));
  tell(Kind::job_submitted, spec.id);
}

void RegistryApply::on(const StopJob& command) {
  const JobRecord* known = state_.find(command.job);
  if (known == nullptr) return refuse({.job = command.job}, "no such job is known");
  const JobRecord& job = *known;
  if (is_terminal(job.state)) {
    return refuse({.job = command.job},
                  "the job has ended already: it " +
                      std::string(job.state == JobState::stopped ? "was " : "has ") +
                      std::string(to_string(job.state)));
  }
  if (job.state == JobState::active) {
    change_job(command.job, [&](JobRecord& row) {
      row.state = JobState::stopping;
      row.message = command.reason;
    });
    settle(command.job, command.at);
  }
  tell(Kind::job_changed, command.job);
  trim_ended_jobs();
}

void RegistryApply::trim_ended_jobs() {
  while (state_.ended_jobs_.size() > state_.limits_.ended_jobs_kept) {
    const JobRecord job = erase(state_.jobs_, state_.ended_jobs_.begin()->second);
    registry::subtract(state_.digest_, registry::row_of(job.spec));
    for (std::size_t stage = 0; stage < job.tasks.size(); ++stage) {
      for (std::size_t index = 0; index < job.tasks[stage].size(); ++index) {
        registry::subtract(state_.digest_,
                           registry::row_of(job.spec.id, stage, index, job.tasks[stage][index]));
      }
    }
    state_.ended_jobs_.erase(state_.ended_jobs_.begin());
  }
}

}  // namespace cluster
