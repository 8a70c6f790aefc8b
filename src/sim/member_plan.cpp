#include "sim/member_plan.hpp"

namespace cluster::sim {

using replog::Member;

NodeId MemberPlan::any_of(MemberRole role) {
  std::vector<NodeId> found;
  for (const Member& member : cluster_.checker().configuration().all()) {
    if (member.role == role) found.push_back(member.id);
  }
  return found.empty() ? NodeId{} : found[random_.below(found.size())];
}

void MemberPlan::change() {
  if (random_.chance(1, 3)) return add();
  if (is_wiping_ && random_.chance(1, 5)) return wipe();
  LogMember& at = cluster_.any_member();
  if (at.is_down) return;
  if (random_.chance(1, 4)) {
    NodeId to = any_of(MemberRole::voter);
    if (!to) return;
    cluster_.transfer_leadership(at, to);
  } else if (auto wanted = edits(); !wanted.empty()) {
    cluster_.change_members(at, std::move(wanted));
  }
}

void MemberPlan::add() {
  LogMember* spare = cluster_.spare();
  LogMember& at = cluster_.any_member();
  if (spare == nullptr || at.is_down) return;
  // One witness is of use to two voters or four.
  bool is_witness = has_witnesses_ && !any_of(MemberRole::witness) && random_.chance(1, 2);
  cluster_.add_member(at, *spare, is_witness ? MemberRole::witness : MemberRole::learner);
}

// One disk of at least three, once: a majority survives it whatever else changes.
void MemberPlan::wipe() {
  const replog::Configuration& members = cluster_.checker().configuration();
  LogMember& member = cluster_.any_member();
  // A single founder that is cut off has nobody to tell it that its log is there already.
  bool is_safe = !has_wiped_ && cluster_.founders() >= 3 && members.voters().size() >= 3 &&
                 cluster_.is_member(member);
  // Founders that have not formed yet would wait for it for ever.
  if (!is_safe || cluster_.checker().chosen_end() < Position(20)) return;
  has_wiped_ = true;
  cluster_.wipe(member);
}

std::vector<MemberEdit> MemberPlan::edits() {
  NodeId learner = any_of(MemberRole::learner);
  NodeId voter = any_of(MemberRole::voter);
  std::vector<MemberEdit> edits;
  if (has_witnesses_ && random_.chance(1, 6)) {
    if (NodeId witness = any_of(MemberRole::witness)) edits.push_back(RemoveMember{witness});
    return edits;
  }
  switch (random_.below(is_wiping_ ? 2 : 6)) {
    case 0:
    case 1:
      if (learner) edits.push_back(SetMemberRole{learner, MemberRole::voter});
      break;
    case 2:
      if (learner) {
        edits.push_back(SetMemberRole{learner, MemberRole::voter});
        edits.push_back(RemoveMember{voter});
      }
      break;
    case 3: edits.push_back(SetMemberRole{voter, MemberRole::learner}); break;
    case 4: edits.push_back(RemoveMember{learner && random_.chance(1, 2) ? learner : voter}); break;
    default:
      edits.push_back(SetMemberRole{voter, MemberRole::learner});
      if (learner) edits.push_back(SetMemberRole{learner, MemberRole::voter});
      break;
  }
  return edits;
}

}  // namespace cluster::sim
