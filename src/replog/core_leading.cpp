// What a leader does: proposes, counts, keeps its followers, answers for them.
#include <algorithm>

#include "replog/core.hpp"

namespace cluster::replog {
namespace {

// Appends that follow each other are told together.
void tell_appended(std::uint64_t tag, Position at, Effects& effects) {
  auto* last = effects.now.empty() ? nullptr : std::get_if<Appended>(&effects.now.back());
  bool is_next =
      last != nullptr && last->tag + last->count == tag && last->position.plus(last->count) == at;
  if (is_next) {
    last->count += 1;
  } else {
    effects.now.push_back(Appended{tag, at});
  }
}

}  // namespace

void Core::enqueue(Proposal proposal, Effects& effects) {
  Origin origin{.member = options_.self, .tag = proposal.tag, .is_writers = proposal.term != 0};
  if (pipeline_->enqueue(Value{proposal.is_packed ? Kind::packed : Kind::data,
                               std::move(proposal.data), term_of(ballot_)},
                         origin))
    return;
  effects.now.push_back(
      AppendFailed{origin.tag, Error{Errc::overloaded, "the leader's queue is full"}});
}

// The others go on without a disk that is slower than theirs, so nothing else keeps a leader from
// proposing more than its own disk takes.
void Core::propose(Effects& effects) {
  if (!is_disk_behind_) send_accepts(pipeline_->take(chosen_end_), effects);
}

void Core::on_disk_behind(bool is_behind, Effects& effects) {
  is_disk_behind_ = is_behind;
  if (role_ == Role::leader) propose(effects);
  finish(effects);
}

void Core::send_accepts(std::vector<Accept> accepts, Effects& effects) {
  std::vector<NodeId> peers;
  for_each_peer([&](NodeId peer) {
    if (!configuration_.is_witness(peer)) peers.push_back(peer);
  });
  for (Accept& accept : accepts) {
    acceptor_.on(options_.self, accept, chosen_end_, effects);
    for (NodeId peer : peers) {
      bool is_last = peer == peers.back();
      effects.now.push_back(Send{peer, is_last ? std::move(accept) : accept});
    }
    told_end_ = chosen_end_;
    tell_at_ = time_never;
  }
}

void Core::on(Time now, NodeId from, const Accepted& answer, Effects& effects) {
  note_ballot(answer.promised);
  if (role_ != Role::leader || answer.ballot != ballot_) return;
  if (!answer.granted) return on_refusal(now, answer.promised, effects);
  if (!(answer.first < answer.end)) return;
  pipeline_->accepted(from, answer.first, answer.end, now);
  if (configuration_.has_witness()) ask_witnesses(now, effects);
  settle(now, effects);
  // One that catches up by what it is sent again gets the next part at once.
  if (role_ != Role::leader || !is_peer(from)) return;  // It may just have been removed.
  if (auto more = pipeline_->more_from(from, chosen_end_)) {
    send_again(from, *more, end_for(from, now), effects);
  }
}

void Core::on_refusal(Time now, Ballot promised, Effects& effects) {
  if (promised <= ballot_) return;
  counters_.refused += 1;
  stop_leading(now, "a member promised a higher ballot", effects);
}

void Core::settle(Time now, Effects& effects) {
  // What we hear from others to be chosen counts like what our own followers told.
  Position end = pipeline_->agreed_end(chosen_end_);
  Position at = pipeline_->settled();
  if (end <= at) return;
  std::vector<Origin> origins = pipeline_->settle(end);
  advance(now, end, effects);
  std::map<NodeId, Forwarded> answers;
  for (const Origin& origin : origins) {
    if (origin.is_command && at == configuration_.since()) {
      chosen_change_ = ChosenChange{origin, at};
    } else if (origin.is_command) {
      answer_command(origin, Commanded{.tag = origin.tag, .position = at}, effects);
    } else if (origin.member == options_.self) {
      tell_appended(origin.tag, at, effects);
    } else if (origin.member) {
      taken_[origin.member].settle(origin.tag, at);
      Forwarded& answer = answers[origin.member];
      answer.ballot = ballot_;
      answer.items.push_back({origin.tag, at, Errc::ok, Outcome::not_applied});
    }
    at = at.next();
  }
  for (auto& [member, answer] : answers) effects.now.push_back(Send{member, std::move(answer)});
  // Not before it was proposed: what is settled until then is what an earlier leader left.
  if (!lead_at_ && own_lead_at_ && own_lead_at_ < chosen_end_) {
    lead_at_ = own_lead_at_;
    tell_leadership(effects);
    for (std::uint64_t tag : own_reads_.take_unanswered()) leader_reads_.ask(options_.self, tag);
    execute_waiting(now, effects);
  }
  propose(effects);
  // Followers hear of the choice with the next Accept, or a moment later.
  if (told_end_ < chosen_end_) tell_at_ = std::min(tell_at_, now + options_.tell_delay);
  serve_reads(now, effects);
}

void Core::send_heartbeats(Time now, Effects& effects) {
  heartbeat_at_ = now + options_.heartbeat_interval;
  sequence_ += 1;
  told_end_ = chosen_end_;
  tell_at_ = time_never;
  leader_reads_.join(sequence_, chosen_end_);
  if (wants_lease_) lease_.sent(sequence_, now);
  for_each_peer([&](NodeId peer) {
    effects.now.push_back(Send{peer, Heartbeat{.ballot = ballot_,
                                               .chosen_end = chosen_end_,
                                               .lead_at = lead_at_,
                                               .sequence = sequence_,
                                               .wants_lease = wants_lease_,
                                               .may_rest = rest_from_ != 0}});
  });
}

void Core::on(Time now, NodeId from, const Heard& answer, Effects& effects) {
  note_ballot(answer.promised);
  if (role_ != Role::leader || answer.ballot != ballot_) return;
  if (!answer.granted) return on_refusal(now, answer.promised, effects);
  pipeline_->heard(from, answer.sequence, answer.chosen_end, now);
  if (answer.grants_lease && wants_lease_) lease_.granted(from, answer.sequence);
  serve_reads(now, effects);
  if (options_.may_rest) consider_resting(from, answer);
  if (asked_change_) consider_change(now, effects);
  if (hand_over_) go_on_handing_over(now, effects);
}

// A member that has made no progress for some heartbeats is sent what it lacks of the open
// positions. Settled ones it learns by itself.
void Core::resend(Time now, Effects& effects) {
  Duration patience = options_.heartbeat_interval * 3;
  for_each_peer([&](NodeId peer) {
    auto from = pipeline_->resend_from(peer, chosen_end_, now, patience);
    if (from) send_again(peer, *from, end_for(peer, now), effects);
  });
}

Position Core::end_for(NodeId peer, Time now) const {
  if (!configuration_.is_witness(peer)) return pipeline_->next();
  return pipeline_->witness_end(now, options_.election_timeout, options_.heartbeat_interval * 3);
}

// What the voters hold that keep up, witnesses are asked to hold too.
void Core::ask_witnesses(Time now, Effects& effects) {
  for_each_peer([&](NodeId peer) {
    if (!configuration_.is_witness(peer)) return;
    Position end = end_for(peer, now);
    auto from = pipeline_->ask_witness(peer, end);
    if (from) send_again(peer, std::max(*from, acceptor_.window().first()), end, effects);
  });
}

void Core::send_again(NodeId peer, Position from, Position end, Effects& effects) {
  if (end <= from) return;
  Position next;
  std::vector<LogEntry> entries =
      acceptor_.window().range(from, end, options_.pipeline.accept_bytes_max, next);
  if (entries.empty()) return;
  if (configuration_.is_witness(peer)) {
    for (LogEntry& entry : entries) entry.value = entry.value.bare();
  }
  Accept accept{.ballot = ballot_, .first = from, .chosen_end = chosen_end_};
  for (LogEntry& entry : entries) accept.values.push_back(std::move(entry.value));
  counters_.resent += 1;
  pipeline_->sent_again(peer, next);
  effects.now.push_back(Send{peer, std::move(accept)});
}

// What is sent again, because it or its answer was lost, is told what became of it. What this
// member did before it started it does not know: it led then, and may have carried it out.
void Core::on(Time, NodeId from, const Forward& asked, Effects& effects) {
  if (from == options_.self || asked.ballot.member != options_.self) return;
  bool is_ours = role_ == Role::leader && asked.ballot == ballot_;
  bool is_from_before = asked.ballot <= promised_at_start_;
  Taken& taken = taken_[from];
  Forwarded answer{.ballot = asked.ballot, .items = {}};
  auto say = [&](std::uint64_t tag, Errc errc, Outcome outcome) {
    answer.items.push_back({tag, {}, errc, outcome});
  };
  for (const Forward::Item& item : asked.items) {
    switch (is_from_before ? Taken::Fate::forgotten : taken.fate(item.tag)) {
      case Taken::Fate::settled:
        answer.items.push_back(
            {item.tag, taken.position(item.tag), Errc::ok, Outcome::not_applied});
        break;
      case Taken::Fate::under_way:
        // Answered when it is settled; or was, when we stepped down.
        if (!is_ours) say(item.tag, Errc::fenced, Outcome::maybe);
        break;
      case Taken::Fate::refused: say(item.tag, Errc::overloaded, Outcome::not_applied); break;
      case Taken::Fate::forgotten: say(item.tag, Errc::no_leader, Outcome::maybe); break;
      case Taken::Fate::unseen:
        if (!is_ours) {
          say(item.tag, Errc::no_leader, Outcome::not_applied);
        } else if (pipeline_->enqueue(Value{item.is_packed ? Kind::packed : Kind::data, item.data,
                                            term_of(ballot_)},
                                      Origin{from, item.tag})) {
          taken.add(item.tag);
        } else {
          taken.refuse(item.tag);
          say(item.tag, Errc::overloaded, Outcome::not_applied);
        }
        break;
    }
  }
  if (!answer.items.empty()) effects.now.push_back(Send{from, std::move(answer)});
  if (is_ours) propose(effects);
}

}  // namespace cluster::replog
