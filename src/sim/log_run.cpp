#include "sim/log_run.hpp"

#include <algorithm>
#include <cstdio>

#include "sim/disk_faults.hpp"
#include "sim/key_clients.hpp"
#include "sim/key_hosts.hpp"
#include "sim/log_cluster.hpp"
#include "sim/member_plan.hpp"
#include "sim/register_clients.hpp"

namespace cluster::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// How often what happens; zero: never.
struct Plan {
  LogClusterOptions cluster;
  RegisterPlan clients;
  KeyPlan keys;
  NetworkFaults network;
  Duration crash_mean{}, cut_mean{}, writer_mean{}, depose_mean{}, pause_mean{}, drift_mean{},
      disk_error_mean{}, flip_mean{}, stall_mean{}, truncate_mean{}, member_mean{}, second_mean{},
      fault_time{};
  bool has_witnesses = false;
};

// Swarm testing: each run has its own mix of faults, many of them none of a kind.
Plan plan_of(const LogRunOptions& options) {
  Random random(options.seed ^ 0x5eed);
  auto one_of = [&](std::initializer_list<std::uint64_t> choices) {
    return *(choices.begin() + random.below(choices.size()));
  };
  Plan plan;
  plan.cluster = {.seed = options.seed,
                  .size = one_of({1, 3, 3, 3, 3, 5, 5}),
                  .log_sink = options.log_sink,
                  .log_level = options.log_level,
                  .limits = {},
                  .forget_promises = options.forget_promises,
                  .lose_last_group = options.lose_last_group};
  plan.network.loss_permille = one_of({0, 0, 10, 50, 200});
  plan.network.double_permille = one_of({0, 0, 20, 100});
  plan.network.delay_max = microseconds(one_of({200, 500, 2000, 20000}));
  plan.network.slow_permille = one_of({0, 0, 5, 50});
  plan.crash_mean = milliseconds(one_of({0, 300, 700, 2000}));
  plan.cut_mean = milliseconds(one_of({0, 300, 1000, 2000}));
  plan.writer_mean = milliseconds(one_of({0, 0, 1000, 4000}));
  plan.depose_mean = milliseconds(one_of({0, 0, 700, 2000}));
  plan.pause_mean = milliseconds(one_of({0, 0, 500, 1500}));
  plan.drift_mean = milliseconds(one_of({0, 0, 1000}));
  plan.disk_error_mean = milliseconds(one_of({0, 0, 0, 2000}));
  plan.fault_time = milliseconds(one_of({4000, 8000, 16000}));
  plan.member_mean = milliseconds(one_of({0, 0, 300, 1000}));
  if (plan.member_mean != Duration::zero()) plan.cluster.spares = 3;
  plan.clients.writers = one_of({1, 3, 8});
  plan.clients.readers = one_of({1, 2, 4});
  plan.clients.keys = one_of({1, 2, 4});
  plan.clients.think_max = milliseconds(one_of({6, 20, 80}));
  Random disks(options.seed ^ 0xd15c);
  plan.flip_mean =
      milliseconds(std::initializer_list<int>{0, 0, 400, 1500}.begin()[disks.below(4)]);
  plan.stall_mean = milliseconds(std::initializer_list<int>{0, 0, 0, 2500}.begin()[disks.below(4)]);
  plan.cluster.has_leases = Random(options.seed ^ 0x1ea5e).chance(1, 3);
  // From numbers of its own: other runs of old seeds stay what they were.
  Random truncations(options.seed ^ 0x7c);
  if (truncations.chance(1, 3)) {
    plan.truncate_mean = milliseconds(truncations.chance(1, 2) ? 100 : 800);
  }
  Random machines(options.seed ^ 0x5a5);
  bool is_whole = !options.lose_last_group && !options.forget_promises;
  const bool has_keys = options.workload == WorkloadKind::keys;
  if (has_keys) plan.truncate_mean = Duration::zero();
  if (has_keys || (is_whole && plan.truncate_mean == Duration::zero() && machines.chance(1, 2))) {
    plan.cluster.has_state_machine = true;
    plan.cluster.snapshots = {.after_bytes = machines.chance(1, 2) ? 2000u : 0u,
                              .after_entries = machines.chance(1, 2) ? 10u : 60u,
                              .keep_bytes = machines.chance(1, 2) ? 0u : 1000u};
    plan.cluster.catch_up_bytes_per_second = machines.chance(1, 2) ? 0u : 100'000u;
    plan.cluster.limits.snapshot_chunk_bytes = 100;
    plan.cluster.limits.witness_entries = 100;
  }
  // Who keeps no data has none to make a state from; truncations are for both.
  plan.has_witnesses = plan.member_mean != Duration::zero() && !plan.cluster.has_state_machine &&
                       Random(options.seed ^ 0x317).chance(1, 2);
  plan.cluster.limits.scrubber = {.slice_bytes = machines.chance(1, 2) ? 300u : 5000u,
                                  .first_after = milliseconds(200),
                                  .rest = milliseconds(500),
                                  .patience = milliseconds(300)};
  // Copies come long after their question, into other terms.
  Random copies(options.seed ^ 0x01d);
  if (copies.chance(1, 3)) {
    plan.network.slow_max = seconds(4);
    plan.network.slow_permille = std::max<std::uint64_t>(plan.network.slow_permille, 20);
    if (copies.chance(1, 2)) plan.network.double_permille = 200;
  }
  // Leaders refuse what they have no room for.
  if (copies.chance(1, 4)) plan.cluster.limits.pipeline.queue_bytes_max = 200;
  // Members whose logs rest while nobody uses them, which callers give them time for.
  Random hosts(options.seed ^ 0x4057);
  if (!options.lose_last_group && !options.forget_promises && hosts.chance(1, 3)) {
    plan.cluster.has_hosts = true;
    plan.cluster.limits.rest_probe = seconds(hosts.chance(1, 2) ? 4 : 300);
    plan.second_mean = milliseconds(hosts.chance(1, 2) ? 300 : 2500);
    if (hosts.chance(1, 2) && !has_keys) {
      plan.clients.writers = plan.clients.readers = 1;
      plan.clients.think_max = seconds(5);
    }
  }
  // Every second run has small limits, so that answers come in parts, memory is released, and
  // values wait for room.
  if (random.chance(1, 2)) return plan;
  replog::DriverLimits& limits = plan.cluster.limits;
  limits.window_bytes = one_of({2000, 20000});
  limits.answer_bytes_max = one_of({100, 1000});
  limits.pipeline.flight_entries_max = one_of({2, 64});
  limits.pipeline.accept_bytes_max = one_of({100, 2000});
  limits.unsynced_bytes_max = one_of({3000, 64 << 20});
  limits.group_bytes_max = one_of({500, 8 << 20});
  return plan;
}

