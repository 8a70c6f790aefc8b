// The job scheduler's core: keeps services running and carries batches to their end, by placing
// what waits in the registry onto offers. It commits nothing itself: a launch counts once the
// registry shows it, so a new leader's core goes on from the same state.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/logger.hpp"
#include "cluster/metrics.hpp"
#include "cluster/registry.hpp"
#include "scheduler/client_core.hpp"
#include "scheduler/job_pieces.hpp"
#include "wire/admin_messages.hpp"

namespace cluster::scheduler {

struct JobTuning {
  Duration refuse = std::chrono::minutes(10);  // Of what is declined: `revive` ends it.
  Duration revive_interval = std::chrono::milliseconds(200);  // At least, between two.
  Duration kill_interval = std::chrono::seconds(2);           // Between repeats.
  // How long an instance of a service waits for an agent that has fewer of them.
  Duration spread_wait = std::chrono::seconds(1);
  std::size_t accept_tasks_max = 1000;
  std::size_t accept_bytes_max = 8 << 20;
};

// What is waited for, and how much of it there is in all.
struct PendingPieces {
  std::vector<wire::TaskRow> rows;
  std::size_t total = 0;
};

// Calls for the scheduler client, to be made at once and in order.
struct JobEffects {
  std::vector<ClientCall> now;
};

class JobCore {
 public:
  // `registry` outlives this; it is read at every input, and shows what `on(events)` tells.
  JobCore(const RegistryState& registry, Time now, WallTime wall, Logger logger,
          JobTuning tuning = {});

  // From the scheduler client; `TellError` and `TellEnded` mean nothing here.
  void on(Time now, WallTime wall, const ClientTell&, JobEffects&);
  // After each applied entry.
  void on(Time now, WallTime wall, const std::vector<RegistryEvent>&, JobEffects&);
  void on_time(Time now, JobEffects&);
  Time deadline() const;

  // A row for each piece that is to be launched and is not, of one job or of all, with the reason
  // in `why`; the first `limit` of them.
  PendingPieces pending(Time now, const JobId& only = {}, std::size_t limit = 1000) const;

  Metrics metrics() const;

 private:
  struct Pool;  // What one agent offers at this moment, and what has been placed on it.
  using Pools = std::map<AgentId, Pool>;

  void take_update(Time now, const TaskStatus&);
  void settle(Time now, JobEffects&);

  // job_placement.cpp
  void place(Time now, JobEffects&);
  Pools make_pools() const;
  std::vector<JobOrder> jobs_in_turn() const;
  bool place_one(Time now, const JobOrder&, std::vector<bool>& full, Pools&);
  Pool* choose(Time now, const JobOrder&, std::size_t stage, Pools&);
  std::uint32_t fewest(const StageBook&, const Resources& need) const;
  void return_unused(JobEffects&);
  void adjust_demand(Time now, JobEffects&);
  void kill_stopping(Time now, JobEffects&);

  // job_pending.cpp
  std::string why(Time now, const JobOrder&, std::size_t stage, const Piece&, const JobTask&,
                  std::string& ready_why) const;
  std::string why_ready(const Resources& need) const;

  const RegistryState& registry_;
  Logger logger_;
  JobTuning tuning_;
  JobPieces pieces_;
  bool connected_ = false;
  std::map<OfferId, SchedulerOffer> offers_;
  JobOrder served_;  // The job that was served last: the next one's turn comes first.
  std::optional<bool> suppressed_;  // What the master was told; none: nothing in this session.
  bool declined_ = false;           // Something was refused since the last revive.
  bool wanted_ = true;              // Pieces appeared since, which may fit what was refused.
  Time revive_from_{};
  Time spread_until_ = time_never;  // When the first instance stops waiting for a better agent.
  Time kill_at_ = time_never;

  struct Counts {
    std::uint64_t placed = 0;
    std::uint64_t refused = 0;
    std::uint64_t kills = 0;
  } counts_;
};

}  // namespace cluster::scheduler
