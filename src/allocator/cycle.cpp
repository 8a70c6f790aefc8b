// One allocation: who gets what is free now. Shares are brought up to date first, then follow each
// grant, so that the next grant of the same cycle already sees it.
#include <algorithm>
#include <utility>

#include "allocator/core.hpp"

namespace cluster::allocator {

std::vector<Grant> Core::allocate(Time now) {
  now_ = std::max(now_, now);
  ++counters_.cycles;
  last_grants_ = 0;

  std::vector<Grant> grants;
  const std::vector<Expiry> expired = take_expired();
  refresh_orders();
  offer_queued(grants);
  offer_expired(expired, grants);
  offer_fresh(grants);

  for (const FrameworkSlot slot : in_fresh_) {
    frameworks_[slot].fresh = false;
    frameworks_[slot].in_fresh = false;
  }
  in_fresh_.clear();
  fresh_.clear();
  // Grants marked frameworks stale, and have moved them to their new places already.
  for (const FrameworkSlot slot : stale_) frameworks_[slot].stale = false;
  stale_.clear();
  return grants;
}

Time Core::deadline() const { return expiries_.empty() ? time_never : expiries_.begin()->until; }

void Core::refresh_orders() {
  if (all_stale_) {
    all_stale_ = false;
    for (std::uint64_t i = 1; i < roles_.end(); ++i) rerank_role(RoleSlot(i));
    for (std::uint64_t i = 1; i < frameworks_.end(); ++i) rerank(FrameworkSlot(i));
  }
  for (const FrameworkSlot slot : stale_) {
    const FrameworkRecord& framework = frameworks_[slot];
    if (!framework.known) continue;  // Removed since.
    rerank_role(framework.role);
    rerank(slot);
    refresh_membership(slot);
  }
}

void Core::refresh_membership(FrameworkSlot slot) {
  FrameworkRecord& framework = frameworks_[slot];
  const bool eligible = framework.eligible();
  const Rank& role_rank = roles_[framework.role].rank;
  if (eligible && !framework.in_order) {
    order_.insert(framework.role, role_rank, slot, framework.rank);
  }
  if (!eligible && framework.in_order) order_.erase(framework.role, slot, framework.rank);
  framework.in_order = eligible;

  framework.fresh = framework.fresh && eligible;
  if (framework.fresh && !framework.in_fresh) {
    fresh_.insert(framework.role, role_rank, slot, framework.rank);
    framework.in_fresh = true;
    in_fresh_.push_back(slot);
  }
}

void Core::rerank(FrameworkSlot slot) {
  FrameworkRecord& framework = frameworks_[slot];
  Rank rank = framework.rank;
  rank.share = share(framework.total);
  rank.offers = framework.offers;
  if (framework.in_order) order_.move(framework.role, slot, framework.rank, rank);
  if (framework.in_fresh) fresh_.move(framework.role, slot, framework.rank, rank);
  framework.rank = rank;
}

void Core::rerank_role(RoleSlot slot) {
  RoleRecord& role = roles_[slot];
  role.rank.share = share(role.total) / role.weight;
  role.rank.offers = role.offers;
  order_.move_role(slot, role.rank);
  fresh_.move_role(slot, role.rank);
}

double Core::share(const Amounts& amounts) const {
  double dominant = 0;
  auto total = cluster_total_.begin();
  for (const Amount& amount : amounts) {
    while (total != cluster_total_.end() && total->name < amount.name) ++total;
    if (total == cluster_total_.end()) break;
    if (total->name != amount.name || total->thousandths <= 0) continue;
    dominant = std::max(dominant, static_cast<double>(amount.thousandths) /
                                      static_cast<double>(total->thousandths));
  }
  return dominant;
}

std::vector<Core::Expiry> Core::take_expired() {
  std::vector<Expiry> expired;
  while (!expiries_.empty() && expiries_.begin()->until <= now_) {
    expired.push_back(*expiries_.begin());
    drop_filter(expired.back().agent, expired.back().framework);
  }
  return expired;
}

bool Core::below_min(const AgentRecord& agent) const {
  if (is_empty(offer_min_)) return false;
  for (const Amount& least : offer_min_.scalars) {
    if (covers(agent.free.scalars, {least})) return false;
  }
  for (const auto& [name, least] : offer_min_.others.values()) {
    Resources alone;
    alone.set(name, least);
    if (agent.free.others.contains(alone)) return false;
  }
  return true;
}

bool Core::offerable(AgentRecord& agent) {
  ++counters_.considered;
  if (is_empty(agent.free)) {
    set_state(agent, AgentState::empty);
  } else if (below_min(agent)) {
    set_state(agent, AgentState::small);
  } else {
    return true;
  }
  return false;
}

bool Core::filtered(const AgentRecord& agent, FrameworkSlot framework) const {
  const auto at = find_in(agent.filters, framework);
  return at != agent.filters.end() && covers(at->returned, agent.free);
}

void Core::offer_queued(std::vector<Grant>& grants) {
  for (const AgentSlot slot : queue_) {
    AgentRecord& agent = agents_[slot];
    if (agent.state != AgentState::queued || !offerable(agent)) continue;
    const FrameworkSlot framework =
        order_.first([&](FrameworkSlot candidate) { return !filtered(agent, candidate); });
    if (framework) {
      grants.push_back(grant(slot, framework));
    } else {
      set_state(agent, AgentState::settled);
    }
  }
  queue_.clear();
}

void Core::offer_expired(const std::vector<Expiry>& expired, std::vector<Grant>& grants) {
  std::vector<std::pair<AgentSlot, FrameworkSlot>> pairs;
  pairs.reserve(expired.size());
  for (const Expiry& expiry : expired) pairs.emplace_back(expiry.agent, expiry.framework);
  std::sort(pairs.begin(), pairs.end());

  for (auto first = pairs.begin(); first != pairs.end();) {
    const AgentSlot slot = first->first;
    FrameworkSlot best;
    auto end = first;
    for (; end != pairs.end() && end->first == slot; ++end) {
      const FrameworkSlot candidate = end->second;
      if (frameworks_[candidate].in_order && (!best || goes_before(candidate, best))) {
        best = candidate;
      }
    }
    first = end;
    AgentRecord& agent = agents_[slot];
    if (agent.state != AgentState::settled || !offerable(agent)) continue;
    const FrameworkSlot fresh =
        fresh_.first([&](FrameworkSlot candidate) { return !filtered(agent, candidate); });
    if (fresh && (!best || goes_before(fresh, best))) best = fresh;
    if (best) grants.push_back(grant(slot, best));
  }
}

void Core::offer_fresh(std::vector<Grant>& grants) {
  if (fresh_.empty()) return;
  for (std::uint64_t i = 1; i < agents_.end() && settled_agents_ > 0; ++i) {
    const AgentSlot slot(i);
    AgentRecord& agent = agents_[slot];
    if (agent.state != AgentState::settled || !offerable(agent)) continue;
    const FrameworkSlot framework =
        fresh_.first([&](FrameworkSlot candidate) { return !filtered(agent, candidate); });
    if (framework) grants.push_back(grant(slot, framework));
  }
}

bool Core::goes_before(FrameworkSlot a, FrameworkSlot b) const {
  const FrameworkRecord& first = frameworks_[a];
  const FrameworkRecord& second = frameworks_[b];
  if (first.role == second.role) return first.rank < second.rank;
  return roles_[first.role].rank < roles_[second.role].rank;
}

Grant Core::grant(AgentSlot agent_slot, FrameworkSlot slot) {
  AgentRecord& agent = agents_[agent_slot];
  FrameworkRecord& framework = frameworks_[slot];
  RoleRecord& role = roles_[framework.role];

  Bag bag;
  bag.scalars.reserve(agent.free.scalars.size());
  for (const Amount& amount : agent.free.scalars) {
    if (amount.thousandths > 0) bag.scalars.push_back(amount);
  }
  bag.others = agent.free.others;
  Grant grant{framework.id, agent.id, to_resources(bag, names_)};

  hold(agent_slot, slot, bag);
  set_state(agent, AgentState::empty);
  ++framework.offers;
  ++role.offers;
  rerank(slot);
  rerank_role(framework.role);

  if (framework.granted_in != counters_.cycles) framework.grants = 0;
  framework.granted_in = counters_.cycles;
  ++framework.grants;
  ++last_grants_;
  ++counters_.grants;
  return grant;
}

}  // namespace cluster::allocator