class LogRun {
 public:
  explicit LogRun(const LogRunOptions& options)
      : workload_(options.workload),
        plan_(plan_of(options)),
        cluster_(cluster_options()),
        // A disk that is lost, one with flipped bits and one that keeps no data would be failures
        // too many: each run has one kind of them, or two that bear each other.
        members_(cluster_, {.may_wipe = plan_.flip_mean == Duration::zero() && !plan_.has_witnesses,
                            .has_witnesses = plan_.has_witnesses}) {
    cluster_.network().faults = plan_.network;
    for (LogMember& member : cluster_.members()) {
      member.process.drift_permille = any_drift();
      member.process.offset = seconds(random().below(1000));
      member.process.disk_max =
          milliseconds(std::initializer_list<int>{1, 2, 10, 50}.begin()[random().below(4)]);
    }
    key_hosts_.attach(cluster_);
    cluster_.start_all();
  }

  LogRunResult run() {
    std::unique_ptr<Workload> clients = make_workload();
    fault_end_ = cluster_.world().now() + plan_.fault_time;
    schedule_faults();
    bool is_right = cluster_.step_until(fault_end_);
    are_faults_over_ = true;
    std::string stall;
    if (is_right) {
      cluster_.heal();
      stall = demand_progress(*clients);
      if (stall.empty() && is_clean()) stall = demand_second();
    }
    cluster_.count_metrics();
    std::string violation = cluster_.checker().violation().value_or("");
    // No disk lies in these runs.
    if (violation.empty() && cluster_.coverage().of("cluster_log_scrub_differences_total") > 0) {
      violation = "a comparison of stores found a difference";
    }
    if (violation.empty()) violation = cluster_.check_second();
    if (violation.empty()) violation = stall;
    if (violation.empty()) violation = clients->check();
    auto simulated = cluster_.world().now().time_since_epoch();
    LogRunResult result{.seed = plan_.cluster.seed,
                        .violation = std::move(violation),
                        .steps = cluster_.world().steps(),
                        .messages = cluster_.network().messages(),
                        .acknowledged = cluster_.checker().acknowledged(),
                        .chosen = cluster_.checker().chosen_end().value() - 1,
                        .crashes = cluster_.crashes(),
                        .terms = cluster_.terms(),
                        .operations = clients->operations(),
                        .milliseconds = static_cast<std::uint64_t>(simulated / milliseconds(1)),
                        .fingerprint = cluster_.fingerprint(),
                        .coverage = cluster_.coverage()};
    result.coverage.add(cluster_.checker().coverage());
    return result;
  }

