// Linearizable reads, by read-index or by the leader's lease; and what a leader does when it must
// give its place up.
#include <algorithm>

#include "replog/core.hpp"

namespace cluster::replog {

void Core::on_catch_up(Time now, std::uint64_t tag, Effects& effects) {
  wake(now);
  if (role_ == Role::leader && lead_at_) {
    leader_reads_.ask(options_.self, tag);
    serve_reads(now, effects);
  } else {
    own_reads_.add(tag);
    ask_leader(now, effects);
  }
  finish(effects);
}

void Core::forget_catch_up(std::uint64_t tag) {
  own_reads_.forget(tag);
  leader_reads_.forget(options_.self, tag);
}

void Core::ask_leader(Time now, Effects& effects) {
  if (!leader_ || leader_ == options_.self) return;
  if (auto tag = own_reads_.question(now, options_.heartbeat_interval * 4)) {
    effects.now.push_back(Send{leader_, ReadIndex{*tag}});
  }
}

// What is chosen now is what a reader must have, provided that nobody else leads: a quorum says so
// after the question came, or has given its word beforehand. Only a leader whose own first entry is
// chosen knows all that was chosen before it.
void Core::on(Time now, NodeId from, const ReadIndex& asked, Effects& effects) {
  if (role_ != Role::leader || !lead_at_) {
    effects.now.push_back(Send{from, ReadIndexed{.tag = asked.tag}});
    return;
  }
  leader_reads_.ask(from, asked.tag);
  serve_reads(now, effects);
}

void Core::serve_reads(Time now, Effects& effects) {
  if (!pipeline_ || !lead_at_) return;
  // Those that vote now have said nothing yet about what the ones before them chose: whoever waits
  // is asked for again, with the present end (`follow_configuration`).
  if (is_reconfigured_) return;
  auto answer = [&](const LeaderReads::Question& read) {
    if (read.member == options_.self) {
      effects.now.push_back(CaughtUp{read.tag, read.end});
    } else {
      effects.now.push_back(Send{read.member, ReadIndexed{read.tag, true, read.end}});
    }
  };
  for (;;) {
    for (const auto& read : leader_reads_.answered(pipeline_->sequence_by_quorum(sequence_))) {
      answer(read);
    }
    if (!leader_reads_.wants_round()) return;
    if (has_lease(now)) {
      for (const auto& read : leader_reads_.take_gathered(chosen_end_)) answer(read);
      return;
    }
    send_heartbeats(now, effects);
  }
}

void Core::on(Time now, NodeId from, const ReadIndexed& answer, Effects& effects) {
  if (from == options_.self || !own_reads_.is_asked(answer.tag)) return;
  if (!answer.granted) return own_reads_.ask_again_at(now + options_.heartbeat_interval);
  own_reads_.answered(answer.tag, answer.end);
  reach_reads(effects);
  ask_leader(now, effects);  // For those that came meanwhile.
}

void Core::reach_reads(Effects& effects) {
  for (const auto& [end, tag] : own_reads_.reached(chosen_end_)) {
    effects.now.push_back(CaughtUp{tag, end});
  }
}

bool Core::has_lease(Time now) const {
  return wants_lease_ && lease_.is_held(now, options_.self, configuration_);
}

// Voters that gave their word are let go, so that nobody has to wait for its end.
void Core::give_lease_up(Time now, Effects& effects) {
  if (!wants_lease_) return;
  wants_lease_ = false;
  lease_.give_up();
  send_heartbeats(now, effects);
}

// A leader that asked for a lease and now does not is leaving.
bool Core::take_revocation(Time now, const Heartbeat& beat, Effects& effects) {
  if (beat.wants_lease || !lease_grant_.revoke(beat.ballot, beat.sequence)) return false;
  heard_leader_at_ = now - options_.election_timeout;
  if (role_ == Role::candidate && !preparation_->is_whole(options_.self)) {
    send_prepare(now, options_.self, effects);
  }
  return true;
}

// The furthest of the others can be elected at once, with least to fetch.
void Core::hand_over(Effects& effects) {
  NodeId next = pipeline_->furthest_voter();
  if (next) effects.now.push_back(Send{next, CampaignNow{ballot_}});
}

void Core::on_disk_stall(Time now, bool is_stalled, Effects& effects) {
  if (is_stalled == is_disk_stalled_) return;
  wake(now);
  is_disk_stalled_ = is_stalled;
  if (is_stalled) {
    log_.error("disk stalls", "remedy", "none needed if it goes on; else look at the disk");
    counters_.disk_stalls += 1;
  } else {
    log_.info("disk goes on");
    postpone_election(now);
  }
  if (is_stalled && role_ == Role::leader && !is_only_voter()) {
    give_lease_up(now, effects);
    hand_over(effects);
    stop_leading(now, "its disk finishes no sync", effects);
  } else if (is_stalled && role_ == Role::candidate) {
    become_follower(now, "its disk finishes no sync", effects);
  }
  finish(effects);
}

void Core::on_disk_failure(Time now, Effects& effects) {
  if (role_ != Role::leader) return;
  wake(now);
  give_lease_up(now, effects);
  hand_over(effects);
  stop_leading(now, "its disk failed", effects);
}

}  // namespace cluster::replog
