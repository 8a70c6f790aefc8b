#include "sim/log_run.hpp"

#include <memory>
#include <set>

#include "base/crc32c.hpp"
#include "replog/driver.hpp"
#include "sim/log_checker.hpp"
#include "sim/process.hpp"

namespace cluster::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What a disk held where its last group was written.
struct BeforeLast {
  Position chosen_end{1};
  std::map<Position, std::optional<replog::LogEntry>> entries;
};

// A store that misbehaves as the options ask.
class BrokenStore final : public replog::Store {
 public:
  BrokenStore(Disk& disk, replog::Identity identity, const LogRunOptions& options,
              BeforeLast& before_last)
      : disk_(disk), store_(disk, identity), options_(options), before_last_(before_last) {}

  const replog::Identity& identity() const override { return store_.identity(); }
  replog::StoreUsage usage() const override { return store_.usage(); }
  Result<replog::RangeCheck> check(Position first, Position end,
                                   std::size_t bytes_max) const override {
    return store_.check(first, end, bytes_max);
  }

  Result<void> commit(const std::vector<replog::Change>& changes) override {
    if (options_.lose_last_group) remember(changes);
    return store_.commit(changes);
  }
  Result<replog::StoredEntries> read(Position first, Position end,
                                     std::size_t bytes_max) const override {
    return store_.read(first, end, bytes_max);
  }
  Result<replog::Recovered> recover(std::size_t window_bytes) override {
    auto recovered = store_.recover(window_bytes);
    if (options_.forget_promises) recovered->promised = {};
    return recovered;
  }

 private:
  void remember(const std::vector<replog::Change>& changes) {
    before_last_ = BeforeLast{.chosen_end = disk_.chosen_end, .entries = {}};
    for (const replog::Change& change : changes) {
      auto* put = std::get_if<replog::PutEntry>(&change);
      if (put == nullptr) continue;
      auto held = disk_.entries.find(put->entry.position);
      before_last_.entries.try_emplace(put->entry.position, held == disk_.entries.end()
                                                                ? std::nullopt
                                                                : std::optional(held->second));
    }
  }

  Disk& disk_;
  SimStore store_;
  const LogRunOptions& options_;
  BeforeLast& before_last_;
};

class LogRun {
 public:
  explicit LogRun(const LogRunOptions& options)
      : options_(options), world_(options.seed), network_(world_) {
    plan();
    network_.on_log_message = [this](ProcessId from, const Bytes& bytes) { observe(from, bytes); };
    for (Member& member : members_) start(member);
  }

  LogRunResult run() {
    Time fault_end = world_.now() + fault_time_;
    schedule_faults(fault_end);
    for (std::size_t i = 0; i < clients_; ++i) schedule_client(i);
    step_until(fault_end);
    are_faults_over_ = true;
    heal();
    demand_progress();
    LogRunResult result{.seed = options_.seed,
                        .violation = checker_.violation().value_or(""),
                        .steps = world_.steps(),
                        .messages = network_.messages(),
                        .acknowledged = checker_.acknowledged(),
                        .chosen = checker_.chosen_end().value() - 1,
                        .crashes = crashes_,
                        .terms = terms_.size(),
                        .fingerprint = fingerprint_};
    for (Member& member : members_) member.driver.reset();
    return result;
  }

 private:
  struct Member {
    Peer peer;
    ProcessId process_id;
    ProcessOptions process;
    Disk disk;
    BeforeLast before_last;
    Process* host = nullptr;  // The present incarnation, in `processes_`.
    std::unique_ptr<replog::Driver> driver;
    bool is_down = false;
  };

  Random& random() { return world_.random(); }
  std::uint64_t one_of(std::initializer_list<std::uint64_t> choices) {
    return *(choices.begin() + random().below(choices.size()));
  }

