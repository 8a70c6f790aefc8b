// Why what waits waits, in words for a person.
#include <cstdio>

#include "scheduler/job_core.hpp"
#include "scheduler/job_task.hpp"

namespace cluster::scheduler {

namespace {

std::string seconds_of(Duration pause) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(pause.count()) / 1e6);
  return text;
}

std::string end_of(const Piece& piece, const JobTask& task) {
  if (!piece.refusal.empty()) return "its launch was refused: " + piece.refusal;
  if (!task.exit) return piece.quick_losses > 0 ? "it was lost" : "it could not start";
  if (task.exit->signal != 0) return "signal " + std::to_string(task.exit->signal);
  return "exit code " + std::to_string(task.exit->code);
}

}  // namespace

PendingPieces JobCore::pending(Time now, const JobId& only, std::size_t limit) const {
  PendingPieces result;
  for (const auto& [order, book] : pieces_.jobs()) {
    if (!book.active || (!only.empty() && only != order.job)) continue;
    const JobRecord& record = pieces_.record(order);
    for (std::uint32_t stage = 0; stage < book.stages.size(); ++stage) {
      const auto& pieces = book.stages[stage].pieces;
      std::string ready_why;  // The same for all ready pieces of a stage, and dear on many agents.
      for (std::uint32_t i = 0; i < pieces.size(); ++i) {
        const Piece& piece = pieces[i];
        if (piece.standing != Piece::Standing::ready &&
            piece.standing != Piece::Standing::resting &&
            piece.standing != Piece::Standing::launching) {
          continue;
        }
        if (++result.total > limit) continue;
        const JobTask& task = record.tasks[stage][i];
        wire::TaskRow row;
        row.job = JobRef{order.job, stage, i, task.attempt + 1};
        TaskSpec spec = task_of(record.spec, *row.job);
        row.key = {jobs_framework(), spec.id};
        row.name = std::move(spec.name);
        row.resources = std::move(spec.resources);
        row.status.task = spec.id;
        row.why = why(now, order, stage, piece, task, ready_why);
        result.rows.push_back(std::move(row));
      }
    }
  }
  return result;
}

std::string JobCore::why(Time now, const JobOrder& order, std::size_t stage, const Piece& piece,
                         const JobTask& task, std::string& ready_why) const {
  const JobBook& book = pieces_.jobs().at(order);
  const auto& specs = pieces_.record(order).spec.stages;
  if (const auto before = JobPieces::blocked_by(book, book.stages[stage])) {
    const StageBook& waited = book.stages[*before];
    return "waits for stage " + specs[*before].name + " (" + std::to_string(waited.left) + " of " +
           std::to_string(waited.pieces.size()) + " tasks left)";
  }
  if (piece.standing == Piece::Standing::launching) return "launching";
  if (piece.standing == Piece::Standing::resting) {
    const Duration left = std::max(piece.since - now, Duration::zero());
    return "starts again in " + seconds_of(left) + " after " + end_of(piece, task);
  }
  if (ready_why.empty()) ready_why = why_ready(specs[stage].resources);
  return ready_why;
}

std::string JobCore::why_ready(const Resources& need) const {
  const AgentRecord* largest = nullptr;
  bool fits = false;
  for (const auto& [id, agent] : registry_.agents()) {
    if (agent.state != AgentRecord::State::registered) continue;
    fits = fits || agent.total.contains(need);
    if (largest == nullptr || std::pair(agent.total.cpus(), agent.total.mem()) >
                                  std::pair(largest->total.cpus(), largest->total.mem())) {
      largest = &agent;
    }
  }
  if (largest == nullptr) return "no agents are registered";
  if (!fits) {
    return "needs " + need.to_string() + "; the largest agent has " + largest->total.to_string();
  }
  if (!connected_) return "the job scheduler is connecting to its master";
  return "no agent has that much free at present";
}

}  // namespace cluster::scheduler