 private:
  LogClusterOptions cluster_options() {
    LogClusterOptions options = plan_.cluster;
    if (workload_ == WorkloadKind::keys) options.tenant = &key_hosts_;
    return options;
  }
  std::unique_ptr<Workload> make_workload() {
    if (workload_ == WorkloadKind::log) {
      return std::make_unique<RegisterClients>(cluster_, plan_.clients);
    }
    plan_.keys.has_pauses = plan_.pause_mean != Duration::zero();
    plan_.keys.think_max = plan_.clients.think_max;
    return std::make_unique<KeyClients>(cluster_, key_hosts_, plan_.keys);
  }
  Random& random() { return cluster_.random(); }
  LogMember& any_member() { return cluster_.any_member(); }
  // Where a fault does most harm, every second time.
  LogMember& victim() {
    LogMember* leader = random().chance(1, 2) ? cluster_.leader() : nullptr;
    return leader != nullptr ? *leader : any_member();
  }
  std::int64_t any_drift() { return static_cast<std::int64_t>(random().below(61)) - 30; }

  // An event at random times around `mean`; none when the mean is zero.
  template <class F>
  void repeat(Duration mean, F f) {
    if (mean == Duration::zero()) return;
    Time at = cluster_.world().now() + between(random(), mean / 4, mean * 2);
    if (at >= fault_end_) return;
    cluster_.world().at(at, [this, mean, f] {
      if (are_faults_over_) return;
      f();
      repeat(mean, f);
    });
  }

  void schedule_faults() {
    repeat(plan_.crash_mean, [this] { crash(victim()); });
    repeat(plan_.cut_mean, [this] { cut(); });
    repeat(plan_.second_mean,
           [this] { cluster_.append_to_second(any_member(), [](const Result<Position>&) {}); });
    repeat(plan_.depose_mean, [this] { depose(); });
    repeat(plan_.member_mean, [this] { members_.change(); });
    repeat(plan_.writer_mean, [this] { write_as_writer(any_member()); });
    repeat(plan_.disk_error_mean, [this] { any_member().disk.fails = true; });
    repeat(plan_.truncate_mean, [this] {
      // Sometimes further than the log goes.
      std::uint64_t end = cluster_.checker().chosen_end().value();
      cluster_.truncate(any_member(), Position(1 + random().below(end + end / 10 + 1)));
    });
    repeat(plan_.stall_mean, [this] {
      LogMember& member = victim();
      if (member.is_down) return;
      cluster_.coverage().count("a disk stalled");
      Time until = cluster_.world().now() + between(random(), milliseconds(100), seconds(4));
      member.host->stall_disk(until);
    });
    repeat(plan_.flip_mean, [this] {
      LogMember& member = victim();
      cluster_.coverage().count("entries damaged", flip_bits(cluster_, member));
      if (random().chance(2, 3)) crash(member);
    });
    repeat(plan_.drift_mean, [this] {
      LogMember& member = any_member();
      member.process.drift_permille = any_drift();
      if (!member.is_down) member.host->set_drift(member.process.drift_permille);
    });
    repeat(plan_.pause_mean, [this] {
      Duration wait = random().chance(1, 2) ? between(random(), milliseconds(5), milliseconds(500))
                                            : between(random(), milliseconds(600), seconds(3));
      // A clock that stands still is slower than any bound.
      bool stops_clock = random().chance(1, 2) && !plan_.cluster.has_leases;
      cluster_.pause(victim(), wait, stops_clock);
    });
  }

  void crash(LogMember& member) {
    if (member.is_down) return;
    cluster_.crash(member);
    // Back before its last messages have arrived, or after others have taken over.
    bool is_quick = random().chance(1, 3);
    if (is_quick) cluster_.coverage().count("a restart within one network delay");
    Duration wait = is_quick ? between(random(), Duration(1), cluster_.network().faults.delay_max)
                             : between(random(), milliseconds(1), seconds(2));
    cluster_.world().after(wait, [this, &member] {
      if (member.is_down) cluster_.start(member);
    });
  }

