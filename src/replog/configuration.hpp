// Who votes, and how many of them decide.
#pragma once

#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "cluster/types.hpp"

namespace cluster::replog {

class Configuration {
 public:
  explicit Configuration(std::vector<NodeId> members) : members_(std::move(members)) {
    std::sort(members_.begin(), members_.end());
    CLUSTER_CHECK(!members_.empty(), "a log has members");
    CLUSTER_CHECK(std::adjacent_find(members_.begin(), members_.end()) == members_.end(),
                  "members are distinct");
  }

  const std::vector<NodeId>& members() const { return members_; }
  bool has(NodeId node) const { return std::binary_search(members_.begin(), members_.end(), node); }
  // Any two quorums share a member.
  std::size_t quorum() const { return members_.size() / 2 + 1; }

  // The greatest value that a quorum has reached: `value_of(member)` for each.
  template <class F>
  auto reached_by_quorum(F value_of) const {
    std::vector<decltype(value_of(NodeId{}))> values;
    values.reserve(members_.size());
    for (NodeId member : members_) values.push_back(value_of(member));
    auto nth = values.begin() + static_cast<std::ptrdiff_t>(quorum() - 1);
    std::nth_element(values.begin(), nth, values.end(), std::greater<>());
    return *nth;
  }

 private:
  std::vector<NodeId> members_;
};

}  // namespace cluster::replog
