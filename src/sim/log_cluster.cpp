#include "sim/log_cluster.hpp"

namespace cluster::sim {

using std::chrono::milliseconds;

namespace {

constexpr LogId main_log{1};
constexpr LogId second_log{2};

}  // namespace

std::string name_of(const LogMember& member) {
  return "member " + std::to_string(member.peer.id.value());
}

// A store that misbehaves as the options ask.
class LogCluster::Store final : public replog::Store {
 public:
  Store(LogMember& member, replog::Identity identity, const LogClusterOptions& options)
      : disk_(member.disk),
        store_(member.disk, identity),
        options_(options),
        before_last_(member.before_last) {}

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
  const LogClusterOptions& options_;
  BeforeLast& before_last_;
};

// Counts what the members say of themselves, and hands it on to whoever wants to read it.
class LogCluster::Sink final : public LogSink {
 public:
  Sink(Coverage& coverage, const LogClusterOptions& options)
      : coverage_(coverage), options_(options) {}

  void write(const LogLine& line) override {
    if (options_.log_sink != nullptr && line.level >= options_.log_level) {
      options_.log_sink->write(line);
    }
    bool is_change = line.event == "steps down" || line.event == "gives its candidacy up" ||
                     line.level >= LogLevel::warning;
    if (!is_change) return;
    std::string name(line.event);
    for (const LogField& field : line.fields) {
      if (field.name == "why") name += ": " + field.value;
    }
    coverage_.count(name);
  }

