#include "allocator/core.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cluster::allocator {
Core::Core(const AllocatorOptions& options) : offer_min_(to_bag(options.offer_min, names_)) {}

void Core::set_weight(const std::string& role, double weight) {
  if (!(weight > 0) || !std::isfinite(weight)) return;
  const RoleSlot slot = role_slot(role);
  roles_[slot].weight = weight;
  roles_[slot].weight_is_set = true;
  rerank_role(slot);
}

void Core::add_agent(const AgentId& id, const Resources& total,
                     const std::vector<Allocator::Usage>& used) {
  remove_agent(id);
  const AgentSlot slot = agents_.add(id);
  ++active_agents_;
  AgentRecord& agent = agents_[slot];
  agent.total = to_bag(total, names_);
  agent.free = agent.total;
  add(cluster_total_, agent.total.scalars);
  all_stale_ = true;
  for (const Allocator::Usage& usage : used) {
    const Bag bag = to_bag(usage.resources, names_);
    if (!is_empty(bag)) hold(slot, framework_slot(usage.framework), bag);
  }
  grown(slot);
}

void Core::remove_agent(const AgentId& id) {
  const AgentSlot slot = agents_.find(id);
  if (!slot) return;
  AgentRecord& agent = agents_[slot];
  while (!agent.filters.empty()) drop_filter(slot, agent.filters.back().framework);
  while (!agent.holdings.empty()) {
    const Holding holding = agent.holdings.back();
    release(slot, holding.framework, holding.bag);
    drop_holder(holding.framework);
  }
  subtract(cluster_total_, agent.total.scalars);
  all_stale_ = true;
  set_state(agent, AgentState::empty);
  if (agent.active) --active_agents_;
  agents_.remove(slot);
}

void Core::set_agent_active(const AgentId& id, bool active) {
  const AgentSlot slot = agents_.find(id);
  if (!slot || agents_[slot].active == active) return;
  agents_[slot].active = active;
  if (active) {
    ++active_agents_;
    grown(slot);
  } else {
    --active_agents_;
    set_state(agents_[slot], AgentState::empty);
  }
}

void Core::add_framework(const FrameworkId& id, const std::string& role) {
  const FrameworkSlot slot = framework_slot(id);
  FrameworkRecord& framework = frameworks_[slot];
  if (framework.known) {
    if (roles_[framework.role].id == role) return;
    leave_role(slot);
  } else {
    framework.known = true;
    framework.rank = Rank{.age = next_age_++};
    framework.offers = 0;
    ++known_frameworks_;
  }
  framework.role = role_slot(role);
  framework.fresh = true;
  RoleRecord& record = roles_[framework.role];
  ++record.frameworks;
  add(record.total, framework.total);
  mark_stale(slot);
}

void Core::remove_framework(const FrameworkId& id) {
  const FrameworkSlot slot = frameworks_.find(id);
  if (!slot || !frameworks_[slot].known) return;
  FrameworkRecord& framework = frameworks_[slot];
  drop_filters(slot);
  leave_role(slot);
  framework.known = false;
  framework.active = true;
  framework.suppressed = false;
  framework.fresh = false;
  --known_frameworks_;
  drop_holder(slot);
}

void Core::set_framework_active(const FrameworkId& id, bool active) {
  const FrameworkSlot slot = frameworks_.find(id);
  if (!slot || !frameworks_[slot].known || frameworks_[slot].active == active) return;
  FrameworkRecord& framework = frameworks_[slot];
  framework.active = active;
  framework.fresh = active;
  // Who comes back has lost the offers it refused, and perhaps its memory of having done so.
  if (!active) drop_filters(slot);
  mark_stale(slot);
}

void Core::suppress(const FrameworkId& id) {
  const FrameworkSlot slot = frameworks_.find(id);
  if (!slot || !frameworks_[slot].known) return;
  frameworks_[slot].suppressed = true;
  mark_stale(slot);
}

void Core::revive(const FrameworkId& id) {
  const FrameworkSlot slot = frameworks_.find(id);
  if (!slot || !frameworks_[slot].known) return;
  drop_filters(slot);
  frameworks_[slot].suppressed = false;
  frameworks_[slot].fresh = true;
  mark_stale(slot);
}

void Core::recover(const FrameworkId& framework_id, const AgentId& agent_id,
                   const Resources& returned, Time refuse_until) {
  const AgentSlot agent = agents_.find(agent_id);
  const FrameworkSlot framework = frameworks_.find(framework_id);
  if (!agent || !framework) return;
  Bag bag = to_bag(returned, names_);
  release(agent, framework, bag);
  if (frameworks_[framework].known && refuse_until > now_ && !is_empty(bag)) {
    add_filter(agent, framework, refuse_until, std::move(bag));
  }
  grown(agent);
  drop_holder(framework);
}

void Core::charge(const FrameworkId& framework, const AgentId& agent, const Resources& resources) {
  const AgentSlot slot = agents_.find(agent);
  const Bag bag = to_bag(resources, names_);
  if (!slot || is_empty(bag)) return;
  hold(slot, framework_slot(framework), bag);
  shrunk(agents_[slot]);
}

FrameworkSlot Core::framework_slot(const FrameworkId& id) {
  const FrameworkSlot slot = frameworks_.find(id);
  return slot ? slot : frameworks_.add(id);
}

