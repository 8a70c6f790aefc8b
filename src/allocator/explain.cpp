// What the allocator tells about itself: why somebody got nothing, who holds what, and counts.
#include <algorithm>
#include <chrono>

#include "allocator/core.hpp"

namespace cluster::allocator {
namespace {

std::string agents_text(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " agent" : " agents");
}

// "4.2 s", rounded up: never "0.0 s" for what is still to come.
std::string seconds(Duration left) {
  const auto tenths = (left.count() + 99'999) / 100'000;
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " s";
}

}  // namespace

std::string Core::explain(const FrameworkId& id) const {
  const FrameworkSlot slot = frameworks_.find(id);
  if (!slot || !frameworks_[slot].known) return "is not known";
  const FrameworkRecord& framework = frameworks_[slot];
  if (!framework.active) return "is inactive";
  if (framework.suppressed) return "is suppressed";
  if (counters_.cycles > 0 && framework.granted_in == counters_.cycles) {
    return "was offered " + agents_text(framework.grants);
  }
  if (framework.fresh) return "has been able to take offers only since the last allocation";

  std::string text;
  const auto add_reason = [&text](const std::string& reason) {
    text += (text.empty() ? "" : "; ") + reason;
  };
  const std::string filters = explain_filters(slot);
  if (!filters.empty()) add_reason(filters);
  if (small_agents_ > 0) {
    add_reason(agents_text(small_agents_) + " with less free than the least offer");
  }
  if (last_grants_ > 0) {
    add_reason("other frameworks with a smaller share were served first");
  }
  if (!text.empty()) return text;
  if (agents_.size() == 0) return "there is no agent";
  return active_agents_ == 0 ? "no agent is active" : "no agent has anything free";
}

std::string Core::explain_filters(FrameworkSlot slot) const {
  std::size_t count = 0;
  Time first = time_never;
  Time last = Time::min();
  for (const AgentSlot agent_slot : frameworks_[slot].filtered) {
    const AgentRecord& agent = agents_[agent_slot];
    if (agent.state != AgentState::settled || !filtered(agent, slot)) continue;
    const Time until = find_in(agent.filters, slot)->until;
    ++count;
    first = std::min(first, until);
    last = std::max(last, until);
  }
  if (count == 0) return {};
  std::string text = agents_text(count) + (count == 1 ? " is filtered" : " are filtered");
  if (first == time_never) return text + " for good";
  text += count == 1 ? " until its refusal ends" : " until their refusal ends";
  return text + (first == last ? " in " : ", the first in ") + seconds(first - now_);
}

double Core::dominant_share(const FrameworkId& id) const {
  const FrameworkSlot slot = frameworks_.find(id);
  return slot ? std::min(1.0, share(frameworks_[slot].total)) : 0;
}

Resources Core::available(const AgentId& id) const {
  const AgentSlot slot = agents_.find(id);
  return slot ? to_resources(agents_[slot].free, names_) : Resources();
}

Resources Core::allocated(const FrameworkId& id) const {
  const FrameworkSlot slot = frameworks_.find(id);
  if (!slot) return {};
  // Ranges and sets of several agents are united here, so they can't be kept as a running sum.
  const FrameworkRecord& framework = frameworks_[slot];
  Bag bag{framework.total, {}};
  for (const AgentSlot agent : framework.agents) {
    add_compatible(bag.others, find_in(agents_[agent].holdings, slot)->bag.others);
  }
  return to_resources(bag, names_);
}

Metrics Core::metrics() const {
  const auto counter = [](const char* name, const char* help, std::uint64_t value) {
    return Metric{name, help, Metric::Kind::counter, static_cast<double>(value)};
  };
  const auto gauge = [](const char* name, const char* help, std::size_t value) {
    return Metric{name, help, Metric::Kind::gauge, static_cast<double>(value)};
  };
  return {
      counter("cluster_allocator_cycles_total", "Allocations run.", counters_.cycles),
      counter("cluster_allocator_considered_total", "Agents looked at by allocations.",
              counters_.considered),
      counter("cluster_allocator_grants_total", "Offers made.", counters_.grants),
      counter("cluster_allocator_refusals_total", "Filters set.", counters_.filters),
      gauge("cluster_allocator_filters", "Filters in place.", expiries_.size()),
      gauge("cluster_allocator_agents", "Agents known.", agents_.size()),
      gauge("cluster_allocator_agents_settled", "Agents with something free that nobody wants.",
            settled_agents_),
      gauge("cluster_allocator_frameworks", "Frameworks known.", known_frameworks_),
  };
}

}  // namespace cluster::allocator
