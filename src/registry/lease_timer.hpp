// The leader's measure of leases: when the time to live of one has passed, on this replica's clock,
// since its last renewal was applied here, or since this replica began to lead.
//
// A pure core. What it says has expired is only proposed: a renewal that is ordered before the
// proposal keeps the lease.
#pragma once

#include <cstdint>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cluster/types.hpp"
#include "registry/keys_state.hpp"

namespace cluster::registry {

class LeaseTimer {
 public:
  // This replica leads from now on: every lease begins afresh.
  void begin(Time now, const KeysState&);
  // It does not lead any more, and measures nothing.
  void end();
  bool is_running() const { return is_running_; }

  // After each command, with the state that it left.
  void on_applied(Time now, const KeyCommand&, const KeysApplied&, const KeysState&);

  // When to ask `expired` again.
  Time deadline() const;
  // At most `count_max` leases to propose the end of. One that is still there after
  // `proposal_timeout` is named again.
  std::vector<ExpireLease> expired(Time now, const KeysState&, std::size_t count_max = 1000);

  static constexpr Duration proposal_timeout = std::chrono::seconds(2);

 private:
  struct Entry {
    Time deadline;   // As it is now.
    Time scheduled;  // In the queue; the deadline may have moved on since.
  };
  using Wake = std::pair<Time, LeaseId>;

  void renew(Time now, const KeyLease&);
  void schedule(LeaseId, Entry&, Time);

  bool is_running_ = false;
  std::unordered_map<LeaseId, Entry> leases_;
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wakes_;
};

}  // namespace cluster::registry
