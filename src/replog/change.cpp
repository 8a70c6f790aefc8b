#include "replog/change.hpp"

#include "replog/types.hpp"

namespace cluster::replog {
namespace {

class Editor {
 public:
  Editor(const Configuration& present, Random& secrets)
      : members_(present.all()), ids_end_(present.ids_end()), secrets_(secrets) {}

  Result<void> operator()(const AddMember& edit) {
    if (edit.role == MemberRole::voter) {
      return wrong("a newcomer begins as a learner, and is promoted when it has caught up");
    }
    if (edit.endpoint.host.empty() || edit.endpoint.port == 0) {
      return wrong("a newcomer needs an endpoint, HOST:PORT");
    }
    if (ids_end_.value() > member_id_max) return wrong("the ids have run out");
    if (auto taken = check_endpoint(NodeId{}, edit.endpoint); !taken) return taken;
    members_.push_back(Member{.id = ids_end_,
                              .incarnation = 0,
                              .role = edit.role,
                              .join_secret = secrets_.next() | 1,
                              .endpoint = edit.endpoint});
    ids_end_ = NodeId(ids_end_.value() + 1);
    return {};
  }

  Result<void> operator()(const SetMemberRole& edit) {
    Member* member = find(edit.id);
    if (member == nullptr) return unknown(edit.id);
    if (member->role == MemberRole::witness && edit.role != MemberRole::witness) {
      return wrong("member " + to_field(edit.id) +
                   " is a witness and has no entries; remove it and add a new member");
    }
    member->role = edit.role;
    return {};
  }

  Result<void> operator()(const SetMemberEndpoint& edit) {
    Member* member = find(edit.id);
    if (member == nullptr) return unknown(edit.id);
    if (edit.endpoint.host.empty() || edit.endpoint.port == 0) {
      return wrong("a member needs an endpoint, HOST:PORT");
    }
    if (auto taken = check_endpoint(edit.id, edit.endpoint); !taken) return taken;
    member->endpoint = edit.endpoint;
    return {};
  }

  Result<void> operator()(const RemoveMember& edit) {
    if (find(edit.id) == nullptr) return unknown(edit.id);
    if (members_.size() == 1) return wrong("the last member cannot be removed");
    std::erase_if(members_, [&](const Member& member) { return member.id == edit.id; });
    return {};
  }

  Result<Configuration> result() && {
    for (const Member& member : members_) {
      if (member.role != MemberRole::voter) continue;
      return Configuration(Position{}, std::move(members_), ids_end_);
    }
    return wrong("no voter would be left; somebody must keep the entries and lead");
  }

 private:
  static Error wrong(std::string what) { return Error{Errc::invalid_argument, std::move(what)}; }
  static Error unknown(NodeId id) {
    return wrong("there is no member " + to_field(id) + "; `members` lists them");
  }
  Member* find(NodeId id) {
    for (Member& member : members_) {
      if (member.id == id) return &member;
    }
    return nullptr;
  }
  Result<void> check_endpoint(NodeId but, const Endpoint& endpoint) const {
    for (const Member& member : members_) {
      if (member.id != but && member.endpoint == endpoint) {
        return wrong(to_string(endpoint) + " is member " + to_field(member.id) + "'s endpoint");
      }
    }
    return {};
  }

  std::vector<Member> members_;
  NodeId ids_end_;
  Random& secrets_;
};

}  // namespace

Result<Configuration> changed(const Configuration& present, const std::vector<MemberEdit>& edits,
                              Random& secrets) {
  if (edits.empty()) return Error{Errc::invalid_argument, "nothing is to be changed"};
  Editor editor(present, secrets);
  for (const MemberEdit& edit : edits) {
    if (auto done = std::visit(editor, edit); !done) return std::move(done).error();
  }
  return std::move(editor).result();
}

std::optional<Configuration> joined(const Configuration& present, NodeId newcomer,
                                    std::uint64_t incarnation, std::uint64_t secret,
                                    const Endpoint& endpoint) {
  const Member* known = present.find(newcomer);
  bool is_invited = known != nullptr && known->incarnation == 0 && known->join_secret != 0 &&
                    known->join_secret == secret && incarnation != 0;
  if (!is_invited) return std::nullopt;
  std::vector<Member> members = present.all();
  bool is_free = !endpoint.host.empty() && endpoint.port != 0;
  for (const Member& member : members) {
    if (member.id != newcomer && member.endpoint == endpoint) is_free = false;
  }
  for (Member& member : members) {
    if (member.id != newcomer) continue;
    member.incarnation = incarnation;
    member.join_secret = 0;
    if (is_free) member.endpoint = endpoint;
  }
  return Configuration(Position{}, std::move(members), present.ids_end());
}

}  // namespace cluster::replog
