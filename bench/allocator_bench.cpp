// What the allocator costs at the sizes Mesos benchmarks its own with. One line of JSON per size,
// with Mesos' figures for the same work beside ours.
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "cluster/allocator.hpp"

namespace {

using cluster::AgentId;
using cluster::Allocator;
using cluster::FrameworkId;
using cluster::Grant;
using cluster::Resources;
using cluster::Time;

// Mesos 1.12 built from its sources with -O2, HierarchicalAllocatorProcess with DRF sorters on a
// machine of the same kind (2 virtual cores): milliseconds of the allocator's own CPU time. 0 where
// it was not measured.
struct Size {
  std::size_t agents;
  std::size_t frameworks;
  double mesos_add_ms;
  double mesos_update_ms;
  double mesos_cycle_ms;
  double mesos_filtered_ms;
};
constexpr Size sizes[] = {
    {1'000, 50, 71, 31, 38, 424},      {1'000, 1'000, 71, 47, 50, 0},
    {5'000, 200, 335, 207, 205, 0},    {10'000, 50, 662, 412, 376, 0},
    {10'000, 1'000, 757, 566, 552, 0},
};

template <class Work>
double milliseconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  return spent.count();
}

Resources resources(const char* text) { return Resources::parse(text).value(); }

struct Cluster {
  std::vector<AgentId> agents;
  std::vector<FrameworkId> frameworks;
  Resources total = resources("cpus:24;mem:4096;disk:4096;ports:[31000-32000]");
  Resources used = resources("cpus:2;mem:1024;ports:[31126-31510]");

  explicit Cluster(const Size& size) {
    for (std::size_t i = 0; i < size.agents; ++i) {
      agents.emplace_back("5d3c1bd0-93c1-4b5f-a4c3-0b1f0a1d7f60-S" + std::to_string(i));
    }
    for (std::size_t i = 0; i < size.frameworks; ++i) {
      frameworks.emplace_back("5d3c1bd0-93c1-4b5f-a4c3-0b1f0a1d7f60-F" + std::to_string(i));
    }
  }

  const FrameworkId& user_of(std::size_t agent) const {
    return frameworks[agent % frameworks.size()];
  }
};

void return_all(Allocator& allocator, const std::vector<Grant>& grants, Time refuse_until) {
  for (const Grant& grant : grants) {
    allocator.recover(grant.framework, grant.agent, grant.resources, refuse_until);
  }
}

// Each agent has a task. Adding, changing what is used, one cycle that offers all, one that has
// nothing to do.
void run_cycles(const Size& size) {
  const Cluster cluster(size);
  Allocator allocator;
  for (const FrameworkId& id : cluster.frameworks) allocator.add_framework(id, "*");

  const double add = milliseconds([&] {
    for (std::size_t i = 0; i < cluster.agents.size(); ++i) {
      allocator.add_agent(cluster.agents[i], cluster.total, {{cluster.user_of(i), cluster.used}});
    }
  });
  const double update = milliseconds([&] {
    for (std::size_t i = 0; i < cluster.agents.size(); ++i) {
      allocator.recover(cluster.user_of(i), cluster.agents[i], cluster.used);
      allocator.charge(cluster.user_of(i), cluster.agents[i], cluster.used);
    }
  });
  std::vector<Grant> grants;
  Time now{std::chrono::seconds(1)};
  const double cycle = milliseconds([&] { grants = allocator.allocate(now); });
  const std::size_t offered = grants.size();
  const double idle = milliseconds([&] { allocator.allocate(now); });

  std::printf(
      "{\"bench\":\"allocator\",\"agents\":%zu,\"frameworks\":%zu,\"offered\":%zu,"
      "\"add_ms\":%.2f,\"mesos_add_ms\":%.0f,\"update_ms\":%.2f,\"mesos_update_ms\":%.0f,"
      "\"cycle_ms\":%.2f,\"mesos_cycle_ms\":%.0f,\"idle_ms\":%.4f}\n",
      size.agents, size.frameworks, offered, add, size.mesos_add_ms, update, size.mesos_update_ms,
      cycle, size.mesos_cycle_ms, idle);
}

// Every framework refuses every agent. Then a cycle with nothing changed; one in which every agent
// is looked at again, against all filters; one after a single framework revived; and one in which
// all filters end.
void run_filters(const Size& size) {
  const Cluster cluster(size);
  Allocator allocator;
  for (const FrameworkId& id : cluster.frameworks) allocator.add_framework(id, "*");
  for (const AgentId& id : cluster.agents) allocator.add_agent(id, cluster.total);

  const Time now{std::chrono::seconds(1)};
  const Time until{std::chrono::hours(1)};
  std::size_t filters = 0;
  const double decline = milliseconds([&] {
    for (;;) {
      const std::vector<Grant> grants = allocator.allocate(now);
      if (grants.empty()) break;
      filters += grants.size();
      return_all(allocator, grants, until);
    }
  });
  std::size_t offered = 0;
  const double idle = milliseconds([&] { offered += allocator.allocate(now).size(); });
  for (const AgentId& id : cluster.agents) {
    allocator.set_agent_active(id, false);
    allocator.set_agent_active(id, true);
  }
  const double all = milliseconds([&] { offered += allocator.allocate(now).size(); });
  std::vector<Grant> grants;
  allocator.revive(cluster.frameworks.back());
  const double revive = milliseconds([&] { grants = allocator.allocate(now); });
  return_all(allocator, grants, until);
  allocator.allocate(now);
  std::size_t ended = 0;
  const double expire = milliseconds([&] { ended = allocator.allocate(until).size(); });

  std::printf(
      "{\"bench\":\"allocator_filters\",\"agents\":%zu,\"frameworks\":%zu,\"filters\":%zu,"
      "\"decline_all_ms\":%.2f,\"offered\":%zu,\"idle_ms\":%.4f,\"all_agents_ms\":%.2f,"
      "\"mesos_ms\":%.0f,\"revive_one_ms\":%.2f,\"expire_all_ms\":%.2f,\"offered_then\":%zu}\n",
      size.agents, size.frameworks, filters, decline, offered, idle, all, size.mesos_filtered_ms,
      revive, expire, ended);
}

}  // namespace

int main() {
  for (const Size& size : sizes) run_cycles(size);
  run_filters(sizes[0]);
  run_filters(sizes[2]);
}
