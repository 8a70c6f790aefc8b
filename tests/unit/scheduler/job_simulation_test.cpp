// Jobs in a small seeded world: a model of master and agents that commits late, loses agents, drops
// sessions and fails over at any moment. What must hold, holds after every entry.
#include <functional>
#include <map>

#include "base/random.hpp"
#include "tests/unit/scheduler/job_world.hpp"

namespace cluster::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct SimulatedAgent {
  Resources total;
  Resources refused;  // What the framework would not have; empty: nothing.
  bool is_refused = false;
  std::optional<OfferId> offer;
  Resources offered;
  bool registered = false;
};

class JobSimulation {
 public:
  explicit JobSimulation(std::uint64_t seed) : random_(seed) {
    commit(RegisterFramework{{.id = jobs_framework(), .name = "jobs"}});
    for (int i = 0; i < 4; ++i) {
      const AgentId id("a" + std::to_string(i));
      agents_[id].total = amount(i == 0 ? "cpus:2;mem:1024" : "cpus:4;mem:4096");
      register_agent(id);
    }
    lead();
  }

  void submit(JobSpec job) {
    REQUIRE(problem_of(job).empty());
    wall_ += milliseconds(1);
    commit(SubmitJob{std::move(job), wall_});
  }

  // Runs until `done`, or for so long. Returns whether it was done.
  bool run(Duration limit, const std::function<bool()>& done) {
    const Time end = now_ + limit;
    while (!done() && now_ < end) step(end);
    return done();
  }

  void cause_trouble_until(Time end) { trouble_until_ = end; }
  Time now() const { return now_; }
  const RegistryState& state() const { return state_; }

  std::size_t open_tasks() const {
    std::size_t open = 0;
    for (const auto& [key, task] : state_.tasks()) open += is_terminal(task.status.state) ? 0 : 1;
    return open;
  }

  // How often each piece was recorded as finished.
  std::map<PieceRef, int> successes;
  int failovers = 0;
  int losses = 0;
  int dropped_sessions = 0;
  int launches = 0;

 private:
  void at(Duration later, std::function<void()> what) {
    events_.emplace(now_ + later, std::move(what));
  }
  Duration between(int low_ms, int high_ms) {
    return milliseconds(
        random_.between(static_cast<std::uint64_t>(low_ms), static_cast<std::uint64_t>(high_ms)));
  }

  void step(Time end) {
    Time next = end;
    if (!events_.empty()) next = std::min(next, events_.begin()->first);
    if (core_) next = std::min(next, core_->deadline());
    next = std::min(next, now_ + milliseconds(50));
    if (next > now_) {
      wall_ += std::chrono::duration_cast<milliseconds>(next - now_);
      now_ = next;
    }
    while (!events_.empty() && events_.begin()->first <= now_) {
      auto what = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      what();
    }
    if (core_) {
      core_->on_time(now_, effects_);
      perform();
    }
    if (now_ < trouble_until_) trouble();
    make_offers();
  }

  void trouble() {
    if (random_.chance(1, 200)) fail_over();
    if (random_.chance(1, 200)) break_session();
    if (random_.chance(1, 150)) lose_agent();
  }

  // The leader: commits take a while; those that had not begun to be chosen die with it.
  void propose(RegistryCommand command, std::uint64_t way = 0) {
    const auto term = term_;
    const bool survives = random_.chance(1, 2);
    last_commit_ = std::max(last_commit_, now_ + between(1, 30));
    at(last_commit_ - now_, [this, term, survives, way, command = std::move(command)] {
      on_way_.erase(way);
      if (term == term_ || (survives && term + 1 == term_ && !core_)) commit(command);
    });
  }

  void commit(const RegistryCommand& command) {
    position_ = position_.next();
    const auto events = state_.apply(position_, command);
    for (const RegistryEvent& event : events) react(event);
    check();
    if (!core_) return;
    core_->on(now_, wall_, events, effects_);
    perform();
  }

  void react(const RegistryEvent& event) {
    const auto task = state_.tasks().find(event.task);
    if (event.kind == RegistryEvent::Kind::task_launched) {
      ++launches;
      at(between(20, 4000), [this, key = event.task] { end(key, false); });
    } else if (event.kind == RegistryEvent::Kind::task_kill_requested) {
      at(between(1, 500), [this, key = event.task] { end(key, true); });
    } else if (event.kind == RegistryEvent::Kind::task_ended) {
      const JobRef& ref = *task->second.job;
      if (task->second.status.state == TaskState::finished) {
        ++successes[{ref.job, ref.stage, ref.index}];
      }
      at(between(1, 100), [this, key = event.task] { commit(AcknowledgeTask{key}); });
    }
  }