  // Swarm testing: each run has its own mix of faults, many of them none of a kind.
  void plan() {
    std::size_t size = one_of({1, 3, 3, 3, 5});
    for (std::size_t i = 1; i <= size; ++i) {
      Member& member = members_.emplace_back();
      member.peer = Peer{NodeId(i), Endpoint{"member", static_cast<std::uint16_t>(i)}};
      member.process.id = ProcessId(i);
      member.process.drift_permille = static_cast<std::int64_t>(random().below(61)) - 30;
      member.process.offset = seconds(random().below(1000));
      member.process.disk_max = milliseconds(one_of({1, 2, 10, 50}));
    }
    NetworkFaults& faults = network_.faults;
    faults.loss_permille = one_of({0, 0, 10, 50, 200});
    faults.double_permille = one_of({0, 0, 20, 100});
    faults.delay_max = std::chrono::microseconds(one_of({200, 500, 2000, 20000}));
    faults.slow_permille = one_of({0, 0, 5, 50});
    crash_mean_ = milliseconds(one_of({0, 700, 2000, 5000}));
    cut_mean_ = milliseconds(one_of({0, 500, 2000, 5000}));
    writer_mean_ = milliseconds(one_of({0, 0, 1000, 4000}));
    disk_error_mean_ = milliseconds(one_of({0, 0, 0, 6000}));
    clients_ = one_of({1, 4, 16});
    fault_time_ = milliseconds(one_of({3000, 6000, 12000}));
    // Every second run has small limits, so that answers come in parts, memory is released, and
    // values wait for room. From numbers of its own: the runs of old seeds stay what they were.
    Random sizes(options_.seed ^ 0x5eed);
    if (sizes.chance(1, 2)) return;
    limits_.window_bytes = sizes.chance(1, 2) ? 2000 : 20000;
    limits_.answer_bytes_max = sizes.chance(1, 2) ? 100 : 1000;
    limits_.pipeline.flight_entries_max = sizes.chance(1, 2) ? 2 : 64;
    limits_.pipeline.accept_bytes_max = sizes.chance(1, 2) ? 100 : 2000;
  }

  void start(Member& member) {
    member.process.logger = options_.log_sink == nullptr
                                ? Logger{}
                                : Logger(*options_.log_sink, name(member), options_.log_level);
    processes_.push_back(std::make_unique<Process>(world_, network_, member.process));
    member.host = processes_.back().get();
    member.is_down = false;
    LogOptions log;
    log.self = member.peer.id;
    for (const Member& other : members_) log.members.push_back(other.peer);
    log.cluster = ClusterUid(7);
    log.seed = random().next() | 1;
    replog::Identity identity{log.cluster, member.peer.id, member.peer.id.value()};
    auto store = std::make_shared<BrokenStore>(member.disk, identity, options_, member.before_last);
    auto recovered = store->recover(64 << 10);
    auto listener = member.host->transport().listen(member.peer.endpoint);
    CLUSTER_CHECK(listener.has_value(), "a member's address is free");
    checker_.on_restart(member.peer.id, member.disk);
    checker_.on_apply_restart(member.peer.id);
    member.driver = std::make_unique<replog::Driver>(
        *member.host, *listener, std::move(store), *std::move(recovered), std::move(log),
        [this](const replog::Snapshot& snapshot) {
          if (snapshot.leadership.is_self) terms_.insert(snapshot.leadership.term);
        },
        limits_);
    member.driver->follow(Position(1),
                          [this, id = member.peer.id](const std::vector<Entry>& batch) {
                            for (const Entry& entry : batch) checker_.on_applied(id, entry);
                          });
  }

  void crash(Member& member) {
    if (member.is_down) return;
    crashes_ += 1;
    member.is_down = true;
    member.driver.reset();
    member.host->kill();
    if (options_.lose_last_group && random().chance(1, 2)) {
      // Promises stay: this is about entries that were told to be durable.
      member.disk.chosen_end = member.before_last.chosen_end;
      for (auto& [at, entry] : member.before_last.entries) {
        member.disk.entries.erase(at);
        if (entry) member.disk.entries.emplace(at, *entry);
      }
      member.before_last.entries.clear();
    }
  }

  std::string name(const Member& member) const {
    return "member " + std::to_string(member.peer.id.value());
  }

  Member& any_member() { return members_[random().below(members_.size())]; }