  void cut() {
    std::uint64_t kind = random().below(6);
    if (kind < 2) return cluster_.network().heal();
    auto& members = cluster_.members();
    LogMember& alone = victim();
    if (kind == 2) {
      // Two do not see each other, and all others see both.
      LogMember& other = any_member();
      if (&other == &alone) return;
      cluster_.coverage().count("a partial partition");
      return cluster_.cut(alone, other);
    }
    if (kind == 3) {
      // It is heard and hears nobody, or the other way round.
      bool is_deaf = random().chance(1, 2);
      cluster_.coverage().count(is_deaf ? "a deaf member" : "a mute member");
      for (LogMember& other : members) {
        if (&other == &alone) continue;
        is_deaf ? cluster_.cut_one_way(other, alone) : cluster_.cut_one_way(alone, other);
      }
      return;
    }
    for (LogMember& other : members) {
      if (&other == &alone || random().chance(1, 4)) continue;
      cluster_.cut(alone, other);
    }
    cluster_.coverage().count("a partition");
  }

  // The leader is cut off and does not know it, and another takes over at once.
  void depose() {
    LogMember* leader = cluster_.leader();
    LogMember& next = any_member();
    if (leader == nullptr || leader == &next) return;
    cluster_.coverage().count("a cut-off leader was deposed");
    for (LogMember& other : cluster_.members()) {
      if (&other != leader) cluster_.cut(*leader, other);
    }
    write_as_writer(next);
    cluster_.world().after(between(random(), milliseconds(100), milliseconds(1500)), [this] {
      if (!are_faults_over_) cluster_.network().heal();
    });
  }

  void write_as_writer(LogMember& member) {
    cluster_.start_writer(member, [this, &member](const Result<std::uint64_t>& term) {
      if (!term) return;
      for (int i = 0; i < 5; ++i) {
        cluster_.world().after(milliseconds(i * 30), [this, &member, term = *term] {
          cluster_.append(member, "w" + std::to_string(term) + ":" + std::to_string(++writes_),
                          term, [this](const Result<Position>& at) {
                            bool is_fenced = !at && at.error().code == Errc::fenced;
                            if (is_fenced) cluster_.coverage().count("a writer was fenced");
                          });
        });
      }
    });
  }

  // After the faults: a leader soon, new appends through every member, and the same log everywhere.
  std::string demand_progress(Workload& clients) {
    World& world = cluster_.world();
    Time quiet_end = world.now() + seconds(20);
    if (!cluster_.step_until(world.now() + milliseconds(300))) return "";
    clients.stop();
    if (!cluster_.step_until(quiet_end, [this] { return cluster_.leader() && are_equal(); }))
      return "";
    for (LogMember& member : cluster_.members()) {
      if (!cluster_.is_member(member)) continue;
      if (std::string answer = append_until(member, quiet_end + seconds(12)); !answer.empty()) {
        return name_of(member) + " cannot append although the faults ended long ago: " + answer;
      }
    }
    // A writer that was asked for during the faults may take over only now.
    if (!cluster_.step_until(std::max(quiet_end, world.now()) + seconds(3),
                             [this] { return cluster_.leader() && are_equal(); })) {
      return "";
    }
    if (cluster_.leader() == nullptr) return "nobody leads although the faults ended long ago";
    for (LogMember& member : cluster_.members()) {
      if (!cluster_.is_member(member)) continue;
      if (end_of(member) == cluster_.checker().chosen_end()) continue;
      return name_of(member) + " has " + std::to_string(end_of(member).value()) + " of " +
             std::to_string(cluster_.checker().chosen_end().value()) +
             " positions although the faults ended long ago";
    }
    cluster_.step_until(world.now() + seconds(12), [&clients] { return clients.is_settled(); });
    return "";
  }

  bool is_clean() { return !cluster_.checker().violation(); }

  // The second log, of the founders that still have the disks that they founded it with.
  std::string demand_second() {
    if (!plan_.cluster.has_hosts) return "";
    for (const LogMember& member : cluster_.members()) {
      if (member.was_wiped) return "";
    }
    for (std::size_t i = 0; i < cluster_.founders(); ++i) {
      auto heard = std::make_shared<bool>(false);
      Time limit = cluster_.world().now() + seconds(24);
      while (!*heard && cluster_.world().now() < limit) {
        auto is_answered = std::make_shared<bool>(false);
        cluster_.append_to_second(cluster_.member(i),
                                  [heard, is_answered](const Result<Position>& at) {
                                    *is_answered = true;
                                    *heard = at.has_value();
                                  });
        if (!cluster_.step_until(limit, [&] { return *is_answered; })) return "";
        if (!*heard && !cluster_.step_until(cluster_.world().now() + milliseconds(50))) return "";
      }
      if (!*heard) return name_of(cluster_.member(i)) + " cannot append to the second log";
    }
    return "";
  }

