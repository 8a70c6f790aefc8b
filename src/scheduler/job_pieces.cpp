#include "scheduler/job_pieces.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace cluster::scheduler {

namespace {

constexpr Duration quick_run_max = std::chrono::seconds(10);
constexpr Duration rest_first = std::chrono::milliseconds(200);
constexpr Duration rest_max = std::chrono::seconds(10);
constexpr Duration answer_max = std::chrono::seconds(10);  // To a launch; see `wake`.

using Standing = Piece::Standing;

Duration rest_of(std::uint32_t ends_in_a_row) {
  if (ends_in_a_row == 0) return Duration::zero();
  Duration pause = rest_first;
  for (std::uint32_t i = 1; i < ends_in_a_row && pause < rest_max; ++i) pause *= 2;
  return std::min(pause, rest_max);
}

// The first of a row is free: what died with its agent did nothing wrong.
Duration rest_after_loss(std::uint32_t losses_in_a_row) {
  return rest_of(std::max(losses_in_a_row, 1u) - 1);
}

}  // namespace

FrameworkId jobs_framework() { return FrameworkId("jobs"); }

JobPieces::JobPieces(const RegistryState& registry, Time now, WallTime wall) : registry_(registry) {
  for (const auto& [id, record] : registry.jobs()) {
    if (!is_terminal(record.state)) load(record, now, wall);
  }
}

void JobPieces::on(const RegistryEvent& event, Time now, WallTime wall) {
  using Kind = RegistryEvent::Kind;
  switch (event.kind) {
    case Kind::job_submitted:
    case Kind::job_changed: return sync(event.job, now, wall);
    case Kind::task_launched:
    case Kind::task_ended: {
      const auto task = registry_.tasks().find(event.task);
      if (task == registry_.tasks().end()) return reload(event.job, now, wall);
      if (!task->second.job) return;
      const JobRef& ref = *task->second.job;
      return refresh({ref.job, ref.stage, ref.index}, now, wall);
    }
    case Kind::refused:
      if (event.task.framework == jobs_framework()) {
        refused(event.task.task, false, event.message, now);
      }
      return;
    case Kind::agent_registered:
    case Kind::agent_lost:
    case Kind::framework_registered:
    case Kind::framework_removed:
    case Kind::task_kill_requested:
    case Kind::task_acknowledged:
    case Kind::format_raised: return;
  }
}

std::map<JobOrder, JobBook>::iterator JobPieces::find(const JobId& id) {
  const auto order = orders_.find(id);
  return order == orders_.end() ? jobs_.end() : jobs_.find(order->second);
}

void JobPieces::sync(const JobId& id, Time now, WallTime wall) {
  const auto record = registry_.jobs().find(id);
  const auto book = find(id);
  const bool unfinished = record != registry_.jobs().end() && !is_terminal(record->second.state);
  if (!unfinished) {
    if (book != jobs_.end()) drop(book);
    return;
  }
  if (book == jobs_.end()) return load(record->second, now, wall);
  const bool active = record->second.state == JobState::active;
  if (active == book->second.active) return;
  book->second.active = active;
  stopping_ += active ? 0 : 1;
  kills_due_ = true;
  for (std::uint32_t stage = 0; stage < book->second.stages.size(); ++stage) {
    for (std::uint32_t i = 0; i < book->second.stages[stage].pieces.size(); ++i) {
      place({id, stage, i}, book->second, record->second, false, now, wall);
    }
  }
}

// For what can't be followed piece by piece: an end whose record is gone in the same entry.
void JobPieces::reload(const JobId& id, Time now, WallTime wall) {
  if (const auto book = find(id); book != jobs_.end()) drop(book);
  sync(id, now, wall);
}

void JobPieces::load(const JobRecord& record, Time now, WallTime wall) {
  const JobId& id = record.spec.id;
  const JobOrder order{record.submitted_at, id};
  JobBook& book = jobs_[order];
  orders_[id] = order;
  book.active = record.state == JobState::active;
  if (!book.active) ++stopping_;
  book.stages.resize(record.tasks.size());
  const auto& specs = record.spec.stages;
  for (std::uint32_t stage = 0; stage < book.stages.size(); ++stage) {
    StageBook& entry = book.stages[stage];
    entry.pieces.resize(record.tasks[stage].size());
    entry.left = entry.pieces.size();
    for (const std::string& name : specs[stage].after) {
      const auto at = std::find_if(specs.begin(), specs.end(),
                                   [&](const StageSpec& spec) { return spec.name == name; });
      if (at != specs.end()) entry.after.push_back(static_cast<std::size_t>(at - specs.begin()));
    }
    for (std::uint32_t i = 0; i < entry.pieces.size(); ++i) {
      place({id, stage, i}, book, record, true, now, wall);
    }
  }
  if (!book.active) kills_due_ = true;
}

