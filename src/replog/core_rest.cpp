// Resting: a log that nobody uses sends nothing. Its members' hosts watch each other, and whoever
// loses the leader's host wakes. Nothing here is about safety: a leader that rests answers reads
// and gets entries chosen by the same rounds as ever. docs/PROTOCOL.md, "Resting".
#include <algorithm>

#include "replog/core.hpp"

namespace cluster::replog {

void Core::on_reached(Time now, NodeId member, Effects& effects) {
  // One that was away may have missed anything.
  if (in_reach_.insert(member).second && role_ == Role::leader) wake(now);
  finish(effects);
}

// What a message is about: the rest itself, or something that ends it.
bool Core::disturbs(const Message& message) {
  return !std::holds_alternative<Heartbeat>(message) && !std::holds_alternative<Heard>(message) &&
         !std::holds_alternative<Resting>(message) && !std::holds_alternative<RangeSum>(message) &&
         !std::holds_alternative<RangeSummed>(message);
}

// Those that rested with us were silent by agreement, not for being gone. A lease is no part of
// this: what was granted runs out by the clock.
void Core::wake(Time now) {
  must_wake_ = false;
  idle_since_ = time_never;
  rest_from_ = 0;
  if (!is_resting_) return rested_.clear();
  is_resting_ = false;
  if (role_ == Role::leader) {
    pipeline_->excuse(rested_, now);
    check_at_ = now + options_.heartbeat_interval;
    heartbeat_at_ = now;
  } else {
    heard_leader_at_ = now;
    postpone_election(now);
  }
  rested_.clear();
}

void Core::forget_rest() {
  is_resting_ = false;
  idle_since_ = time_never;
  rest_from_ = 0;
  rested_.clear();
}

bool Core::has_nothing_to_do() const {
  return waiting_.empty() && forwarded_.empty() && commands_.empty() && own_reads_.is_idle() &&
         !install_ && damage_.empty() && !is_disk_stalled_ && !is_disk_behind_ &&
         known_chosen_end_ == chosen_end_ && acceptor_.end() <= chosen_end_ && !is_removed();
}

// Everything is chosen, told and held by all that are in reach, and those are enough.
bool Core::may_rest() const {
  bool is_still = role_ == Role::leader && lead_at_ && has_nothing_to_do() && !preparation_ &&
                  !is_changing() && !chosen_change_ && leader_reads_.is_idle() &&
                  told_end_ == chosen_end_ && pipeline_->flight_entries() == 0 &&
                  pipeline_->queued_entries() == 0;
  if (!is_still) return false;
  std::size_t voters = configuration_.has_voter(options_.self) ? 1 : 0;
  for (NodeId member : configuration_.ids()) {
    if (member == options_.self || !in_reach_.contains(member)) continue;
    if (pipeline_->chosen_end_of(member) != chosen_end_) return false;
    voters += configuration_.has_voter(member) ? 1 : 0;
  }
  return voters >= configuration_.quorum();
}

// As leader, with every look at the quorum. True: the next heartbeats say that they may be the
// last.
void Core::consider_rest(Time now) {
  bool is_idle = may_rest() && idle_end_ == chosen_end_;
  idle_end_ = chosen_end_;
  if (!is_idle) {
    idle_since_ = time_never;
    rest_from_ = 0;
    return rested_.clear();
  }
  if (idle_since_ == time_never) idle_since_ = now;
  bool is_long = now - idle_since_ >= options_.election_timeout;
  if (is_long && rest_from_ == 0) rest_from_ = sequence_ + 1;
  if (rest_from_ != 0) rest_if_all_do();
}

// A member has answered such a heartbeat. All in reach must have, so that whoever is not at rest is
// one that this host has lost, and whose return wakes us.
void Core::consider_resting(NodeId from, const Heard& answer) {
  if (is_resting_ || rest_from_ == 0 || answer.sequence < rest_from_) return;
  if (!answer.rests) {
    rested_.erase(from);
    return;
  }
  rested_.insert(from);
  rest_if_all_do();
}

void Core::rest_if_all_do() {
  bool all_rest = may_rest();
  for_each_peer([&](NodeId peer) {
    all_rest = all_rest && (rested_.contains(peer) || !in_reach_.contains(peer));
  });
  if (!all_rest) return;
  is_resting_ = true;
  heartbeat_at_ = check_at_ = tell_at_ = time_never;
  counters_.rests += 1;
  log_.debug("rests", "ballot", ballot_, "end", chosen_end_);
}

// As follower. Only while its host vouches for the leader's, which it then loses before it could
// miss anything of it for long.
bool Core::rests_with(Time now, NodeId leader, const Heartbeat& beat) {
  bool is_late = beat.sequence < heard_sequence_;
  heard_sequence_ = std::max(heard_sequence_, beat.sequence);
  bool may = beat.may_rest && !is_late && beat.lead_at && role_ == Role::follower &&
             beat.chosen_end == chosen_end_ && in_reach_.contains(leader) && has_nothing_to_do();
  if (!may) {
    if (!is_late) wake(now);
    return false;
  }
  if (!is_resting_) counters_.rests += 1;
  is_resting_ = true;
  probe_at_ =
      now + Duration(random_.between(static_cast<std::uint64_t>(options_.rest_probe.count()),
                                     2 * static_cast<std::uint64_t>(options_.rest_probe.count())));
  return true;
}

// Now and then, since a leader's log may end where its host does not, and the word of that be lost.
// Whoever gets no answer stands in an election timeout, like one that hears nothing.
void Core::probe(Time now, Effects& effects) {
  Ballot ballot = leader_ballot_;
  NodeId leader = leader_;
  wake(now);
  if (leader && leader != options_.self) effects.now.push_back(Send{leader, Resting{ballot}});
}

void Core::on(Time, NodeId from, const Resting& asked, Effects& effects) {
  if (!is_resting_ || role_ != Role::leader || asked.ballot != ballot_) return;
  effects.now.push_back(Send{from, Heartbeat{.ballot = ballot_,
                                             .chosen_end = chosen_end_,
                                             .lead_at = lead_at_,
                                             .sequence = sequence_,
                                             .wants_lease = wants_lease_,
                                             .may_rest = true}});
}

}  // namespace cluster::replog
