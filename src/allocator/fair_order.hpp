// Who is next: roles by share, and in each role its frameworks by share. Members are moved when
// their rank changes, so that a grant costs the logarithm of their number and not a sort.
#pragma once

#include <compare>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "allocator/slots.hpp"

namespace cluster::allocator {

// Less goes first: the smaller share, then who was offered less often, then the older.
struct Rank {
  double share = 0;  // The dominant share over the weight.
  std::uint64_t offers = 0;
  std::uint64_t age = 0;  // Of whom this is; no two have the same.

  friend auto operator<=>(const Rank&, const Rank&) = default;
};

class FairOrder {
 public:
  // A framework that is not in the order yet. `role_rank` counts when it is the first of its role.
  void insert(RoleSlot, const Rank& role_rank, FrameworkSlot, const Rank&);

  // `rank` is the one under which the framework is here.
  void erase(RoleSlot, FrameworkSlot, const Rank& rank);
  void move(RoleSlot, FrameworkSlot, const Rank& from, const Rank& to);

  void move_role(RoleSlot, const Rank& to);  // Nothing when none of its frameworks is here.
  void clear();
  bool empty() const { return roles_.empty(); }

  // The first framework for which `accepts(slot)` holds; none when there is no such.
  template <class Accepts>
  FrameworkSlot first(const Accepts& accepts) const {
    for (const auto& [role_rank, role] : roles_) {
      for (const auto& [rank, framework] : members_[role.value()].frameworks) {
        if (accepts(framework)) return framework;
      }
    }
    return {};
  }

 private:
  struct Members {
    Rank rank;  // Of the role, as it stands in `roles_`.
    std::set<std::pair<Rank, FrameworkSlot>> frameworks;
  };

  std::set<std::pair<Rank, RoleSlot>> roles_;  // Those with frameworks.
  std::vector<Members> members_;               // By role.
};

}  // namespace cluster::allocator
