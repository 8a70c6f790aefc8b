// What members have told of ballots, promise by promise and acceptance by acceptance: from it alone
// follows who may propose and what is chosen, whatever the leaders believe.
//
// Written down when a message leaves, so it may hold more than any leader has heard, never less.
#pragma once

#include <map>
#include <set>
#include <utility>

#include "base/interval_set.hpp"
#include "replog/configuration.hpp"
#include "replog/messages.hpp"

namespace cluster::sim {

class Ledger {
 public:
  void on(replog::Sender, const replog::Promised&);  // That are granted.
  void on(replog::Sender, const replog::Accepted&);

  // A quorum of those that decide from `members` on has promised the ballot, each with all that it
  // had accepted, and with everything up to `members`. Of the leader's own promise its disk tells.
  bool may_propose(NodeId leader, replog::Ballot, const replog::Configuration& members);

  // A quorum of those that decide the position has accepted it at one ballot. `teller` calls it
  // chosen, and has an entry of the ballot `own` there on its disk.
  bool is_chosen(Position, const replog::Configuration& members, NodeId teller,
                 replog::Ballot own) const;

 private:
  struct Told {
    Position chosen_end;  // With a whole promise; none: there was none yet.
    IntervalSet accepted;
  };
  using ByMember = std::map<replog::Sender, Told>;

  std::map<replog::Ballot, ByMember> told_;
  std::set<std::pair<replog::Ballot, Position>> may_propose_;  // Under the members set there.
};

}  // namespace cluster::sim
