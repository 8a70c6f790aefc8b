// Members that are added, promoted, demoted, moved, replaced and removed at random, and leadership
// handed over, while a simulated log is in use.
#pragma once

#include "sim/log_cluster.hpp"

namespace cluster::sim {

class MemberPlan {
 public:
  // What else may befall the members' disks decides what may be taken from them here.
  struct Limits {
    bool may_wipe = true;
    bool has_witnesses = false;
  };
  MemberPlan(LogCluster& cluster, Limits limits)
      : cluster_(cluster),
        random_(cluster.random().next()),
        is_wiping_(random_.chance(1, 3) && limits.may_wipe),
        has_witnesses_(limits.has_witnesses) {}

  // One attempt, through any member; it may be refused, or lost.
  void change();

 private:
  void add();
  std::vector<MemberEdit> edits();
  NodeId any_of(MemberRole);

  void wipe();

  LogCluster& cluster_;
  Random random_;
  // A disk is lost in some runs. In those nobody else is taken from the quorum: to remove one that
  // is well just after another was lost would be a second failure.
  bool is_wiping_;
  bool has_wiped_ = false;
  bool has_witnesses_;
};

}  // namespace cluster::sim
