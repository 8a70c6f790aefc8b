#include "allocator/fair_order.hpp"

#include "base/check.hpp"

namespace cluster::allocator {
namespace {

// Moves without a new allocation.
template <class Slot>
void move_within(std::set<std::pair<Rank, Slot>>& order, Slot slot, const Rank& from,
                 const Rank& to) {
  auto node = order.extract({from, slot});
  CLUSTER_CHECK(!node.empty(), "who is moved is in the order under its rank", slot.value());
  node.value().first = to;
  order.insert(std::move(node));
}

}  // namespace

void FairOrder::insert(RoleSlot role, const Rank& role_rank, FrameworkSlot framework,
                       const Rank& rank) {
  if (members_.size() <= role.value()) members_.resize(role.value() + 1);
  Members& members = members_[role.value()];
  if (members.frameworks.empty()) {
    members.rank = role_rank;
    roles_.emplace(role_rank, role);
  }
  members.frameworks.emplace(rank, framework);
}

void FairOrder::erase(RoleSlot role, FrameworkSlot framework, const Rank& rank) {
  Members& members = members_[role.value()];
  CLUSTER_CHECK(members.frameworks.erase({rank, framework}) == 1,
                "who is erased is in the order under its rank", framework.value());
  if (members.frameworks.empty()) roles_.erase({members.rank, role});
}

void FairOrder::move(RoleSlot role, FrameworkSlot framework, const Rank& from, const Rank& to) {
  if (from == to) return;
  move_within(members_[role.value()].frameworks, framework, from, to);
}

void FairOrder::move_role(RoleSlot role, const Rank& to) {
  if (members_.size() <= role.value()) return;
  Members& members = members_[role.value()];
  if (members.frameworks.empty() || members.rank == to) return;
  move_within(roles_, role, members.rank, to);
  members.rank = to;
}

void FairOrder::clear() {
  for (const auto& [rank, role] : roles_) members_[role.value()].frameworks.clear();
  roles_.clear();
}

}  // namespace cluster::allocator
