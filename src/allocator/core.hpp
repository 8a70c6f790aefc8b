// The allocator behind `cluster::Allocator`: see include/cluster/allocator.hpp for each call.
//
// How cost follows what changed. After each `allocate` every agent with something free is settled:
// no framework that may be offered anything wants it, because of filters. It is looked at again
// only when one of three things happens, and then only as far as that goes:
//   its free resources grew, or it is new     -> `queue_`: all frameworks, in fair order
//   a filter on it ended                      -> only that framework
//   a framework may be offered things again   -> only such frameworks (`fresh_`), all settled
//   agents
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "allocator/bag.hpp"
#include "allocator/fair_order.hpp"
#include "allocator/slots.hpp"
#include "cluster/allocator.hpp"

namespace cluster::allocator {

// What keeps a settled agent from being offered.
enum class AgentState : std::uint8_t {
  empty,    // Nothing is free, or the agent is inactive.
  queued,   // To be looked at.
  small,    // What is free is less than `offer_min`.
  settled,  // Nobody wants it.
};

struct Holding {
  FrameworkSlot framework;
  Bag bag;  // Granted or used.
};

struct Filter {
  FrameworkSlot framework;
  Time until;
  Bag returned;  // The filter holds while no more than this is free.
};

struct AgentRecord {
  AgentId id;
  bool active = true;
  AgentState state = AgentState::empty;
  bool overlapping = false;  // More is held than there is: `free.others` is computed from holdings.
  Bag total;
  Bag free;
  std::vector<Holding> holdings;  // By framework.
  std::vector<Filter> filters;    // By framework.
};

struct FrameworkRecord {
  FrameworkId id;
  bool known = false;  // Else it only holds things: not added yet, or removed.
  bool active = true;
  bool suppressed = false;
  bool stale = false;     // In `stale_`: rank or membership of the orders may be wrong.
  bool fresh = false;     // May be offered things again since the last `allocate`.
  bool in_order = false;  // In `order_`, under `rank`.
  bool in_fresh = false;  // In `fresh_`, under `rank`.
  RoleSlot role;
  Rank rank;
  std::uint64_t offers = 0;  // Ever made to it.
  Amounts total;             // Held over all agents.
  std::set<AgentSlot> agents;
  std::set<AgentSlot> filtered;
  std::uint64_t granted_in = 0;  // The last cycle that granted it something,
  std::uint64_t grants = 0;      // and how often it did.

  bool eligible() const { return known && active && !suppressed; }
};

struct RoleRecord {
  std::string id;
  double weight = 1;
  bool weight_is_set = false;
  std::size_t frameworks = 0;
  Rank rank;
  std::uint64_t offers = 0;
  Amounts total;  // Held by its known frameworks.
};

// Where the entry of `framework` is, or belongs, in a vector that is sorted by framework.
template <class Entries>
auto place_of(Entries& entries, FrameworkSlot framework) {
  return std::lower_bound(
      entries.begin(), entries.end(), framework,
      [](const auto& entry, FrameworkSlot slot) { return entry.framework < slot; });
}

// The entry of `framework`, or the end.
template <class Entries>
auto find_in(Entries& entries, FrameworkSlot framework) {
  const auto at = place_of(entries, framework);
  return at != entries.end() && at->framework == framework ? at : entries.end();
}

class Core {
 public:
  explicit Core(const AllocatorOptions& options);

  void set_weight(const std::string& role, double weight);

  void add_agent(const AgentId&, const Resources& total, const std::vector<Allocator::Usage>& used);
  void remove_agent(const AgentId&);
  void set_agent_active(const AgentId&, bool active);

  void add_framework(const FrameworkId&, const std::string& role);
  void remove_framework(const FrameworkId&);
  void set_framework_active(const FrameworkId&, bool active);
  void suppress(const FrameworkId&);
  void revive(const FrameworkId&);

  void recover(const FrameworkId&, const AgentId&, const Resources& returned, Time refuse_until);
  void charge(const FrameworkId&, const AgentId&, const Resources&);

  std::vector<Grant> allocate(Time now);
  Time deadline() const;

  std::string explain(const FrameworkId&) const;
  double dominant_share(const FrameworkId&) const;
  Resources available(const AgentId&) const;
  Resources allocated(const FrameworkId&) const;
  Metrics metrics() const;

 private:
  struct Expiry {
    Time until;
    AgentSlot agent;
    FrameworkSlot framework;
    friend auto operator<=>(const Expiry&, const Expiry&) = default;
  };

  struct Counters {
    std::uint64_t cycles = 0;
    std::uint64_t considered = 0;  // Agents looked at.
    std::uint64_t grants = 0;
    std::uint64_t filters = 0;  // Ever set.
  };

  // State (core.cpp).
  FrameworkSlot framework_slot(const FrameworkId&);  // Makes a holder when it is not known.
  RoleSlot role_slot(const std::string&);
  void leave_role(FrameworkSlot);
  void drop_holder(FrameworkSlot);  // Forgets one that is not known and holds nothing.
  void hold(AgentSlot, FrameworkSlot, const Bag&);
  void release(AgentSlot, FrameworkSlot, const Bag&);
  void add_filter(AgentSlot, FrameworkSlot, Time until, Bag returned);
  void drop_filter(AgentSlot, FrameworkSlot);
  void drop_filters(FrameworkSlot);
  void recompute_others(AgentRecord&);
  void set_state(AgentRecord&, AgentState);
  void shrunk(AgentRecord&);
  void grown(AgentSlot);
  void mark_stale(FrameworkSlot);

  // The cycle (cycle.cpp).
  void refresh_orders();
  void refresh_membership(FrameworkSlot);
  void rerank(FrameworkSlot);
  void rerank_role(RoleSlot);
  std::vector<Expiry> take_expired();
  bool offerable(AgentRecord&);
  bool below_min(const AgentRecord&) const;
  bool filtered(const AgentRecord&, FrameworkSlot) const;
  void offer_queued(std::vector<Grant>&);
  void offer_expired(const std::vector<Expiry>&, std::vector<Grant>&);
  void offer_fresh(std::vector<Grant>&);
  bool goes_before(FrameworkSlot, FrameworkSlot) const;
  Grant grant(AgentSlot, FrameworkSlot);
  double share(const Amounts&) const;

  std::string explain_filters(FrameworkSlot) const;

  Names names_;
  Bag offer_min_;
  Slots<AgentSlot, AgentId, AgentRecord> agents_;
  Slots<FrameworkSlot, FrameworkId, FrameworkRecord> frameworks_;
  Slots<RoleSlot, std::string, RoleRecord> roles_;
  Amounts cluster_total_;      // Over all agents.
  std::set<Expiry> expiries_;  // One for each filter.
  std::uint64_t next_age_ = 1;
  Time now_ = Time::min();  // Of the last `allocate`.

  std::vector<AgentSlot> queue_;
  std::vector<FrameworkSlot> stale_;
  bool all_stale_ = false;  // The cluster's total changed: every share is another.
  FairOrder order_;         // All eligible frameworks.
  FairOrder fresh_;         // Those among them that are fresh; empty outside `allocate`.
  std::vector<FrameworkSlot> in_fresh_;

  std::size_t known_frameworks_ = 0;
  std::size_t active_agents_ = 0;
  std::size_t settled_agents_ = 0;
  std::size_t small_agents_ = 0;
  std::uint64_t last_grants_ = 0;  // By the last cycle.
  Counters counters_;
};

}  // namespace cluster::allocator
