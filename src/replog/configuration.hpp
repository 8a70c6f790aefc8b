// Who belongs to the log from a position on, who votes, and how many of them decide.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "cluster/members.hpp"
#include "cluster/types.hpp"

namespace cluster::replog {

struct Member {
  NodeId id;
  std::uint64_t incarnation = 0;  // Of its directory; 0: it has not joined yet.
  MemberRole role = MemberRole::voter;
  std::uint64_t join_secret = 0;  // Of the token that it will join with; 0: used.
  Endpoint endpoint;

  friend bool operator==(const Member&, const Member&) = default;
};

class Configuration {
 public:
  Configuration() = default;  // Of nobody: a directory that is no member yet.
  // `since`: the entry that set it; none for the founders'. `ids_end`: ids from it on were never
  // used.
  Configuration(Position since, std::vector<Member> members, NodeId ids_end)
      : since_(since), ids_end_(ids_end), all_(std::move(members)) {
    std::sort(all_.begin(), all_.end(),
              [](const Member& a, const Member& b) { return a.id < b.id; });
    for (const Member& member : all_) {
      CLUSTER_CHECK(ids_.empty() || ids_.back() < member.id, "members are distinct");
      CLUSTER_CHECK(member.id < ids_end_, "an id in use was given out");
      ids_.push_back(member.id);
      if (member.role != MemberRole::learner) voters_.push_back(member.id);
      has_witness_ = has_witness_ || member.role == MemberRole::witness;
    }
    CLUSTER_CHECK(!voters_.empty(), "a log has voters");
  }

  // Voters without endpoints, each with its id as its incarnation: as tests want them.
  static Configuration of_voters(const std::vector<NodeId>& ids) {
    std::vector<Member> members;
    NodeId last;
    for (NodeId id : ids) {
      members.push_back(Member{.id = id, .incarnation = id.value(), .endpoint = {}});
      last = std::max(last, id);
    }
    return Configuration(Position{}, std::move(members), NodeId(last.value() + 1));
  }

  bool is_empty() const { return all_.empty(); }
  Position since() const { return since_; }
  NodeId ids_end() const { return ids_end_; }
  const std::vector<Member>& all() const { return all_; }
  const std::vector<NodeId>& ids() const { return ids_; }        // Of all members.
  const std::vector<NodeId>& voters() const { return voters_; }  // Witnesses too.

  bool has(NodeId node) const { return std::binary_search(ids_.begin(), ids_.end(), node); }
  bool has_voter(NodeId node) const {
    return std::binary_search(voters_.begin(), voters_.end(), node);
  }
  bool has_witness() const { return has_witness_; }
  bool is_witness(NodeId node) const {
    const Member* member = has_witness_ ? find(node) : nullptr;
    return member != nullptr && member->role == MemberRole::witness;
  }
  const Member* find(NodeId node) const {
    auto at = std::lower_bound(ids_.begin(), ids_.end(), node);
    return at == ids_.end() || *at != node ? nullptr
                                           : &all_[static_cast<std::size_t>(at - ids_.begin())];
  }

  // Any two quorums share a voter.
  std::size_t quorum() const { return voters_.size() / 2 + 1; }

  // The greatest value that a quorum has reached: `value_of(voter)` for each.
  template <class F>
  auto reached_by_quorum(F value_of) const {
    std::vector<decltype(value_of(NodeId{}))> values;
    values.reserve(voters_.size());
    for (NodeId voter : voters_) values.push_back(value_of(voter));
    auto nth = values.begin() + static_cast<std::ptrdiff_t>(quorum() - 1);
    std::nth_element(values.begin(), nth, values.end(), std::greater<>());
    return *nth;
  }

  friend bool operator==(const Configuration& a, const Configuration& b) {
    return a.since_ == b.since_ && a.ids_end_ == b.ids_end_ && a.all_ == b.all_;
  }

 private:
  Position since_;
  NodeId ids_end_{1};
  std::vector<Member> all_;  // In order of their ids.
  std::vector<NodeId> ids_;
  std::vector<NodeId> voters_;
  bool has_witness_ = false;
};

// "since 12: 1 voter, 2 voter, 3 learner".
inline std::string to_field(const Configuration& configuration) {
  std::string text = "since " + std::to_string(configuration.since().value()) + ':';
  for (const Member& member : configuration.all()) {
    if (text.back() != ':') text += ',';
    text += ' ' + std::to_string(member.id.value()) + ' ' + std::string(to_string(member.role));
    if (member.join_secret != 0) text += " (to join)";
  }
  return text;
}

// As an entry's data, and as the stores keep it. `since` is not part of it.
Bytes encode(const Configuration&);
Result<Configuration> decode_configuration(ByteView, Position since);

}  // namespace cluster::replog