RoleSlot Core::role_slot(const std::string& role) {
  RoleSlot slot = roles_.find(role);
  if (!slot) {
    slot = roles_.add(role);
    roles_[slot].rank.age = next_age_++;
  }
  return slot;
}

void Core::leave_role(FrameworkSlot slot) {
  FrameworkRecord& framework = frameworks_[slot];
  if (framework.in_order) order_.erase(framework.role, slot, framework.rank);
  framework.in_order = false;
  RoleRecord& role = roles_[framework.role];
  subtract(role.total, framework.total);
  --role.frameworks;
  if (role.frameworks == 0 && !role.weight_is_set) {
    roles_.remove(framework.role);
  } else {
    rerank_role(framework.role);
  }
  framework.role = {};
}

void Core::drop_holder(FrameworkSlot slot) {
  const FrameworkRecord& framework = frameworks_[slot];
  if (!framework.known && framework.agents.empty()) frameworks_.remove(slot);
}

void Core::hold(AgentSlot agent_slot, FrameworkSlot slot, const Bag& bag) {
  AgentRecord& agent = agents_[agent_slot];
  FrameworkRecord& framework = frameworks_[slot];
  auto at = place_of(agent.holdings, slot);
  if (at == agent.holdings.end() || at->framework != slot) {
    at = agent.holdings.insert(at, Holding{slot, {}});
    framework.agents.insert(agent_slot);
  }
  add(at->bag.scalars, bag.scalars);
  add_compatible(at->bag.others, bag.others);
  add(framework.total, bag.scalars);
  if (framework.known) add(roles_[framework.role].total, bag.scalars);
  mark_stale(slot);

  subtract(agent.free.scalars, bag.scalars);
  if (!agent.free.others.contains(bag.others)) agent.overlapping = true;
  if (agent.overlapping) {
    recompute_others(agent);
  } else {
    agent.free.others -= bag.others;
  }
}

void Core::release(AgentSlot agent_slot, FrameworkSlot slot, const Bag& bag) {
  AgentRecord& agent = agents_[agent_slot];
  FrameworkRecord& framework = frameworks_[slot];
  const auto at = find_in(agent.holdings, slot);
  if (at == agent.holdings.end()) return;
  // No more comes back than is held: a second recovery of the same must not make resources.
  Bag clipped;
  const bool whole = covers(at->bag, bag);
  if (!whole) clipped = common(at->bag, bag);
  const Bag& back = whole ? bag : clipped;

  subtract(at->bag.scalars, back.scalars);
  at->bag.others -= back.others;
  if (is_empty(at->bag)) {
    agent.holdings.erase(at);
    framework.agents.erase(agent_slot);
  }
  subtract(framework.total, back.scalars);
  if (framework.known) subtract(roles_[framework.role].total, back.scalars);
  mark_stale(slot);

  add(agent.free.scalars, back.scalars);
  if (agent.overlapping) {
    recompute_others(agent);
  } else {
    agent.free.others += back.others;
  }
}

void Core::add_filter(AgentSlot agent, FrameworkSlot framework, Time until, Bag returned) {
  std::vector<Filter>& filters = agents_[agent].filters;
  const auto at = place_of(filters, framework);
  if (at != filters.end() && at->framework == framework) {
    expiries_.erase({at->until, agent, framework});
    at->until = until;
    at->returned = std::move(returned);
  } else {
    filters.insert(at, Filter{framework, until, std::move(returned)});
    frameworks_[framework].filtered.insert(agent);
  }
  expiries_.insert({until, agent, framework});
  ++counters_.filters;
}

void Core::drop_filter(AgentSlot agent, FrameworkSlot framework) {
  std::vector<Filter>& filters = agents_[agent].filters;
  const auto at = find_in(filters, framework);
  expiries_.erase({at->until, agent, framework});
  filters.erase(at);
  frameworks_[framework].filtered.erase(agent);
}

void Core::drop_filters(FrameworkSlot framework) {
  const std::set<AgentSlot>& filtered = frameworks_[framework].filtered;
  while (!filtered.empty()) drop_filter(*filtered.begin(), framework);
}

void Core::recompute_others(AgentRecord& agent) {
  agent.free.others = agent.total.others;
  for (const Holding& holding : agent.holdings) {
    subtract_compatible(agent.free.others, holding.bag.others);
  }
  if (agent.holdings.empty()) agent.overlapping = false;
}

void Core::set_state(AgentRecord& agent, AgentState state) {
  settled_agents_ -= agent.state == AgentState::settled ? 1 : 0;
  small_agents_ -= agent.state == AgentState::small ? 1 : 0;
  agent.state = state;
  settled_agents_ += state == AgentState::settled ? 1 : 0;
  small_agents_ += state == AgentState::small ? 1 : 0;
}

void Core::shrunk(AgentRecord& agent) {
  if (is_empty(agent.free)) set_state(agent, AgentState::empty);
}

void Core::grown(AgentSlot slot) {
  AgentRecord& agent = agents_[slot];
  if (!agent.active || agent.state == AgentState::queued || is_empty(agent.free)) return;
  set_state(agent, AgentState::queued);
  queue_.push_back(slot);
}

void Core::mark_stale(FrameworkSlot slot) {
  FrameworkRecord& framework = frameworks_[slot];
  if (framework.stale || !framework.known) return;
  framework.stale = true;
  stale_.push_back(slot);
}

}  // namespace cluster::allocator