void JobPieces::drop(std::map<JobOrder, JobBook>::iterator at) {
  JobBook& book = at->second;
  const JobId id = at->first.job;
  for (std::uint32_t stage = 0; stage < book.stages.size(); ++stage) {
    for (std::uint32_t i = 0; i < book.stages[stage].pieces.size(); ++i)
      leave({id, stage, i}, book);
  }
  if (!book.active) --stopping_;
  orders_.erase(id);
  jobs_.erase(at);
}

void JobPieces::refresh(const PieceRef& ref, Time now, WallTime wall) {
  const auto book = find(ref.job);
  const auto record = registry_.jobs().find(ref.job);
  if (book == jobs_.end() || record == registry_.jobs().end()) return;
  place(ref, book->second, record->second, false, now, wall);
}

// Puts a piece where the registry says that it stands.
void JobPieces::place(const PieceRef& ref, JobBook& book, const JobRecord& record, bool loading,
                      Time now, WallTime wall) {
  CLUSTER_CHECK(ref.stage < book.stages.size(), "a job's stages never change", ref.job);
  CLUSTER_CHECK(ref.index < book.stages[ref.stage].pieces.size(), "nor do its pieces", ref.job);
  const JobTask& task = record.tasks[ref.stage][ref.index];
  Piece& piece = book.stages[ref.stage].pieces[ref.index];
  const bool waiting = task.state == JobTask::State::waiting;
  if (waiting && piece.standing == Standing::launching && task.attempt < piece.attempt) return;
  if (waiting && book.active && task.attempt == piece.attempt &&
      (piece.standing == Standing::ready || piece.standing == Standing::resting)) {
    return;
  }
  const bool has_run = task.attempt > 0;
  leave(ref, book);
  piece.attempt = task.attempt;
  switch (task.state) {
    case JobTask::State::succeeded: enter(ref, book, Standing::succeeded, now); break;
    case JobTask::State::failed: enter(ref, book, Standing::idle, now); break;
    case JobTask::State::launched: {
      const auto launched = registry_.tasks().find(TaskKey{jobs_framework(), task.task});
      if (launched != registry_.tasks().end()) piece.agent = launched->second.agent;
      piece.refusals = 0;
      piece.refusal.clear();
      enter(ref, book, Standing::launched, now);
      if (!book.active) kills_due_ = true;
      break;
    }
    case JobTask::State::waiting: {
      if (!book.active) {
        enter(ref, book, Standing::idle, now);
        break;
      }
      const auto pause = has_run ? rest_after(piece, task, loading) : Duration::zero();
      const auto past = std::chrono::duration_cast<Duration>(wall - task.ended_at);
      rest(ref, book, pause - std::clamp(past, Duration::zero(), pause), now);
      break;
    }
  }
  piece.losses = task.losses;
}

// Counts the end that the registry shows into the piece's rows of bad luck. A new leader does not
// know them: it takes every end so far that was no loss for a quick one, which at worst makes the
// piece rest ten seconds once.
Duration JobPieces::rest_after(Piece& piece, const JobTask& task, bool loading) const {
  bool quick = true;
  const auto record = registry_.tasks().find(TaskKey{jobs_framework(), task.task});
  const bool is_known = record != registry_.tasks().end();
  if (is_known) quick = task.ended_at - record->second.launched_at < quick_run_max;
  const bool lost = loading ? !task.exit && task.losses > 0 : task.losses > piece.losses;
  if (loading) {
    const std::uint32_t ends = task.attempt - std::min(task.attempt, task.losses);
    piece.quick_failures = quick ? ends : 0;
    return lost ? Duration::zero() : rest_of(piece.quick_failures);
  }
  if (lost) {
    piece.quick_losses = quick ? piece.quick_losses + 1 : 0;
    return rest_after_loss(piece.quick_losses);
  }
  piece.quick_losses = 0;
  piece.quick_failures = quick ? piece.quick_failures + 1 : 0;
  return rest_of(piece.quick_failures);
}

void JobPieces::rest(const PieceRef& ref, JobBook& book, Duration pause, Time now) {
  if (pause <= Duration::zero()) return enter(ref, book, Standing::ready, now);
  enter(ref, book, Standing::resting, now + pause);
}

void JobPieces::enter(const PieceRef& ref, JobBook& book, Standing standing, Time since) {
  StageBook& stage = book.stages[ref.stage];
  Piece& piece = stage.pieces[ref.index];
  piece.standing = standing;
  piece.since = since;
  switch (standing) {
    case Standing::idle: break;
    case Standing::ready:
      stage.ready.insert(ref.index);
      news_ = true;
      break;
    case Standing::resting: rests_.emplace(since, ref); break;
    case Standing::launching: rests_.emplace(since, ref); [[fallthrough]];
    case Standing::launched: ++stage.on[piece.agent]; break;
    case Standing::succeeded:
      if (--stage.left == 0) news_ = true;
      break;
  }
}

