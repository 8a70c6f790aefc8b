// The job scheduler's book: where each piece of each unfinished job stands, indexed so that an
// event costs what it changed and not what the job is large. Everything here follows from the
// registry but launches that are on their way and the lengths of rests; a new leader makes its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/registry.hpp"

namespace cluster::scheduler {

// The one framework that runs all jobs, whoever leads.
FrameworkId jobs_framework();

// Jobs in the order of their age.
struct JobOrder {
  WallTime submitted{};
  JobId job;
  friend bool operator==(const JobOrder&, const JobOrder&) = default;
  friend auto operator<=>(const JobOrder&, const JobOrder&) = default;
};

struct PieceRef {
  JobId job;
  std::uint32_t stage = 0;
  std::uint32_t index = 0;
  friend bool operator==(const PieceRef&, const PieceRef&) = default;
  friend auto operator<=>(const PieceRef&, const PieceRef&) = default;
};

struct Piece {
  enum class Standing : std::uint8_t {
    idle,       // Its job is being stopped, or it has failed for good.
    ready,      // To be launched as soon as its stage may begin and there is room.
    resting,    // To be launched again, but not yet.
    launching,  // Accepted on an offer; the registry has not heard of it.
    launched,
    succeeded,
  };

  Standing standing = Standing::idle;
  Time since{};                      // Ready: since when. Resting, launching: until when.
  std::uint32_t attempt = 0;         // Launching, launched: which. Otherwise the last one.
  std::uint32_t losses = 0;          // As the registry had it when last looked at.
  std::uint32_t quick_failures = 0;  // In a row.
  std::uint32_t quick_losses = 0;    // In a row.
  std::uint32_t refusals = 0;        // Launches that never were, in a row.
  std::string refusal;               // What the last of them said.
  AgentId agent;                     // Launching, launched.
  TaskId task;                       // Launching.
};

struct StageBook {
  std::vector<Piece> pieces;
  std::vector<std::size_t> after;  // Stages of the same job.
  std::set<std::uint32_t> ready;
  std::optional<Time> held_since;  // An offer was let wait for a better one; until all are placed.
  std::size_t left = 0;            // Pieces that have not succeeded.
  std::map<AgentId, std::uint32_t> on;  // How many are launching or launched on each agent.
};

struct JobBook {
  bool active = true;  // Else stopping.
  std::vector<StageBook> stages;
};

class JobPieces {
 public:
  // `registry` outlives this and is read at every call.
  JobPieces(const RegistryState& registry, Time now, WallTime wall);

  void on(const RegistryEvent&, Time now, WallTime wall);

  void launching(const PieceRef&, const TaskId&, const AgentId&, std::uint32_t attempt, Time now);
  // The launch of `task` was refused or lost before the registry knew of it. Nothing when it is not
  // on its way.
  void refused(const TaskId& task, bool is_loss, const std::string& why, Time now);
  // What was on its way has arrived in the registry or never will.
  void forget_launching(Time now);

  // A ready piece of this stage could be placed and waits for a better place. Since when.
  Time hold(const JobOrder&, std::size_t stage, Time now);

  void wake(Time now);  // Ends the rests, and the waits for an answer, that are over.
  Time next_wake() const;

  const std::map<JobOrder, JobBook>& jobs() const { return jobs_; }
  const JobRecord& record(const JobOrder& order) const { return registry_.jobs().at(order.job); }

  // The first stage that `stage` still waits for.
  static std::optional<std::size_t> blocked_by(const JobBook&, const StageBook& stage);
  bool has_demand() const;  // Some piece could be launched now, given room.

  // Whether a piece has become ready, or a stage free to begin, since this was last asked.
  bool take_news() { return std::exchange(news_, false); }
  // Whether tasks may have appeared that are to be killed, since this was last asked.
  bool take_kills_due() { return std::exchange(kills_due_, false); }
  // Launched tasks of stopping jobs whose kill the registry does not know of.
  std::vector<TaskId> tasks_to_kill() const;
  bool has_stopping() const { return stopping_ > 0; }

 private:
  void sync(const JobId&, Time now, WallTime wall);
  void reload(const JobId&, Time now, WallTime wall);
  void load(const JobRecord&, Time now, WallTime wall);
  void drop(std::map<JobOrder, JobBook>::iterator);
  void refresh(const PieceRef&, Time now, WallTime wall);
  void place(const PieceRef&, JobBook&, const JobRecord&, bool loading, Time now, WallTime wall);
  Duration rest_after(Piece&, const JobTask&, bool loading) const;
  void enter(const PieceRef&, JobBook&, Piece::Standing, Time since);
  void leave(const PieceRef&, JobBook&);
  void rest(const PieceRef&, JobBook&, Duration pause, Time now);
  std::map<JobOrder, JobBook>::iterator find(const JobId&);

  const RegistryState& registry_;
  std::map<JobOrder, JobBook> jobs_;
  std::map<JobId, JobOrder> orders_;
  std::set<std::pair<Time, PieceRef>> rests_;
  std::map<TaskId, PieceRef> launching_;
  std::size_t stopping_ = 0;
  bool news_ = false;
  bool kills_due_ = false;
};

}  // namespace cluster::scheduler
