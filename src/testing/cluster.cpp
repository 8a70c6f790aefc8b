#include <algorithm>
#include <exception>

#include "base/check.hpp"
#include "testing/cluster_impl.hpp"

namespace cluster::testing {
namespace {

constexpr Duration start_again_after = std::chrono::milliseconds(500);

std::string name_of(std::size_t node) { return "node " + std::to_string(node); }
sim::ProcessId process_of(std::size_t node) { return sim::ProcessId(node + 1); }

std::string numbers(const std::vector<std::size_t>& nodes) {
  std::string text = "{";
  for (std::size_t node : nodes) text += (text.size() > 1 ? ", " : "") + std::to_string(node);
  return text + "}";
}

std::string seconds(Duration duration) {
  return std::to_string(static_cast<double>(duration.count()) / 1e6) + " s";
}

}  // namespace

// The world and who lives in it.

Cluster::Impl::Impl(Cluster& cluster, Options its_options)
    : options(std::move(its_options)),
      world(options.seed),
      user_random(options.seed ^ 0x75e5),
      programs(options.nodes),
      running(options.nodes),
      faults(*this) {
  cluster::detail::enter_simulation();
  CLUSTER_CHECK(options.nodes > 0, "a cluster has nodes");
  CLUSTER_CHECK(options.founders <= options.nodes, "founders are nodes");
  Faults drawn = FaultPlan::drawn(options.faults, options.seed);
  for (std::size_t i = 0; i < options.nodes; ++i) {
    Machine& machine = machines.emplace_back(Node(cluster, i));
    machine.sink = std::make_unique<NodeSink>(trace, name_of(i), options.log_sink);
    machine.process_options.id = process_of(i);
    machine.process_options.logger = Logger(*machine.sink, "", options.log_level);
    machine.process_options.offset = std::chrono::seconds(world.random().below(1000));
    auto drift =
        static_cast<std::int64_t>(world.random().below(drawn.clock_drift_permille * 2 + 1));
    machine.process_options.drift_permille = drift - std::int64_t{drawn.clock_drift_permille};
    machine.process_options.disks = &machine.disks;
    boot(machine);
  }
  faults.begin(drawn);
}

Cluster::Impl::~Impl() {
  faults.end();
  for (Machine& machine : machines) {
    if (machine.is_up) machine.process->kill();
    machine.is_up = false;
  }
  running.clear();
  end_dying();
  world.end();
  cluster::detail::leave_simulation();
}

bool Cluster::Impl::step(Time until) {
  struct Stepping {
    bool& is_on;
    explicit Stepping(bool& flag) : is_on(flag) { is_on = true; }
    ~Stepping() { is_on = false; }
  };
  bool has_more = false;
  {
    Stepping stepping(is_stepping);
    has_more = world.step(until);
  }
  trace.on_event();
  end_dying();
  return has_more;
}

void Cluster::Impl::end_dying() {
  while (!dying.empty()) std::vector<Running>().swap(dying);
  dying_checked.clear();
}

void Cluster::Impl::boot(Machine& machine) {
  machine.disks.release();
  auto process = std::make_unique<sim::Process>(world, network, machine.process_options);
  machine.process = process.get();
  machine.runtime = runtimes.emplace_back(std::make_unique<Runtime>(std::move(process))).get();
  machine.is_up = true;
  machine.incarnation += 1;
}

void Cluster::Impl::run_program(Machine& machine) {
  std::size_t i = machine.node.index();
  if (!programs[i]) return;
  trace.add(name_of(i), "starts");
  std::uint64_t incarnation = machine.incarnation;
  Running started = programs[i](machine.node);
  // It may have ended already.
  if (!machine.is_up || machine.incarnation != incarnation) {
    return dying.push_back(std::move(started));
  }
  running[i] = std::move(started);
  if (running[i].has_started) return;
  crash(machine, "could not start");
  restart_after(machine, start_again_after);
}

void Cluster::Impl::crash(Machine& machine, const char* why) {
  if (!machine.is_up) return;
  std::size_t i = machine.node.index();
  trace.add(name_of(i), why);
  machine.is_up = false;
  machine.process->kill(machine.loses_unsynced);
  dying.push_back(std::exchange(running[i], {}));
  for (auto& one : machine.checked) dying_checked.push_back(std::move(one));
  machine.checked.clear();
  if (!is_stepping) end_dying();
}

void Cluster::Impl::restart_after(Machine& machine, Duration wait) {
  world.after(wait, [this, &machine, incarnation = machine.incarnation] {
    if (machine.is_up || machine.incarnation != incarnation) return;
    boot(machine);
    run_program(machine);
  });
}

void Cluster::Impl::heal() {
  network.heal();
  trace.add("", "all reach all");
}

void Cluster::Impl::end_faults() {
  faults.end();
  network.faults = sim::NetworkFaults{};
  trace.add("", "no more faults");
  heal();
  for (Machine& machine : machines) {
    machine.disks.fails = false;
    machine.loses_unsynced = false;
    // A replica whose disk failed has stopped for good.
    if (machine.disks.has_failed) crash(machine, "is stopped, for its disk had failed");
    if (!machine.is_up) restart_after(machine, Duration(1));
  }
}

std::uint16_t Cluster::Impl::port_of(const std::string& name) {
  auto next = static_cast<std::uint16_t>(7000 + ports.size());
  return ports.try_emplace(name, next).first->second;
}

Agreement& Cluster::Impl::agreement(const std::string& name) {
  auto fails = [this](const std::string& what) { fail(what); };
  return agreements.try_emplace(name, fails).first->second;
}

void Cluster::Impl::fail(const std::string& what) {
  if (failure) return;
  trace.add("", "FAILED: " + what);
  failure = what;
}

// Nodes.

bool Node::is_up() const { return cluster_->impl_->machines[index_].is_up; }
Runtime& Node::runtime() { return *cluster_->impl_->machines[index_].runtime; }
Time Node::now() const { return cluster_->impl_->machines[index_].process->now(); }

Endpoint Node::endpoint(const std::string& name) const {
  return {"node-" + std::to_string(index_), cluster_->impl_->port_of(name)};
}

LogOptions Node::log_options(const std::string& name) {
  Cluster::Impl& impl = *cluster_->impl_;
  LogOptions options;
  options.directory = "node-" + std::to_string(index_) + "/" + name;
  options.cluster = ClusterUid(7);
  options.listen = endpoint(name);
  std::size_t founders = impl.options.founders == 0 ? impl.options.nodes : impl.options.founders;
  if (index_ < founders) {
    options.self = id();
    for (std::size_t i = 0; i < founders; ++i) {
      const Node& one = impl.machines[i].node;
      options.members.push_back({one.id(), one.endpoint(name)});
    }
  }
  // The same for all runs of the node: what differs is what happens.
  Random random(impl.options.seed ^ (0x5a05u + index_));
  options.snapshots.after_entries = random.chance(1, 2) ? 20 : 200;
  options.snapshots.keep_bytes = random.chance(1, 2) ? 0 : 1000;
  return options;
}

void Node::after(Duration wait, std::function<void()> f) {
  Machine& machine = cluster_->impl_->machines[index_];
  if (!machine.is_up) return;
  Duration in_world = wait * 1000 / (1000 + machine.process_options.drift_permille);
  cluster_->impl_->world.after(in_world, [process = machine.process, f = std::move(f)]() mutable {
    if (process->is_alive()) process->delivery()->execute(std::move(f));
  });
}

StateMachine& Node::checked(StateMachine& machine, const std::string& name) {
  Machine& self = cluster_->impl_->machines[index_];
  Agreement& agreement = cluster_->impl_->agreement(name);
  self.checked.push_back(std::make_unique<CheckedMachine>(index_, machine, agreement));
  return *self.checked.back();
}

void Node::note(const std::string& line) { cluster_->impl_->trace.add(name_of(index_), line); }

void Node::exit() {
  Machine& machine = cluster_->impl_->machines[index_];
  if (!machine.is_up) return;
  cluster_->impl_->crash(machine, "exits");
  cluster_->impl_->restart_after(machine, start_again_after);
}

// Disks and the network.

void Disk::fail_syncs(bool fail) {
  cluster_->impl_->machines[index_].disks.fails = fail;
  cluster_->impl_->trace.add(name_of(index_), fail ? "syncs fail" : "syncs succeed again");
}

void Disk::lose_unsynced(bool lose) { cluster_->impl_->machines[index_].loses_unsynced = lose; }

void Disk::stall(Duration duration) {
  Machine& machine = cluster_->impl_->machines[index_];
  if (!machine.is_up) return;
  cluster_->impl_->trace.add(name_of(index_), "its disk stalls for " + seconds(duration));
  machine.process->stall_disk(cluster_->impl_->world.now() + duration);
}

void Disk::wipe() {
  Machine& machine = cluster_->impl_->machines[index_];
  CLUSTER_CHECK(!machine.is_up, "a disk is wiped while its node is down", index_);
  cluster_->impl_->trace.add(name_of(index_), "gets an empty disk");
  machine.disks.wipe();
}

void Network::delay(Duration least, Duration most) {
  sim::NetworkFaults& faults = cluster_->impl_->network.faults;
  faults.delay_min = least;
  faults.delay_max = std::max(least, most);
}
void Network::loss(std::uint32_t permille) {
  cluster_->impl_->network.faults.loss_permille = permille;
}
void Network::duplicate(std::uint32_t permille) {
  cluster_->impl_->network.faults.double_permille = permille;
}
void Network::slow(std::uint32_t permille, Duration most) {
  cluster_->impl_->network.faults.slow_permille = permille;
  cluster_->impl_->network.faults.slow_max = most;
}
std::uint64_t Network::messages() const { return cluster_->impl_->network.messages(); }

// The cluster.

Cluster::Cluster(Options options) : impl_(std::make_unique<Impl>(*this, std::move(options))) {}
Cluster::~Cluster() = default;

std::uint64_t Cluster::seed() const { return impl_->options.seed; }
std::size_t Cluster::size() const { return impl_->machines.size(); }
Node& Cluster::node(std::size_t i) { return impl_->machines.at(i).node; }
Time Cluster::now() const { return impl_->world.now(); }

void Cluster::start_program(std::size_t i, std::function<Running(Node&)> program) {
  Machine& machine = impl_->machines.at(i);
  impl_->programs[i] = std::move(program);
  if (impl_->running[i].has_started) impl_->crash(machine, "is stopped for another program");
  if (!machine.is_up) impl_->boot(machine);
  impl_->run_program(machine);
}

const Cluster::Running& Cluster::running_program(std::size_t i) const {
  return impl_->running.at(i);
}

bool Cluster::run_until(const std::function<bool()>& is_done, Duration limit) {
  if (impl_->is_stepping) {
    fail("run_for, run_until or wait was called inside of the simulation, where no time can pass");
    return false;
  }
  Time end = impl_->world.now() + limit;
  while (!impl_->failure) {
    if (is_done && is_done()) return true;
    if (!impl_->step(end)) return !is_done || is_done();
  }
  return false;
}

bool Cluster::run_for(Duration duration) { return run_until({}, duration) && !impl_->failure; }

Error Cluster::why_not_done() const {
  if (impl_->is_stepping) {
    return {Errc::would_deadlock, "wait() was called inside of the simulation; use then()",
            Outcome::maybe};
  }
  if (impl_->failure)
    return {Errc::failed, "the run has failed: " + *impl_->failure, Outcome::maybe};
  return {Errc::timed_out, "it had not ended when its limit of simulated time was over",
          Outcome::maybe};
}

void Cluster::crash(std::size_t i) { impl_->crash(impl_->machines.at(i), "crashes"); }

void Cluster::restart(std::size_t i) {
  Machine& machine = impl_->machines.at(i);
  impl_->crash(machine, "is stopped");
  impl_->boot(machine);
  impl_->run_program(machine);
}

void Cluster::pause(std::size_t i, Duration duration) {
  Machine& machine = impl_->machines.at(i);
  if (!machine.is_up) return;
  impl_->trace.add(name_of(i), "stands still for " + seconds(duration));
  machine.process->pause(impl_->world.now() + duration, false);
}

void Cluster::partition(const std::vector<std::size_t>& some,
                        const std::vector<std::size_t>& others) {
  impl_->trace.add("", "a partition between " + numbers(some) + " and " + numbers(others));
  for (std::size_t one : some) {
    for (std::size_t other : others) {
      impl_->network.cut(process_of(one), process_of(other));
      impl_->network.cut(process_of(other), process_of(one));
    }
  }
}

void Cluster::isolate(std::size_t i) {
  std::vector<std::size_t> others;
  for (std::size_t other = 0; other < size(); ++other) {
    if (other != i) others.push_back(other);
  }
  partition({i}, others);
}

void Cluster::cut(std::size_t from, std::size_t to) {
  impl_->trace.add("", name_of(to) + " hears nothing of " + name_of(from));
  impl_->network.cut(process_of(from), process_of(to));
}

void Cluster::heal() { impl_->heal(); }
void Cluster::end_faults() { impl_->end_faults(); }

std::uint64_t Cluster::random() { return impl_->user_random.next(); }
std::size_t Cluster::below(std::size_t end) { return impl_->user_random.below(end); }
bool Cluster::chance(std::uint32_t permille) { return impl_->user_random.chance(permille, 1000); }

void Cluster::note(const std::string& line) { impl_->trace.add("", line); }
void Cluster::fail(const std::string& what) { impl_->fail(what); }
const std::optional<std::string>& Cluster::failure() const { return impl_->failure; }
std::vector<std::string> Cluster::trace() const { return impl_->trace.lines(); }
std::uint64_t Cluster::digest() const { return impl_->trace.digest(); }

std::string Cluster::report() const {
  std::string text = impl_->failure ? "failed: " + *impl_->failure : "nothing has failed";
  text += "\nseed " + std::to_string(seed()) + "; what happened, by seconds of simulated time:\n";
  for (const std::string& line : trace()) text += line + "\n";
  return text;
}

// Checkers.

void Fencing::began(std::size_t node, std::uint64_t token) {
  auto [at, is_new] = holders_.try_emplace(token, node);
  if (is_new || at->second == node) return;
  cluster_->fail(name_of(node) + " and " + name_of(at->second) + " hold " + name_ + " by token " +
                 std::to_string(token));
}

void Fencing::accepted(std::size_t node, std::uint64_t token) {
  began(node, token);
  if (token < newest_) {
    cluster_->fail(name_ + " took an action of " + name_of(node) + " by token " +
                   std::to_string(token) + " after one by token " + std::to_string(newest_) +
                   ": it must refuse tokens that are older than it has seen");
  }
  newest_ = std::max(newest_, token);
}

std::optional<Failure> find_failure(Options options, std::uint64_t count,
                                    const std::function<void(Cluster&)>& body) {
  for (; count > 0; --count, ++options.seed) {
    Cluster cluster(options);
    try {
      body(cluster);
    } catch (const std::exception& thrown) {
      cluster.fail(std::string("an exception left the run: ") + thrown.what());
    }
    if (!cluster.failure()) continue;
    return Failure{options.seed, *cluster.failure(), cluster.report()};
  }
  return std::nullopt;
}

}  // namespace cluster::testing