void JobPieces::leave(const PieceRef& ref, JobBook& book) {
  StageBook& stage = book.stages[ref.stage];
  Piece& piece = stage.pieces[ref.index];
  switch (piece.standing) {
    case Standing::idle: break;
    case Standing::ready:
      stage.ready.erase(ref.index);
      if (stage.ready.empty()) stage.held_since.reset();
      break;
    case Standing::resting: rests_.erase({piece.since, ref}); break;
    case Standing::launching:
    case Standing::launched: {
      const auto count = stage.on.find(piece.agent);
      if (--count->second == 0) stage.on.erase(count);
      if (piece.standing == Standing::launching) {
        rests_.erase({piece.since, ref});
        launching_.erase(piece.task);
      }
      piece.agent = AgentId();
      break;
    }
    case Standing::succeeded: ++stage.left; break;
  }
  piece.standing = Standing::idle;
}

void JobPieces::launching(const PieceRef& ref, const TaskId& task, const AgentId& agent,
                          std::uint32_t attempt, Time now) {
  const auto book = find(ref.job);
  CLUSTER_CHECK(book != jobs_.end(), "only a piece of a known job is launched", ref.job);
  leave(ref, book->second);
  Piece& piece = book->second.stages[ref.stage].pieces[ref.index];
  piece.agent = agent;
  piece.task = task;
  piece.attempt = attempt;
  enter(ref, book->second, Standing::launching, now + answer_max);
  launching_[task] = ref;
}

void JobPieces::refused(const TaskId& task, bool is_loss, const std::string& why, Time now) {
  const auto at = launching_.find(task);
  if (at == launching_.end()) return;
  const PieceRef ref = at->second;
  const auto book = find(ref.job);
  leave(ref, book->second);
  Piece& piece = book->second.stages[ref.stage].pieces[ref.index];
  --piece.attempt;
  ++piece.refusals;
  piece.refusal = why;
  if (!book->second.active) return;
  rest(ref, book->second, is_loss ? rest_after_loss(piece.refusals) : rest_of(piece.refusals), now);
}

void JobPieces::forget_launching(Time now) {
  for (const auto& [task, ref] : std::exchange(launching_, {})) {
    const auto book = find(ref.job);
    leave(ref, book->second);
    --book->second.stages[ref.stage].pieces[ref.index].attempt;
    if (book->second.active) enter(ref, book->second, Standing::ready, now);
  }
}

Time JobPieces::hold(const JobOrder& order, std::size_t stage, Time now) {
  auto& since = jobs_.at(order).stages[stage].held_since;
  if (!since) since = now;
  return *since;
}

// A launch that nobody answers is tried again as the same attempt, which the registry takes once:
// a master refuses some calls without naming the task.
void JobPieces::wake(Time now) {
  while (!rests_.empty() && rests_.begin()->first <= now) {
    const PieceRef ref = rests_.begin()->second;
    const auto book = find(ref.job);
    const Piece& piece = book->second.stages[ref.stage].pieces[ref.index];
    if (piece.standing == Standing::launching) {
      refused(TaskId(piece.task), true, "the master did not answer", now);
      continue;
    }
    leave(ref, book->second);
    enter(ref, book->second, Standing::ready, now);
  }
}

Time JobPieces::next_wake() const { return rests_.empty() ? time_never : rests_.begin()->first; }

std::optional<std::size_t> JobPieces::blocked_by(const JobBook& book, const StageBook& stage) {
  for (std::size_t before : stage.after) {
    if (book.stages[before].left > 0) return before;
  }
  return std::nullopt;
}

bool JobPieces::has_demand() const {
  for (const auto& [order, book] : jobs_) {
    if (!book.active) continue;
    for (const StageBook& stage : book.stages) {
      if (!stage.ready.empty() && !blocked_by(book, stage)) return true;
    }
  }
  return false;
}

std::vector<TaskId> JobPieces::tasks_to_kill() const {
  std::vector<TaskId> tasks;
  for (const auto& [order, book] : jobs_) {
    if (book.active) continue;
    for (const auto& stage : record(order).tasks) {
      for (const JobTask& task : stage) {
        if (task.state != JobTask::State::launched) continue;
        const auto launched = registry_.tasks().find(TaskKey{jobs_framework(), task.task});
        if (launched != registry_.tasks().end() && !launched->second.kill_requested) {
          tasks.push_back(task.task);
        }
      }
    }
  }
  return tasks;
}

}  // namespace cluster::scheduler
