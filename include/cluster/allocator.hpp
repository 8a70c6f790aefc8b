// Who is offered what: weighted dominant-resource fairness over roles and the frameworks in them.
//
// A library without network, clock or threads: the caller says what changed and when it is, and
// takes offers out. Cost follows what changed, not the size of the cluster. Deterministic: the same
// calls give the same offers. One thread at a time. Unknown ids are ignored everywhere: a recovery
// and a removal may cross on their way here. More than an owner holds is never taken back from it.
//
// Algorithm: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011; weights as in section 3 there.
// Shares are compared role by role, then framework by framework; ties go to who was offered least
// often, then to the older.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cluster/metrics.hpp"
#include "cluster/resources.hpp"
#include "cluster/types.hpp"

namespace cluster {

// One agent's free resources, given to one framework to use or return.
struct Grant {
  FrameworkId framework;
  AgentId agent;
  Resources resources;

  friend bool operator==(const Grant&, const Grant&) = default;
};

struct AllocatorOptions {
  // Offers smaller than this in every one of its names are not made. Empty: anything is offered.
  Resources offer_min;
};

class Allocator {
 public:
  explicit Allocator(AllocatorOptions options = {});
  Allocator(Allocator&&) noexcept;
  ~Allocator();

  // Roles. Any role may be used at once; its weight is 1 until set. A weight that is not a
  // number over 0 is ignored.
  void set_weight(const std::string& role, double weight);

  // Agents. `used` is what tasks hold already, by framework (at failover: before those frameworks
  // are known, which is fine). Adding an agent that is known replaces it.
  struct Usage {
    FrameworkId framework;
    Resources resources;
  };
  void add_agent(const AgentId&, const Resources& total, const std::vector<Usage>& used = {});
  void remove_agent(const AgentId&);
  void set_agent_active(const AgentId&, bool active);  // An inactive agent is not offered.

  // Frameworks. Inactive ones keep what they hold, are offered nothing, and lose their filters.
  // Adding one that is known moves it to the role.
  void add_framework(const FrameworkId&, const std::string& role);
  void remove_framework(const FrameworkId&);  // What it holds stays used until `recover`ed.
  void set_framework_active(const FrameworkId&, bool active);
  void suppress(const FrameworkId&);  // No offers until `revive`.
  void revive(const FrameworkId&);    // Offers again, and forgets its filters.

  // What of a grant comes back unused: an offer declined, rescinded, or used in part; or what an
  // ended task held. With `refuse_until` in the future, the framework is not offered that agent
  // before then unless the agent has more free than `returned` held.
  void recover(const FrameworkId&, const AgentId&, const Resources& returned,
               Time refuse_until = Time::min());

  // What a framework holds that was never granted here (a task learned from an agent).
  void charge(const FrameworkId&, const AgentId&, const Resources&);

  // All grants that are due now, given to frameworks at once: their shares count them.
  std::vector<Grant> allocate(Time now);

  // When a filter ends next; `time_never` when none does. Call `allocate` then.
  Time deadline() const;

  // Why a framework was offered nothing by the last `allocate`, as a sentence.
  std::string explain(const FrameworkId&) const;

  double dominant_share(const FrameworkId&) const;  // 0 to 1, unweighted.
  Resources available(const AgentId&) const;        // Neither granted nor used.
  Resources allocated(const FrameworkId&) const;    // Granted or used, united over all agents.
  Metrics metrics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cluster