  // An event at random times around `mean`; none when the mean is zero.
  template <class F>
  void repeat(Duration mean, Time until, F f) {
    if (mean == Duration::zero()) return;
    Time at = world_.now() + between(random(), mean / 4, mean * 2);
    if (at >= until) return;
    world_.at(at, [this, mean, until, f]() mutable {
      if (are_faults_over_) return;
      f();
      repeat(mean, until, f);
    });
  }

  void schedule_faults(Time until) {
    repeat(crash_mean_, until, [this] {
      Member& member = any_member();
      if (member.is_down) return;
      crash(member);
      world_.after(between(random(), milliseconds(1), milliseconds(3000)), [this, &member] {
        if (member.is_down) start(member);
      });
    });
    repeat(cut_mean_, until, [this] {
      if (random().chance(1, 3)) return network_.heal();
      bool is_one_way = random().chance(1, 2);
      Member& alone = any_member();
      for (Member& other : members_) {
        if (&other == &alone || random().chance(1, 4)) continue;
        network_.cut(alone.process.id, other.process.id);
        if (!is_one_way) network_.cut(other.process.id, alone.process.id);
      }
    });
    repeat(writer_mean_, until, [this] { write_as_writer(any_member()); });
    repeat(disk_error_mean_, until, [this] { any_member().disk.fails = true; });
  }

  // A closed loop: append at some member, wait for the answer, think, again.
  void schedule_client(std::size_t client) {
    world_.after(between(random(), Duration(100), milliseconds(20)), [this, client] {
      Member& member = any_member();
      if (are_clients_done_) return;
      if (member.is_down) return schedule_client(client);
      if (random().chance(1, 20)) catch_up(member);
      std::uint64_t attempt = ++attempts_;
      append(member, "c" + std::to_string(attempt), 0,
             [this, client, attempt](const Result<Position>&) {
               if (waiting_.erase(attempt) > 0) schedule_client(client);
             });
      // A crash takes the answer along: the client gives up then.
      waiting_.insert(attempt);
      world_.after(seconds(15), [this, client, attempt] {
        if (waiting_.erase(attempt) > 0) schedule_client(client);
      });
    });
  }

  template <class F>
  void append(Member& member, const std::string& text, std::uint64_t term, F done) {
    Bytes data(text);
    Promise<Position> promise;
    promise.op().then([this, data, done](Result<Position> at) {
      if (at) checker_.on_acknowledged(*at, data);
      if (at) note("ack", at->value());
      done(at);
    });
    std::vector<replog::AppendCall> calls;
    calls.push_back({data, term, std::move(promise)});
    member.driver->append(std::move(calls));
  }

  void write_as_writer(Member& member) {
    if (member.is_down) return;
    Promise<std::uint64_t> promise;
    promise.op().then([this, &member](Result<std::uint64_t> term) {
      if (!term || member.is_down || !member.driver) return;
      for (int i = 0; i < 5; ++i) {
        world_.after(milliseconds(i * 30), [this, &member, term = *term] {
          if (member.is_down) return;
          append(member, "w" + std::to_string(term) + ":" + std::to_string(++attempts_), term,
                 [](const Result<Position>&) {});
        });
      }
    });
    member.driver->start_writer(std::move(promise));
  }

  void catch_up(Member& member) {
    Promise<LogRange> promise;
    promise.op().then([this, after = checker_.highest_acknowledged()](Result<LogRange> range) {
      if (range) checker_.on_caught_up(after, *range);
    });
    member.driver->catch_up(std::move(promise));
  }

  void observe(ProcessId from, const Bytes& bytes) {
    auto envelope = replog::decode_envelope(bytes);
    CLUSTER_CHECK(envelope.has_value(), "members' messages can be decoded");
    checker_.on_message(*envelope, members_[from.value() - 1].disk);
    note(std::string(replog::name_of(envelope->message)), from.value());
  }

  // Makes two runs of one seed comparable, and so nondeterminism visible.
  void note(const std::string& what, std::uint64_t number) {
    std::string text = what + ' ' + std::to_string(number) + ' ' +
                       std::to_string(world_.now().time_since_epoch().count());
    fingerprint_ = (fingerprint_ * 1099511628211u) ^ crc32c(text);
  }