 private:
  Coverage& coverage_;
  const LogClusterOptions& options_;
};

LogCluster::LogCluster(const LogClusterOptions& options)
    : options_(options),
      world_(options.seed),
      network_(world_),
      sink_(std::make_unique<Sink>(coverage_, options_)) {
  network_.on_log_message = [this](ProcessId from, const Bytes& bytes, bool is_doubled) {
    observe(from, bytes, is_doubled);
  };
  std::vector<NodeId> founders;
  for (std::size_t i = 1; i <= options.size + options.spares; ++i) {
    bool is_founder = i <= options.size;
    LogMember& member = members_.emplace_back();
    member.peer =
        Peer{NodeId(is_founder ? i : 0), Endpoint{"member", static_cast<std::uint16_t>(i)}};
    member.process.id = ProcessId(i);
    member.directory = i;
    if (is_founder) founders.push_back(member.peer.id);
  }
  checker_.on_founders(replog::Configuration::of_voters(founders));
}

LogCluster::~LogCluster() {
  for (LogMember& member : members_) {
    if (options_.tenant && member.driver) options_.tenant->leave(member);
    member.is_down = true;  // Nobody hears of what is open.
    member.driver.reset();
    member.second.reset();
    member.shared.reset();
  }
  world_.end();
}

LogMember* LogCluster::leader() {
  LogMember* found = nullptr;
  std::uint64_t term = 0;
  for (LogMember& member : members_) {
    if (!member.driver) continue;
    const Leadership& leadership = member.driver->snapshot().leadership;
    if (!leadership.is_self || leadership.term < term) continue;
    term = leadership.term;
    found = &member;
  }
  return found;
}

bool LogCluster::step_until(Time until, const std::function<bool()>& is_done) {
  while (!checker_.violation()) {
    if (is_done && is_done()) return true;
    if (!world_.step(until)) return true;
    for (LogMember* member : with_news_) look_at(*member);
    with_news_.clear();
    checker_.on_step_end();
  }
  return false;
}

void LogCluster::look_at(LogMember& member) {
  member.has_news = false;
  if (member.driver) checker_.on_core(member.peer.id, member.driver->core(), member.disk);
}

void LogCluster::start_all() {
  for (LogMember& member : members_) start(member);
}

LogMember* LogCluster::spare() {
  for (LogMember& member : members_) {
    if (!member.peer.id && member.join.empty()) return &member;
  }
  return nullptr;
}

void LogCluster::join(LogMember& spare, const JoinToken& token) {
  spare.peer.id = token.id;
  spare.join = to_string(token);
  start(spare);
}

bool LogCluster::is_member(const LogMember& member) const {
  const replog::Member* known = checker_.configuration().find(member.peer.id);
  return known != nullptr && known->incarnation == member.directory;
}

void LogCluster::start(LogMember& member) {
  if (!member.peer.id) return;
  LogLevel level =
      options_.log_sink == nullptr ? LogLevel::info : std::min(LogLevel::info, options_.log_level);
  member.process.logger = Logger(*sink_, name_of(member), level);
  processes_.push_back(std::make_unique<Process>(world_, network_, member.process));
  member.host = processes_.back().get();
  member.is_down = false;
  member.incarnation += 1;
  LogOptions log;
  log.self = member.peer.id;
  log.join = member.join;
  log.listen = member.peer.endpoint;
  for (std::size_t i = 0; member.join.empty() && i < options_.size; ++i) {
    log.members.push_back(members_[i].peer);
  }
  log.cluster = ClusterUid(7);
  log.seed = random().next() | 1;
  log.lease_reads = options_.has_leases;
  log.clock_drift_permille_max = options_.drift_permille_max;
  replog::DriverSnapshots snapshots;
  if (options_.has_state_machine) {
    StateMachine* other = options_.tenant ? options_.tenant->arrive(member) : nullptr;
    member.machine = std::make_unique<SumMachine>(member.peer.id, checker_, coverage_, other);
    log.state_machine = member.machine.get();
    log.snapshots = options_.snapshots;
    log.catch_up_bytes_per_second = options_.catch_up_bytes_per_second;
    snapshots.files = std::make_shared<SimSnapshotFiles>(member.snapshots);
    snapshots.sound = *snapshots.files->recover();
    Position reached = snapshots.sound.empty() ? Position(1) : snapshots.sound.front().end;
    bool is_witness = member.disk.configuration.is_witness(member.peer.id);
    CLUSTER_CHECK(is_witness || reached >= member.disk.kept_from,
                  "a log reaches back to its newest snapshot", reached, member.disk.kept_from);
  }
  replog::Identity identity{log.cluster, member.peer.id, member.directory};
  auto store = std::make_shared<Store>(member, identity, options_);
  replog::SharedPlace place;
  auto recovered = store->recover(64 << 10);
  auto listener = member.host->transport().listen(member.peer.endpoint);
  CLUSTER_CHECK(listener.has_value(), "a member's address is free");
  if (options_.has_hosts) {
    make_host(member, *listener, identity, store);
    place = {member.shared.get(), main_log};
  }
  checker_.on_restart(member.peer.id, member.disk);
  checker_.on_apply_restart(member.peer.id);
  member.driver = std::make_unique<replog::Driver>(
      *member.host, *listener, std::move(store), *std::move(recovered), std::move(log),
      [this, &member](const replog::Snapshot& snapshot) {
        checker_.on_leadership(member.peer.id, snapshot.leadership);
        if (snapshot.leadership.is_self) terms_.insert(snapshot.leadership.term);
        if (std::exchange(member.has_news, true)) return;
        with_news_.push_back(&member);
      },
      options_.limits, std::move(snapshots), place);
  if (options_.has_hosts) start_second(member, identity);
  if (options_.tenant) options_.tenant->started(member);
  if (options_.has_state_machine) return;
  member.driver->follow(Position(1), [this, &member](const std::vector<Entry>& batch) {
    Position kept_from = member.driver->core().kept_from();
    for (const Entry& entry : batch) checker_.on_applied(member.peer.id, entry, kept_from);
  });
}

void LogCluster::make_host(LogMember& member, runtime::ListenerId listener,
                           const replog::Identity& identity,
                           const std::shared_ptr<replog::Store>& store) {
  replog::SharedLogsOptions shared{.identity = identity,
                                   .group_bytes_max = options_.limits.group_bytes_max};
  auto second = std::make_shared<SimStore>(member.second_disk, identity);
  // One event of the disk: it happens as a whole, or not at all.
  auto write = [store, second](const std::vector<replog::LogChanges>& changes) -> Result<void> {
    for (const replog::LogChanges& one : changes) {
      replog::Store& to = one.log == main_log ? *store : *second;
      if (auto committed = to.commit(*one.changes); !committed) return committed;
    }
    return {};
  };
  member.shared =
      std::make_unique<replog::SharedLogs>(*member.host, listener, shared, std::move(write));
}

void LogCluster::start_second(LogMember& member, const replog::Identity& identity) {
  if (!member.join.empty()) return;
  LogOptions log;
  log.self = member.peer.id;
  log.listen = member.peer.endpoint;
  for (std::size_t i = 0; i < options_.size; ++i) log.members.push_back(members_[i].peer);
  log.cluster = identity.cluster;
  log.seed = random().next() | 1;
  log.scrub_bytes_per_second = 0;
  auto store = std::make_shared<SimStore>(member.second_disk, identity);
  auto recovered = store->recover(64 << 10);
  member.second = std::make_unique<replog::Driver>(
      *member.host, runtime::ListenerId{}, std::move(store), *std::move(recovered), std::move(log),
      [](const replog::Snapshot&) {}, options_.limits, replog::DriverSnapshots{},
      replog::SharedPlace{member.shared.get(), second_log});
}

void LogCluster::append_to_second(LogMember& member,
                                  std::function<void(const Result<Position>&)> done) {
  ask(member, [this, &member, done = std::move(done)] {
    if (!member.second) return;
    Promise<Position> promise;
    promise.op().then([this, &member, done](const Result<Position>& at) {
      if (member.is_down) return;
      coverage_.count(at ? "an append to a second log" : "a failed append to a second log");
      done(at);
    });
    std::vector<replog::AppendCall> calls;
    Bytes data("second" + std::to_string(++second_appends_));
    calls.push_back({std::move(data), 0, std::move(promise), false, {}, nullptr});
    member.second->append(std::move(calls));
  });
}

// What two members know to be chosen is the same.
std::string LogCluster::check_second() const {
  std::map<Position, std::pair<NodeId, replog::Value>> chosen;
  for (const LogMember& member : members_) {
    if (!member.second) continue;
    for (const auto& [at, entry] : member.second_disk.entries) {
      if (at >= member.second_disk.chosen_end) break;
      auto [known, is_new] = chosen.try_emplace(at, member.peer.id, entry.value);
      if (is_new || known->second.second == entry.value) continue;
      return "the second log differs at " + std::to_string(at.value()) + " between " +
             name_of(member) + " and member " + std::to_string(known->second.first.value());
    }
  }
  return "";
}

void LogCluster::crash(LogMember& member) {
  if (member.is_down) return;
  crashes_ += 1;
  member.is_down = true;
  count_metrics(member);
  if (options_.tenant) options_.tenant->leave(member);
  if (member.shared) member.shared->end();
  member.driver.reset();
  member.second.reset();
  member.shared.reset();
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

void LogCluster::wipe(LogMember& member) {
  crash(member);
  coverage_.count("a disk was wiped");
  member.disk = Disk{};
  member.second_disk = Disk{};
  member.snapshots = SnapshotDisk{};
  member.before_last = BeforeLast{};
  member.directory += 100;
  member.was_wiped = true;
  checker_.on_wiped(member.peer.id);
  start(member);
}

void LogCluster::pause(LogMember& member, Duration duration, bool stops_clock) {
  if (member.is_down) return;
  member.host->pause(world_.now() + duration, stops_clock);
  bool is_leading = member.driver->snapshot().leadership.is_self;
  coverage_.count(is_leading ? "a leader was paused" : "a member was paused");
}

void LogCluster::cut(const LogMember& a, const LogMember& b) {
  cut_one_way(a, b);
  cut_one_way(b, a);
}

void LogCluster::cut_one_way(const LogMember& from, const LogMember& to) {
  network_.cut(from.process.id, to.process.id);
}

void LogCluster::heal() {
  network_.heal();
  network_.faults = NetworkFaults{};
  for (LogMember& member : members_) {
    member.disk.fails = false;
    member.process.disk_max = milliseconds(2);
    // A replica whose disk failed has stopped for good: its process must be started again.
    bool has_failed = member.driver && member.driver->has_failed();
    if (has_failed || (member.second && member.second->has_failed())) crash(member);
    if (member.is_down) start(member);
  }
}

void LogCluster::ask(LogMember& member, std::function<void()> question) {
  if (!member.is_down) member.host->post(std::move(question));
}

void LogCluster::append(LogMember& member, std::string text, std::uint64_t term,
                        std::function<void(const Result<Position>&)> done,
                        const CallOptions& options) {
  ask(member,
      [this, &member, data = Bytes(std::move(text)), term, done = std::move(done), options] {
        Promise<Position> promise;
        promise.op().then([this, &member, data, done](const Result<Position>& at) {
          if (member.is_down) return;  // It died, and told nobody.
          if (at) {
            std::map<NodeId, const Disk*> disks;
            for (const LogMember& other : members_) {
              disks[other.peer.id] = other.was_wiped ? nullptr : &other.disk;
            }
            checker_.on_acknowledged(*at, data, disks);
            note(100, at->value());
          } else {
            bool is_known = at.error().outcome == Outcome::not_applied;
            if (is_known) checker_.on_not_applied(data);
            coverage_.count(std::string("an append failed: ") +
                            std::string(to_string(at.error().code)) +
                            (is_known ? ", not applied" : ", maybe applied"));
          }
          done(at);
        });
        std::vector<replog::AppendCall> calls;
        checker_.on_asked(member.peer.id, data);
        calls.push_back({data, term, std::move(promise), false, options, nullptr});
        member.driver->append(std::move(calls));
      });
}

void LogCluster::catch_up(LogMember& member, std::function<void(const Result<LogRange>&)> done) {
  ask(member, [this, &member, done = std::move(done)] {
    Promise<LogRange> promise;
    promise.op().then([this, &member, seen_before = checker_.highest_seen(),
                       done](const Result<LogRange>& range) {
      if (member.is_down) return;
      if (range) checker_.on_caught_up(seen_before, *range);
      coverage_.count(range ? "a catch-up succeeded" : "a catch-up failed");
      done(range);
    });
    member.driver->catch_up(std::move(promise));
  });
}

void LogCluster::start_writer(LogMember& member,
                              std::function<void(const Result<std::uint64_t>&)> done) {
  ask(member, [this, &member, done = std::move(done)] {
    Promise<std::uint64_t> promise;
    promise.op().then([this, &member, done](const Result<std::uint64_t>& term) {
      if (member.is_down) return;
      coverage_.count(term ? "a writer began" : "a writer did not come to begin");
      done(term);
    });
    member.driver->start_writer(std::move(promise));
  });
}

void LogCluster::truncate(LogMember& member, Position to) {
  ask(member, [this, &member, to] {
    Promise<Position> promise;
    promise.op().then([this, &member](const Result<Position>& kept_from) {
      if (member.is_down) return;
      coverage_.count(kept_from ? "the log was shortened" : "the log was not shortened");
    });
    member.driver->truncate(to, std::move(promise));
  });
}

void LogCluster::add_member(LogMember& member, LogMember& spare, MemberRole role) {
  ask(member, [this, &member, &spare, role] {
    Promise<JoinToken> promise;
    promise.op().then([this, &member, &spare, role](const Result<JoinToken>& token) {
      if (member.is_down) return;
      bool is_witness = role == MemberRole::witness;
      coverage_.count(token ? (is_witness ? "a witness was added" : "a member was added")
                            : "adding a member failed: " +
                                  std::string(to_string(token.error().code)));
      if (token && !spare.peer.id) join(spare, *token);
    });
    member.driver->add_member(AddMember{spare.peer.endpoint, role}, std::move(promise));
  });
}

void LogCluster::change_members(LogMember& member, std::vector<MemberEdit> edits) {
  ask(member, [this, &member, edits = std::move(edits)] {
    Promise<Members> promise;
    promise.op().then([this, &member](const Result<Members>& members) {
      if (member.is_down) return;
      coverage_.count(members ? "the members were changed"
                              : "changing the members failed: " +
                                    std::string(to_string(members.error().code)));
    });
    member.driver->change_members(edits, std::move(promise));
  });
}

void LogCluster::transfer_leadership(LogMember& member, NodeId to) {
  ask(member, [this, &member, to] {
    Promise<Leadership> promise;
    promise.op().then([this, &member](const Result<Leadership>& leadership) {
      if (member.is_down) return;
      coverage_.count(leadership ? "leadership was transferred"
                                 : "a transfer of leadership failed: " +
                                       std::string(to_string(leadership.error().code)));
    });
    member.driver->transfer_leadership(to, std::move(promise));
  });
}

void LogCluster::observe(ProcessId from, const Bytes& bytes, bool is_doubled) {
  auto envelope = replog::decode_envelope(bytes);
  CLUSTER_CHECK(envelope.has_value(), "members' messages can be decoded");
  bool is_other = options_.has_hosts && envelope->log != main_log;
  if (is_other || std::holds_alternative<replog::NoSuchLog>(envelope->message)) return;
  const LogMember& member = members_[from.value() - 1];
  checker_.on_message(*envelope, member.disk);
  count_message(member, envelope->message, is_doubled);
  note(envelope->message.index(), from.value());
}

void LogCluster::count_message(const LogMember& from, const replog::Message& message,
                               bool is_doubled) {
  if (is_doubled && std::holds_alternative<replog::Forward>(message)) {
    coverage_.count("a Forward came twice");
  }
  if (auto* forward = std::get_if<replog::Forward>(&message); forward && !is_doubled) {
    for (const auto& item : forward->items) {
      bool is_new =
          forwarded_.emplace(from.peer.id, replog::term_of(forward->ballot), item.tag).second;
      if (!is_new) coverage_.count("a Forward was sent again");
    }
  }
  if (!from.driver) return;
  Position in_memory = from.driver->core().acceptor().window().first();
  if (auto* told = std::get_if<replog::Learned>(&message)) {
    bool is_stored = !told->entries.empty() && told->entries.front().position < in_memory;
    if (is_stored) coverage_.count("learned from a store");
  } else if (std::holds_alternative<replog::SnapshotOffered>(message)) {
    coverage_.count("one that lacked forgotten entries was told how the log begins");
  } else if (auto* refused = std::get_if<replog::Forwarded>(&message)) {
    bool is_late = from.driver->core().role() == replog::Role::leader &&
                   refused->ballot < from.driver->core().acceptor().promised();
    if (is_late) coverage_.count("a Forward came in a later term of its leader");
  } else if (auto* answer = std::get_if<replog::Promised>(&message)) {
    bool is_stored = answer->granted && answer->first < in_memory;
    if (is_stored) coverage_.count("a promise told from a store");
  }
}

void LogCluster::count_metrics() {
  for (const LogMember& member : members_) count_metrics(member);
}

void LogCluster::count_metrics(const LogMember& member) {
  if (!member.driver) return;
  for (const Metric& metric : member.driver->core().metrics()) {
    bool is_counted = metric.kind == Metric::Kind::counter && metric.value > 0;
    if (is_counted) coverage_.count(metric.name, static_cast<std::uint64_t>(metric.value));
  }
  for (const Metric& metric : member.driver->metrics()) {
    if (!metric.name.starts_with("cluster_log_scrub") || metric.value == 0) continue;
    coverage_.count(metric.name, static_cast<std::uint64_t>(metric.value));
  }
}

// Makes two runs of one seed comparable, and so nondeterminism visible.
void LogCluster::note(std::uint64_t what, std::uint64_t number) {
  auto now = static_cast<std::uint64_t>(world_.now().time_since_epoch().count());
  fingerprint_ = (fingerprint_ ^ (what << 56) ^ (number << 40) ^ now) * 0x9e3779b97f4a7c15u;
  fingerprint_ ^= fingerprint_ >> 31;
}

}  // namespace cluster::sim