  // The agent reports an end, until the registry has it.
  void end(const TaskKey& key, bool killed) {
    const auto task = state_.tasks().find(key);
    if (task == state_.tasks().end() || is_terminal(task->second.status.state)) return;
    if (!core_) return at(between(100, 200), [this, key, killed] { end(key, killed); });
    const bool failed = now_ < trouble_until_ && random_.chance(1, 6);
    const JobId& job = task->second.job->job;
    const bool is_service = state_.jobs().at(job).spec.kind == JobKind::service;
    if (is_service && !killed && !failed) return;  // It runs on.
    TaskStatus status{.task = key.task, .sequence = 3, .at = wall_};
    status.state = killed ? TaskState::killed : failed ? TaskState::failed : TaskState::finished;
    status.exit = TaskExit{failed ? 1 : 0, killed ? 15 : 0};
    commit(EndTask{key, status});
  }

  void register_agent(const AgentId& id) {
    SimulatedAgent& agent = agents_[id];
    agent.registered = true;
    agent.is_refused = false;
    commit(RegisterAgent{{.id = id, .hostname = id.value(), .total = agent.total}});
  }

  void lose_agent() {
    if (!core_) return;
    auto victim = agents_.begin();
    std::advance(victim, static_cast<std::ptrdiff_t>(random_.below(agents_.size())));
    if (!victim->second.registered) return;
    ++losses;
    victim->second.registered = false;
    if (victim->second.offer) tell(TellRescind{*std::exchange(victim->second.offer, {})});
    commit(LoseAgent{victim->first, "silent", wall_});
    at(between(500, 5000), [this, id = victim->first] { register_agent(id); });
  }

  void fail_over() {
    if (!core_) return;
    ++failovers;
    core_.reset();
    connected_ = false;
    effects_.now.clear();
    ++term_;
    at(between(100, 1500), [this] { lead(); });
  }

  void lead() {
    ++term_;
    on_way_.clear();
    last_commit_ = now_;
    core_.emplace(state_, now_, wall_, Logger());
    at(between(5, 50), [this, term = term_] {
      if (term == term_) subscribe();
    });
  }

  void subscribe() {
    connected_ = true;
    suppressed_ = false;
    for (auto& [id, agent] : agents_) {
      agent.offer.reset();
      agent.is_refused = false;
    }
    tell(TellSubscribed{jobs_framework(), true});
  }

  void break_session() {
    if (!connected_) return;
    ++dropped_sessions;
    connected_ = false;
    for (auto& [id, agent] : agents_) agent.offer.reset();
    tell(TellDisconnected{Error{Errc::unreachable, "broken"}});
    at(between(5, 500), [this, term = term_] {
      if (term == term_) subscribe();
    });
  }

  void tell(const ClientTell& news) {
    if (!core_) return;
    core_->on(now_, wall_, news, effects_);
    perform();
  }

  Resources free_on(const AgentId& id) const {
    Resources free = agents_.at(id).total;
    for (const auto& [key, task] : state_.tasks()) {
      if (task.agent == id && !is_terminal(task.status.state)) free -= task.resources;
    }
    for (const auto& [number, way] : on_way_) {
      if (way.first == id) free -= way.second;
    }
    return free;
  }

  void make_offers() {
    if (!connected_ || suppressed_) return;
    TellOffers news;
    for (auto& [id, agent] : agents_) {
      if (!agent.registered || agent.offer) continue;
      const Resources free = free_on(id);
      if (free.empty() || (agent.is_refused && agent.refused.contains(free))) continue;
      agent.offer = OfferId(++offers_);
      agent.offered = free;
      news.offers.push_back({*agent.offer, id, id.value(), free});
    }
    if (!news.offers.empty()) tell(news);
  }

  void perform() {
    if (performing_) return;
    performing_ = true;
    while (!effects_.now.empty() && core_) {
      for (const ClientCall& call : std::exchange(effects_.now, {})) {
        if (connected_) perform(call);
      }
    }
    performing_ = false;
  }

  void perform(const ClientCall& call) {
    if (const auto* accept = std::get_if<AcceptCall>(&call)) {
      take_accept(*accept);
    } else if (const auto* decline = std::get_if<DeclineCall>(&call)) {
      for (OfferId id : decline->offers) {
        if (auto agent = take_offer(id)) refuse(*agent, agents_[*agent].offered);
      }
    } else if (std::holds_alternative<SuppressCall>(call)) {
      suppressed_ = true;
    } else if (std::holds_alternative<ReviveCall>(call)) {
      suppressed_ = false;
      for (auto& [id, agent] : agents_) agent.is_refused = false;
    } else if (const auto* kill = std::get_if<KillCall>(&call)) {
      propose(KillTask{{jobs_framework(), kill->task}});
    }
  }

  void refuse(const AgentId& id, Resources what) {
    agents_[id].is_refused = true;
    agents_[id].refused = std::move(what);
  }

  std::optional<AgentId> take_offer(OfferId id) {
    for (auto& [name, agent] : agents_) {
      if (agent.offer != id) continue;
      agent.offer.reset();
      return name;
    }
    return std::nullopt;
  }