  // Says why not, in the end.
  std::string append_until(LogMember& member, Time limit) {
    World& world = cluster_.world();
    std::string answer = "no answer";
    while (!answer.empty() && world.now() < limit) {
      bool is_answered = false;
      // On the heap: an answer may come when nobody waits for it any more.
      auto heard = std::make_shared<std::optional<std::string>>();
      cluster_.append(
          member, "last" + std::to_string(++writes_), 0,
          [heard](const Result<Position>& at) { *heard = at ? "" : at.error().message(); });
      if (!cluster_.step_until(std::min(limit, world.now() + seconds(12)),
                               [&] { return is_answered = heard->has_value(); })) {
        return "";
      }
      if (is_answered) answer = **heard;
      if (!cluster_.is_member(member)) return "";  // A change that was on its way removed it.
      // A refusal takes no time by itself.
      if (!answer.empty() && !cluster_.step_until(world.now() + milliseconds(50))) return "";
    }
    return answer;
  }

  Position end_of(const LogMember& member) const { return member.driver->core().chosen_end(); }
  bool are_equal() {
    return std::all_of(
        cluster_.members().begin(), cluster_.members().end(), [this](const LogMember& member) {
          return !cluster_.is_member(member) || end_of(member) == cluster_.checker().chosen_end();
        });
  }

  WorkloadKind workload_;
  Plan plan_;
  KeyHosts key_hosts_;
  LogCluster cluster_;
  MemberPlan members_;
  Time fault_end_{};
  bool are_faults_over_ = false;
  std::uint64_t writes_ = 0;
};

}  // namespace

LogRunResult run_log(const LogRunOptions& options) { return LogRun(options).run(); }

void LogRunTotals::add(const LogRunResult& result) {
  numbers.count("seeds");
  numbers.count("failed", result.violation.empty() ? 0 : 1);
  numbers.count("steps", result.steps);
  numbers.count("messages", result.messages);
  numbers.count("appends acknowledged", result.acknowledged);
  numbers.count("client operations", result.operations);
  numbers.count("crashes", result.crashes);
  numbers.count("terms", result.terms);
  numbers.count("milliseconds", result.milliseconds);
  paths.add(result.coverage);
}

void LogRunTotals::add(const LogRunTotals& other) {
  numbers.add(other.numbers);
  paths.add(other.paths);
}

std::vector<std::string> LogRunTotals::lines() const {
  std::string line =
      std::to_string(numbers.of("seeds")) + " seeds, " + std::to_string(failed()) + " failed";
  for (const char* name :
       {"steps", "messages", "appends acknowledged", "client operations", "crashes", "terms"}) {
    line += std::string(", ") + std::to_string(numbers.of(name)) + " " + name;
  }
  char hours[32];
  std::snprintf(hours, sizeof hours, "%.2f",
                static_cast<double>(numbers.of("milliseconds")) / 3.6e6);
  std::vector<std::string> lines{line + ", " + hours + " simulated hours", "paths taken:"};
  for (const auto& [name, times] : paths.counts()) {
    lines.push_back("  " + std::to_string(times) + "  " + name);
  }
  return lines;
}

LogRunTotals run_log_seeds(std::uint64_t first, std::uint64_t last, std::uint64_t step,
                           const LogRunOptions& options, void (*print)(const std::string& line)) {
  LogRunTotals totals;
  for (std::uint64_t seed = first; seed <= last; seed += step) {
    LogRunOptions one = options;
    one.seed = seed;
    LogRunResult result = run_log(one);
    totals.add(result);
    if (!result.violation.empty()) {
      print("seed " + std::to_string(seed) + ": " + result.violation +
            "\n  replay: cluster sim --seeds " + std::to_string(seed) + ".." +
            std::to_string(seed) +
            (options.workload == WorkloadKind::keys ? " --workload keys" : "") + " --verbose");
    }
    if (totals.numbers.of("seeds") % 1000 == 0 && last - seed >= step) {
      print(std::to_string(totals.numbers.of("seeds")) + " seeds, " +
            std::to_string(totals.failed()) + " failed");
    }
  }
  return totals;
}

}  // namespace cluster::sim
