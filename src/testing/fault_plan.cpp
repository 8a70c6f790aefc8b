#include "testing/fault_plan.hpp"

#include <initializer_list>

#include "testing/cluster_impl.hpp"

namespace cluster::testing {

using sim::between;
using std::chrono::milliseconds;
using std::chrono::seconds;

Faults Faults::all() {
  return {.crash_every = milliseconds(1500),
          .partition_every = seconds(1),
          .pause_every = seconds(2),
          .disk_stall_every = seconds(5),
          .disk_failure_every = seconds(6),
          .loss_permille = 100,
          .duplicate_permille = 100,
          .slow_permille = 30,
          .delay_max = milliseconds(5),
          .clock_drift_permille = 4,
          .is_mixed = true};
}

Faults FaultPlan::drawn(const Faults& most, std::uint64_t seed) {
  if (!most.is_mixed) return most;
  Random random(seed ^ 0xfa0175);
  Faults faults = most;
  // Rarer by a factor, or never.
  auto draw_every = [&](Duration& every) {
    every *= std::initializer_list<int>{0, 1, 1, 2, 4}.begin()[random.below(5)];
  };
  auto draw_rate = [&](std::uint32_t& rate) {
    rate /= std::initializer_list<std::uint32_t>{1, 4, 1000, 1000}.begin()[random.below(4)];
  };
  draw_every(faults.crash_every);
  draw_every(faults.partition_every);
  draw_every(faults.pause_every);
  draw_every(faults.disk_stall_every);
  draw_every(faults.disk_failure_every);
  draw_rate(faults.loss_permille);
  draw_rate(faults.duplicate_permille);
  draw_rate(faults.slow_permille);
  draw_rate(faults.clock_drift_permille);
  if (random.chance(1, 2)) {
    faults.delay_max = std::max<Duration>(faults.delay_max / 10, milliseconds(1));
  }
  return faults;
}

void FaultPlan::begin(const Faults& faults) {
  is_on_ = true;
  sim::NetworkFaults& network = cluster_.network.faults;
  network.loss_permille = faults.loss_permille;
  network.double_permille = faults.duplicate_permille;
  network.slow_permille = faults.slow_permille;
  network.delay_max = faults.delay_max;
  repeat(faults.crash_every, [this] { crash(); });
  repeat(faults.partition_every, [this] { cut(); });
  repeat(faults.disk_failure_every, [this] { fail_disk(); });
  repeat(faults.pause_every, [this] {
    Machine& machine = any_machine();
    Random& random = cluster_.world.random();
    bool is_short = random.chance(1, 2);
    machine.node.cluster().pause(machine.node.index(),
                                 is_short ? between(random, milliseconds(5), milliseconds(500))
                                          : between(random, milliseconds(600), seconds(3)));
  });
  repeat(faults.disk_stall_every, [this] {
    Machine& machine = any_machine();
    Duration time = between(cluster_.world.random(), milliseconds(100), seconds(4));
    machine.node.cluster().disk(machine.node.index()).stall(time);
  });
}

// At random times around `mean`.
template <class F>
void FaultPlan::repeat(Duration mean, F f) {
  if (mean == Duration::zero()) return;
  cluster_.world.after(between(cluster_.world.random(), mean / 4, mean * 2), [this, mean, f] {
    if (!is_on_) return;
    f();
    repeat(mean, f);
  });
}

Machine& FaultPlan::any_machine() {
  return cluster_.machines[cluster_.world.random().below(cluster_.machines.size())];
}

void FaultPlan::crash() {
  Machine& machine = any_machine();
  // What was opened by hand nobody would open again.
  if (!machine.is_up || !cluster_.programs[machine.node.index()]) return;
  cluster_.crash(machine, "crashes");
  Random& random = cluster_.world.random();
  // Back before its last messages have arrived, or after others have taken over.
  cluster_.restart_after(machine, random.chance(1, 3)
                                      ? between(random, Duration(1), milliseconds(5))
                                      : between(random, milliseconds(1), seconds(2)));
}

void FaultPlan::fail_disk() {
  Machine& machine = any_machine();
  if (!machine.is_up || !cluster_.programs[machine.node.index()]) return;
  machine.node.cluster().disk(machine.node.index()).fail_syncs();
  cluster_.world.after(between(cluster_.world.random(), milliseconds(50), seconds(1)),
                       [this, &machine, incarnation = machine.incarnation] {
                         machine.disks.fails = false;
                         if (!machine.is_up || machine.incarnation != incarnation) return;
                         cluster_.crash(machine, "is stopped, for its disk had failed");
                         cluster_.restart_after(machine, milliseconds(10));
                       });
}

void FaultPlan::cut() {
  Random& random = cluster_.world.random();
  Cluster& cluster = cluster_.machines.front().node.cluster();
  std::uint64_t kind = random.below(5);
  if (kind < 2) return cluster.heal();
  std::size_t alone = any_machine().node.index();
  if (kind == 2) return cluster.isolate(alone);
  if (kind == 3) {
    std::size_t other = any_machine().node.index();
    if (other != alone) cluster.cut(alone, other);
    return;
  }
  std::vector<std::size_t> groups[2];
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    groups[i == alone ? 0 : random.below(2)].push_back(i);
  }
  cluster.partition(groups[0], groups[1]);
}

}  // namespace cluster::testing