  void take_accept(const AcceptCall& accept) {
    REQUIRE(accept.offers.size() == 1);
    const auto agent = take_offer(accept.offers[0]);
    Resources left = agent ? agents_[*agent].offered : Resources();
    for (const TaskSpec& task : accept.tasks) {
      if (!agent || random_.chance(1, 50)) {
        // Never inside the call: an answer is a message.
        at(Duration(1), [this, id = task.id] {
          tell(TellUpdate{{.task = id, .state = TaskState::dropped, .reason = "invalid_offers"}});
        });
        continue;
      }
      REQUIRE(left.contains(task.resources));
      left -= task.resources;
      on_way_[++ways_] = {*agent, task.resources};
      propose(LaunchTask{{.key = {jobs_framework(), task.id},
                          .agent = *agent,
                          .resources = task.resources,
                          .job = task.job,
                          .launched_at = wall_}},
              ways_);
    }
    if (agent) refuse(*agent, left);
  }

  void check() {
    std::map<PieceRef, int> open;
    std::map<AgentId, Resources> used;
    for (const auto& [key, task] : state_.tasks()) {
      if (is_terminal(task.status.state)) continue;
      const JobRef& ref = *task.job;
      if (++open[{ref.job, ref.stage, ref.index}] > 1) FAIL("a piece has two open tasks");
      used[task.agent] += task.resources;
    }
    for (const auto& [agent, sum] : used) {
      if (!agents_.at(agent).total.contains(sum)) FAIL("an agent has more tasks than it can hold");
    }
  }

  Random random_;
  RegistryState state_;
  std::optional<JobCore> core_;
  JobEffects effects_;
  bool performing_ = false;
  bool connected_ = false;
  bool suppressed_ = false;
  std::uint64_t term_ = 1;
  Time now_ = Time{} + seconds(1000);
  WallTime wall_{std::chrono::hours(24 * 365 * 50)};
  Time last_commit_{};
  Time trouble_until_{};
  Position position_;
  std::uint64_t offers_ = 0;
  std::map<AgentId, SimulatedAgent> agents_;
  std::map<std::uint64_t, std::pair<AgentId, Resources>> on_way_;  // Proposed launches.
  std::uint64_t ways_ = 0;
  std::multimap<Time, std::function<void()>> events_;
};

JobSpec simulated_batch() {
  StageSpec map = stage_of("map", 40, "cpus:0.5;mem:64");
  StageSpec shuffle = stage_of("shuffle", 10, "cpus:2;mem:256");
  StageSpec reduce = stage_of("reduce", 3);
  for (StageSpec* stage : {&map, &shuffle, &reduce}) stage->attempts_max = 1000;
  shuffle.after = {"map"};
  reduce.after = {"map", "shuffle"};
  return job_of("batch", JobKind::batch, {map, shuffle, reduce});
}

}  // namespace

TEST_CASE("jobs come to their end through failovers, losses and failures",
          "[scheduler][jobs][sim]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    JobSimulation world(seed);
    world.submit(simulated_batch());
    world.submit(job_of("web", JobKind::service, {stage_of("main", 4, "cpus:0.5")}));
    world.submit(job_of("small", JobKind::batch, {[] {
                          StageSpec stage = stage_of("main", 5);
                          stage.attempts_max = 1000;
                          return stage;
                        }()}));
    world.cause_trouble_until(world.now() + seconds(40));
    const auto state_of = [&](const char* job) {
      return world.state().jobs().at(JobId(job)).state;
    };
    const auto instances = [&] {
      std::size_t launched = 0;
      for (const JobTask& task : world.state().jobs().at(JobId("web")).tasks[0]) {
        launched += task.state == JobTask::State::launched ? 1 : 0;
      }
      return launched;
    };

    REQUIRE(world.run(seconds(600), [&] {
      return state_of("batch") == JobState::succeeded && state_of("small") == JobState::succeeded;
    }));

    std::map<std::string, std::size_t> pieces;
    for (const auto& [piece, times] : world.successes) {
      if (piece.job == JobId("web")) continue;
      CHECK(times == 1);
      ++pieces[piece.job.value()];
    }
    CHECK(pieces == std::map<std::string, std::size_t>{{"batch", 53}, {"small", 5}});
    CHECK(world.run(seconds(120), [&] { return instances() == 4; }));
  }
}

TEST_CASE("the simulated world is as troubled as it is meant to be", "[scheduler][jobs][sim]") {
  int failovers = 0;
  int losses = 0;
  int sessions = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    JobSimulation world(seed);
    world.submit(simulated_batch());
    world.cause_trouble_until(world.now() + seconds(20));
    world.run(seconds(20), [] { return false; });
    failovers += world.failovers;
    losses += world.losses;
    sessions += world.dropped_sessions;
  }
  CHECK(failovers >= 10);
  CHECK(losses >= 10);
  CHECK(sessions >= 10);
}

}  // namespace cluster::scheduler
