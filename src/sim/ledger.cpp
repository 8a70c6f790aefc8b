#include "sim/ledger.hpp"

#include <algorithm>

namespace cluster::sim {
namespace {

template <class F>
bool is_quorum(const replog::Configuration& members, F counts) {
  std::size_t count = 0;
  for (NodeId voter : members.voters()) {
    if (counts(replog::Sender{voter, members.find(voter)->incarnation})) count += 1;
  }
  return count >= members.quorum();
}

}  // namespace

void Ledger::on(replog::Sender from, const replog::Promised& answer) {
  if (answer.next < answer.end) return;  // The rest is still to be asked for.
  Told& told = told_[answer.ballot][from];
  told.chosen_end = std::max(told.chosen_end, answer.chosen_end);
}

void Ledger::on(replog::Sender from, const replog::Accepted& answer) {
  told_[answer.ballot][from].accepted.add(answer.first, answer.end);
}

bool Ledger::may_propose(NodeId leader, replog::Ballot ballot,
                         const replog::Configuration& members) {
  if (may_propose_.contains({ballot, members.since()})) return true;
  const ByMember& told = told_[ballot];
  bool may = is_quorum(members, [&](const replog::Sender& voter) {
    auto at = told.find(voter);
    return voter.id == leader || (at != told.end() && at->second.chosen_end > members.since());
  });
  if (may) may_propose_.emplace(ballot, members.since());
  return may;
}

bool Ledger::is_chosen(Position position, const replog::Configuration& members, NodeId teller,
                       replog::Ballot own) const {
  auto is_chosen_at = [&](replog::Ballot ballot, const ByMember& told) {
    return is_quorum(members, [&](const replog::Sender& voter) {
      if (voter.id == teller && own == ballot) return true;
      auto at = told.find(voter);
      return at != told.end() && at->second.accepted.contains(position);
    });
  };
  auto at = told_.find(own);
  if (is_chosen_at(own, at == told_.end() ? ByMember{} : at->second)) return true;
  return std::any_of(told_.rbegin(), told_.rend(),
                     [&](const auto& one) { return is_chosen_at(one.first, one.second); });
}

}  // namespace cluster::sim
