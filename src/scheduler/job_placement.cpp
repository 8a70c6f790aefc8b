// Where pieces go: jobs take turns, oldest first; instances of a service go where fewest of them
// are, tasks of a batch where most cpus are free.
#include <algorithm>
#include <tuple>

#include "scheduler/job_core.hpp"
#include "scheduler/job_task.hpp"

namespace cluster::scheduler {

struct JobCore::Pool {
  AgentId agent;
  std::vector<OfferId> offers;
  Resources free;
  std::vector<TaskSpec> tasks;
  std::size_t bytes = 0;  // Of the tasks, about.
};

namespace {

std::size_t bytes_of(const TaskSpec& task) {
  std::size_t bytes = 512 + task.command.shell.size();
  for (const std::string& argument : task.command.argv) bytes += argument.size() + 16;
  for (const auto& [name, value] : task.command.environment)
    bytes += name.size() + value.size() + 32;
  return bytes;
}

std::uint32_t count_on(const StageBook& stage, const AgentId& agent) {
  const auto at = stage.on.find(agent);
  return at == stage.on.end() ? 0 : at->second;
}

}  // namespace

JobCore::Pools JobCore::make_pools() const {
  Pools pools;
  for (const auto& [id, offer] : offers_) {
    Pool& pool = pools[offer.agent];
    pool.agent = offer.agent;
    pool.offers.push_back(id);
    pool.free += offer.resources;
  }
  return pools;
}

// Active jobs with something ready, beginning after the one that was served last.
std::vector<JobOrder> JobCore::jobs_in_turn() const {
  std::vector<JobOrder> jobs;
  for (const auto& [order, book] : pieces_.jobs()) {
    const bool has_ready = std::any_of(book.stages.begin(), book.stages.end(),
                                       [](const StageBook& stage) { return !stage.ready.empty(); });
    if (book.active && has_ready) jobs.push_back(order);
  }
  std::rotate(jobs.begin(), std::upper_bound(jobs.begin(), jobs.end(), served_), jobs.end());
  return jobs;
}

void JobCore::place(Time now, JobEffects& effects) {
  spread_until_ = time_never;
  if (offers_.empty()) return;
  Pools pools = make_pools();
  std::vector<JobOrder> turn = jobs_in_turn();
  std::map<JobOrder, std::vector<bool>> full;  // By stage: what is left of it fits nowhere.
  while (!turn.empty()) {
    std::erase_if(
        turn, [&](const JobOrder& order) { return !place_one(now, order, full[order], pools); });
  }
  for (auto& [agent, pool] : pools) {
    if (pool.tasks.empty()) continue;
    counts_.placed += pool.tasks.size();
    for (OfferId id : pool.offers) offers_.erase(id);
    declined_ = true;  // The rest of the offer.
    effects.now.emplace_back(AcceptCall{pool.offers, std::move(pool.tasks), tuning_.refuse});
  }
  return_unused(effects);
}

// Places one piece of a job. False when none of it can be placed in this round any more.
bool JobCore::place_one(Time now, const JobOrder& order, std::vector<bool>& full, Pools& pools) {
  const JobBook& book = pieces_.jobs().at(order);
  const JobRecord& record = pieces_.record(order);
  full.resize(book.stages.size());
  for (std::uint32_t stage = 0; stage < book.stages.size(); ++stage) {
    const StageBook& entry = book.stages[stage];
    if (full[stage] || entry.ready.empty() || JobPieces::blocked_by(book, entry)) continue;
    const std::uint32_t index = *entry.ready.begin();
    const StageSpec& spec = record.spec.stages[stage];
    Pool* pool = choose(now, order, stage, pools);
    if (pool == nullptr) {
      full[stage] = true;
      continue;
    }
    const std::uint32_t attempt = record.tasks[stage][index].attempt + 1;
    TaskSpec task = task_of(record.spec, JobRef{order.job, stage, index, attempt});
    pieces_.launching({order.job, stage, index}, task.id, pool->agent, attempt, now);
    pool->free -= spec.resources;
    pool->bytes += bytes_of(task);
    pool->tasks.push_back(std::move(task));
    served_ = order;
    return true;
  }
  return false;
}

JobCore::Pool* JobCore::choose(Time now, const JobOrder& order, std::size_t number, Pools& pools) {
  const JobRecord& record = pieces_.record(order);
  const StageSpec& spec = record.spec.stages[number];
  const StageBook& stage = pieces_.jobs().at(order).stages[number];
  const bool is_service = record.spec.kind == JobKind::service;
  Pool* best = nullptr;
  std::tuple<std::uint32_t, Scalar, std::uint32_t> best_rank;  // The least is best.
  for (auto& [agent, pool] : pools) {
    if (!pool.free.contains(spec.resources)) continue;
    if (pool.tasks.size() >= tuning_.accept_tasks_max || pool.bytes >= tuning_.accept_bytes_max) {
      wanted_ = true;  // The rest of this offer could be used: ask for it again.
      continue;
    }
    const std::uint32_t count = count_on(stage, agent);
    const std::tuple rank{is_service ? count : 0, Scalar() - pool.free.cpus(), count};
    if (best != nullptr && !(rank < best_rank)) continue;
    best = &pool;
    best_rank = rank;
  }
  if (best == nullptr || !is_service) return best;
  if (count_on(stage, best->agent) <= fewest(stage, spec.resources)) return best;
  const Time until = pieces_.hold(order, number, now) + tuning_.spread_wait;
  if (now >= until) return best;
  spread_until_ = std::min(spread_until_, until);
  return nullptr;
}

// The fewest tasks of a stage on any agent that could hold one, were it empty.
std::uint32_t JobCore::fewest(const StageBook& stage, const Resources& need) const {
  std::uint32_t least = UINT32_MAX;
  for (const auto& [id, agent] : registry_.agents()) {
    if (agent.state != AgentRecord::State::registered || !agent.total.contains(need)) continue;
    least = std::min(least, count_on(stage, id));
  }
  return least;
}

// Offers are kept in hand only while an instance waits for a better one.
void JobCore::return_unused(JobEffects& effects) {
  if (offers_.empty() || spread_until_ != time_never) return;
  DeclineCall decline{.offers = {}, .refuse = tuning_.refuse};
  for (const auto& [id, offer] : offers_) decline.offers.push_back(id);
  offers_.clear();
  declined_ = true;
  effects.now.emplace_back(std::move(decline));
}

}  // namespace cluster::scheduler