  bool step_until(Time until) {
    while (!checker_.violation() && world_.step(until)) {
      for (Member& member : members_) {
        if (member.driver) checker_.on_core(member.peer.id, member.driver->core(), member.disk);
      }
      checker_.on_step_end();
    }
    return !checker_.violation();
  }

  void heal() {
    network_.heal();
    network_.faults = NetworkFaults{};
    for (Member& member : members_) {
      member.disk.fails = false;
      member.process.disk_max = milliseconds(2);
      // A replica whose disk failed has stopped for good: its process must be started again.
      if (member.driver && member.driver->has_failed()) crash(member);
      if (member.is_down) start(member);
    }
  }

  // After faults end: a leader, every member with the same prefix, and new appends through each.
  void demand_progress() {
    if (!step_until(world_.now() + seconds(20))) return;
    are_clients_done_ = true;
    for (Member& member : members_) {
      std::string answer = "no answer";
      append(member, "last" + name(member), 0,
             [&](const Result<Position>& at) { answer = at ? "" : at.error().message(); });
      if (!step_until(world_.now() + seconds(12))) return;
      if (!answer.empty()) {
        return stall(name(member) + " cannot append although the faults ended long ago: " + answer);
      }
    }
    if (!step_until(world_.now() + seconds(3))) return;
    for (Member& member : members_) {
      if (member.driver->core().chosen_end() != checker_.chosen_end()) {
        return stall(name(member) + " has " +
                     std::to_string(member.driver->core().chosen_end().value()) + " of " +
                     std::to_string(checker_.chosen_end().value()) +
                     " positions although the faults ended long ago");
      }
    }
  }

  void stall(const std::string& what) { stall_ = what; }

 public:
  const std::string& stalled() const { return stall_; }

 private:
  const LogRunOptions& options_;
  World world_;
  Network network_;
  LogChecker checker_;
  std::deque<Member> members_;
  std::vector<std::unique_ptr<Process>> processes_;  // Dead ones too: events may still name them.
  Duration crash_mean_{}, cut_mean_{}, writer_mean_{}, disk_error_mean_{}, fault_time_{};
  std::size_t clients_ = 1;
  replog::DriverLimits limits_;
  std::uint64_t attempts_ = 0;
  std::set<std::uint64_t> waiting_;
  bool are_faults_over_ = false;
  bool are_clients_done_ = false;
  std::uint64_t crashes_ = 0;
  std::set<std::uint64_t> terms_;
  std::uint64_t fingerprint_ = 0;
  std::string stall_;
};

}  // namespace

LogRunResult run_log(const LogRunOptions& options) {
  LogRun run(options);
  LogRunResult result = run.run();
  if (result.violation.empty()) result.violation = run.stalled();
  return result;
}

int run_log_seeds(std::uint64_t first, std::uint64_t last, const LogRunOptions& options,
                  void (*print)(const std::string& line)) {
  int failures = 0;
  LogRunResult total;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    LogRunOptions one = options;
    one.seed = seed;
    LogRunResult result = run_log(one);
    total.steps += result.steps;
    total.messages += result.messages;
    total.acknowledged += result.acknowledged;
    total.crashes += result.crashes;
    total.terms += result.terms;
    if (!result.violation.empty()) {
      failures += 1;
      print("seed " + std::to_string(seed) + ": " + result.violation +
            "\n  replay: cluster sim --seeds " + std::to_string(seed) + ".." +
            std::to_string(seed) + " --verbose");
    }
    if ((seed - first + 1) % 1000 == 0 && seed != last) {
      print(std::to_string(seed - first + 1) + " seeds, " + std::to_string(failures) + " failed");
    }
  }
  print("seeds " + std::to_string(first) + ".." + std::to_string(last) + ": " +
        std::to_string(failures) + " failed; " + std::to_string(total.steps) + " steps, " +
        std::to_string(total.messages) + " messages, " + std::to_string(total.acknowledged) +
        " appends acknowledged, " + std::to_string(total.crashes) + " crashes, " +
        std::to_string(total.terms) + " terms");
  return failures;
}

}  // namespace cluster::sim
