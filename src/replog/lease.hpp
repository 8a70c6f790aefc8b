// Leader leases: for a stated time a quorum of voters helps to elect nobody else, so the leader
// knows, without asking, that nothing is chosen but through it.
//
// The only thing in the log that trusts clocks, and it trusts their speed alone: docs/PROTOCOL.md,
// "Leases".
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "cluster/types.hpp"
#include "replog/configuration.hpp"
#include "replog/types.hpp"

namespace cluster::replog {

// What the leader counts on.
class Lease {
 public:
  // `term`: for how long a voter keeps its word, on its own clock, which may run faster than ours.
  Lease(Duration term, std::uint32_t drift_permille_max)
      : length_(term * 1000 / (1000 + static_cast<std::int64_t>(drift_permille_max))) {}

  // A heartbeat that asks for a lease leaves at `now`.
  void sent(std::uint64_t sequence, Time now) {
    sent_.emplace_back(sequence, now);
    while (now - sent_.front().second > length_) sent_.pop_front();
  }

  // A voter has granted that heartbeat's wish. It did so after the heartbeat was sent: counted from
  // then, our time is over before its is.
  void granted(NodeId voter, std::uint64_t sequence) {
    for (const auto& [number, at] : sent_) {
      if (number != sequence) continue;
      Time& until = until_.try_emplace(voter, Time::min()).first->second;
      until = std::max(until, at + length_);
    }
  }

  // From now on no answer counts, nor any that is on its way: whoever granted may be told so.
  void give_up() {
    sent_.clear();
    until_.clear();
  }

  bool is_held(Time now, NodeId self, const Configuration& configuration) const {
    return now < configuration.reached_by_quorum([&](NodeId voter) {
      if (voter == self) return time_never;
      auto at = until_.find(voter);
      return at == until_.end() ? Time::min() : at->second;
    });
  }

 private:
  Duration length_;
  std::deque<std::pair<std::uint64_t, Time>> sent_;
  std::map<NodeId, Time> until_;
};

// What a voter has granted.
class LeaseGrant {
 public:
  // A voter that starts may have granted a lease just before it ended; it remembers none.
  LeaseGrant(Duration term, Time unknown_until) : term_(term), unknown_until_(unknown_until) {}

  void grant(Ballot holder, std::uint64_t sequence, Time now) {
    if (holder == holder_ && sequence < sequence_) return;
    holder_ = holder;
    sequence_ = sequence;
    until_ = std::max(until_, now + term_);
  }

  // The holder says that it counts on nothing that was granted before its heartbeat `sequence`.
  // True when something was.
  bool revoke(Ballot holder, std::uint64_t sequence) {
    if (holder != holder_ || sequence <= sequence_) return false;
    sequence_ = sequence;
    return std::exchange(until_, Time::min()) != Time::min();
  }

  // Whether this voter must not help `candidate` to be elected, itself included.
  bool forbids(NodeId candidate, Time now) const {
    return now < unknown_until_ || (now < until_ && holder_.member != candidate);
  }
  Time until() const { return std::max(unknown_until_, until_); }

 private:
  Duration term_;
  Time unknown_until_;
  Ballot holder_;
  std::uint64_t sequence_ = 0;
  Time until_ = Time::min();
};

}  // namespace cluster::replog
