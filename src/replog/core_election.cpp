// Elections: pre-vote, prepare, and the changes of role.
#include <algorithm>
#include <utility>

#include "replog/core.hpp"

namespace cluster::replog {

void Core::note_ballot(Ballot ballot) { highest_ = std::max(highest_, ballot); }

void Core::postpone_election(Time now) {
  auto least = static_cast<std::uint64_t>(options_.election_timeout.count());
  election_at_ = now + Duration(random_.between(least, 2 * least));
}

// When a process dies, its system closes its connections at once: news that comes long before any
// silence is noticed. If only the connection broke, a heartbeat comes over the leader's own or a
// new one within the time that is left, or else the others, who hear the leader, refuse the
// pre-vote.
void Core::on_lost(Time now, NodeId member, Effects& effects) {
  in_reach_.erase(member);
  if (is_resting_ && (role_ == Role::leader || member == leader_)) wake(now);
  if (role_ == Role::follower && member == leader_) {
    heard_leader_at_ = std::min(heard_leader_at_, now - options_.election_timeout);
    auto beat = static_cast<std::uint64_t>(options_.heartbeat_interval.count());
    election_at_ = std::min(election_at_, now + Duration(random_.between(beat, 2 * beat)));
  }
  finish(effects);
}

// Whoever was silent for so long is not followed any more, even if no other is elected.
void Core::drop_silent_leader(Time now, Effects& effects) {
  bool is_leaderless = now - heard_leader_at_ >= options_.election_timeout;
  if (!is_leaderless || !leader_) return;
  leader_ = NodeId{};
  fail_forwarded("the leader fell silent", effects);
  tell_leadership(effects);
}

// One that may not stand asks for news instead: its part in the log may have ended without its
// knowing.
void Core::on_silence(Time now, Effects& effects) {
  drop_silent_leader(now, effects);
  postpone_election(now);
  if (is_removed()) return;
  std::vector<NodeId> others = configuration_.ids();
  std::erase(others, options_.self);
  if (others.empty()) return;
  effects.now.push_back(Send{others[random_.below(others.size())], Learn{chosen_end_}});
}

void Core::start_pre_vote(Time now, Effects& effects) {
  drop_silent_leader(now, effects);
  // It could not promise itself; or nobody could learn from it what is chosen, and others who hold
  // that without knowing it to be chosen get it chosen again.
  if (is_disk_stalled_ || !can_vouch(Position(1), "itself")) return postpone_election(now);
  role_ = Role::pre_candidate;
  counters_.elections += 1;
  postpone_election(now);
  votes_.clear();
  votes_[options_.self] = true;
  if (votes_.size() >= configuration_.quorum()) return start_prepare(now, effects);
  Ballot wish{.round = std::max(highest_, acceptor_.promised()).round + 1, .member = options_.self};
  for (NodeId voter : configuration_.voters()) {
    if (voter != options_.self) effects.now.push_back(Send{voter, PreVote{wish}});
  }
}

// A member that hears a leader does not help to depose it: that is what keeps a member that cannot
// hear the leader, while others can, from ending term after term.
void Core::on(Time now, NodeId from, const PreVote& asked, Effects& effects) {
  bool hears_leader = role_ == Role::leader || now - heard_leader_at_ < options_.election_timeout;
  bool granted = !hears_leader && asked.ballot > acceptor_.promised() &&
                 !lease_grant_.forbids(from, now) && !damage_.has_from(chosen_end_);
  effects.now.push_back(Send{from, PreVoted{.ballot = asked.ballot,
                                            .granted = granted,
                                            .promised = std::max(highest_, acceptor_.promised())}});
  // One that does not know that it was removed asks for ever; the entry that did it is news to it.
  if (!configuration_.has_voter(from)) {
    effects.now.push_back(Send{from, Learned{.entries = {}, .chosen_end = chosen_end_}});
  }
}

void Core::on(Time now, NodeId from, const PreVoted& answer, Effects& effects) {
  note_ballot(answer.promised);
  if (role_ != Role::pre_candidate || answer.ballot.member != options_.self) return;
  if (answer.granted && configuration_.has_voter(from)) votes_[from] = true;
  if (votes_.size() >= configuration_.quorum()) start_prepare(now, effects);
}

void Core::start_prepare(Time now, Effects& effects) {
  std::uint64_t round = std::max(highest_, acceptor_.promised()).round + 1;
  if (round > round_max) {
    // Nobody gets there by electing; somebody told us of such a round.
    log_.error("cannot be elected: rounds have run out", "highest", highest_);
    return postpone_election(now);
  }
  ballot_ = Ballot{.round = round, .member = options_.self};
  note_ballot(ballot_);
  role_ = Role::candidate;
  leader_ = NodeId{};
  fail_forwarded("an election began", effects);
  tell_leadership(effects);
  postpone_election(now);
  prepare(now, effects);
}

void Core::prepare(Time now, Effects& effects) {
  preparation_.emplace(configuration_, ballot_, chosen_end_);
  prepare_again_at_ = now + options_.heartbeat_interval * 2;
  log_.info("prepares", "ballot", ballot_, "from", chosen_end_);
  for (NodeId voter : configuration_.voters()) send_prepare(now, voter, effects);
}

// No leader of a lower ballot is followed. A candidate's own counts, though it may not have
// promised it yet.
Ballot Core::lowest_followed() const {
  Ballot lowest = std::max(acceptor_.promised(), leader_ballot_);
  return role_ == Role::candidate ? std::max(lowest, ballot_) : lowest;
}

void Core::send_prepare(Time now, NodeId to, Effects& effects) {
  Prepare prepare{.ballot = ballot_, .from = preparation_->next_of(to)};
  // We ask ourselves at once, so that our own promise stands before anyone else's answer.
  if (to == options_.self) {
    bool may_promise = !lease_grant_.forbids(to, now) && can_vouch(prepare.from, "itself");
    if (may_promise) acceptor_.on(to, prepare, held_end(), effects);
    return;
  }
  effects.now.push_back(Send{to, prepare});
}

void Core::on(Time now, NodeId from, const Prepare& asked, Effects& effects) {
  if (from == options_.self) return;
  note_ballot(asked.ballot);
  if (asked.ballot.member != from) return;
  // It asks for more than we can answer for, so it gets no promise, and cannot win with us. It
  // must learn first how the log begins.
  if (asked.from < kept_from_) return offer(from, effects);
  // A question from before the present leader's election must not unseat it here.
  if (asked.ballot < leader_ballot_) {
    effects.now.push_back(Send{from, Promised{.ballot = asked.ballot, .promised = leader_ballot_}});
    return;
  }
  if (lease_grant_.forbids(from, now)) return;  // It asks again, and our word will be over.
  if (!can_vouch(asked.from, "a candidate")) return;
  if (asked.ballot > acceptor_.promised()) {
    if (role_ == Role::leader) {
      bool is_handed_over = hand_over_ && hand_over_->to == from;
      stop_leading(now, is_handed_over ? "it handed over" : "a higher ballot was prepared",
                   effects);
    } else if (role_ != Role::follower) {
      become_follower(now, "a higher ballot was prepared", effects);
    }
    leader_ = NodeId{};
    fail_forwarded("an election began", effects);
    tell_leadership(effects);
    postpone_election(now);
  }
  acceptor_.on(from, asked, held_end(), effects);
}

void Core::on(Time now, NodeId from, const Promised& answer, Effects& effects) {
  note_ballot(answer.promised);
  if (!preparation_ || answer.ballot != ballot_) return;
  if (!answer.granted) {
    if (answer.promised > ballot_) {
      counters_.refused += 1;
      become_follower(now, "a member promised a higher ballot", effects);
    }
    return;
  }
  // It lacks what the quorum before this configuration chose, and a quorum of this one must hold it
  // all before anything rests on this one alone.
  if (answer.chosen_end <= configuration_.since()) {
    effects.now.push_back(Send{from, Learned{.entries = {}, .chosen_end = chosen_end_}});
    return;
  }
  if (!preparation_->take(from, answer)) return;
  // A long answer takes its time; whoever has less to fetch can still win with a higher ballot.
  if (role_ == Role::candidate) postpone_election(now);
  if (!preparation_->is_whole(from)) return send_prepare(now, from, effects);
  if (is_leaving()) return leave_the_lead(now, effects);
  // Not before our own promise is durable either: after a crash we would not know that we had used
  // this ballot, and could propose something else at it.
  bool is_remembered = preparation_->is_whole(options_.self);
  bool is_enough = is_remembered && preparation_->has_quorum() && preparation_->has_data();
  if (is_enough) on_prepared(now, effects);
}

void Core::on(Time now, NodeId from, const CampaignNow& asked, Effects& effects) {
  // A word from an earlier term is late: its leader has long been followed by another.
  if (asked.ballot.member != from || asked.ballot != leader_ballot_) return;
  if (is_disk_stalled_ || !damage_.empty()) return;
  // It is said again until somebody takes over: a candidate that began anew each time would not.
  if (role_ == Role::candidate || !can_stand()) return;
  log_.info("is handed the lead", "by", from);
  start_prepare(now, effects);
}

void Core::on_prepared(Time now, Effects& effects) {
  const Preparation preparation = std::move(*preparation_);
  preparation_.reset();
  prepare_again_at_ = time_never;

  // What somebody already knows to be chosen is learned, not proposed again.
  for (Position at = chosen_end_; at < preparation.chosen_end(); at = at.next()) {
    const LogEntry* entry = preparation.best(at);
    if (entry == nullptr) {
      return become_follower(now, "an answer lacked what it called chosen", effects);
    }
    if (!acceptor_.keep_chosen(*entry, effects)) {
      return become_follower(now, "an answer contradicts what was accepted here", effects);
    }
    counters_.learned += 1;
  }
  advance(now, preparation.chosen_end(), effects);
  if (role_ == Role::leader) pipeline_->skip_to(chosen_end_);
  // Others decide about what follows: they are asked first, by `follow_configuration`.
  if (is_reconfigured_) return;
  if (role_ != Role::leader) start_leading(now, effects);
  propose_again(preparation, effects);
  if (heartbeat_at_ == time_never) send_heartbeats(now, effects);
}

void Core::start_leading(Time now, Effects& effects) {
  role_ = Role::leader;
  forget_rest();
  counters_.terms_led += 1;
  wants_lease_ = options_.lease_reads;
  follow(now, options_.self, ballot_, effects);
  pipeline_.emplace(options_.self, configuration_, ballot_, chosen_end_, options_.pipeline, now);
  log_.info("leads", "ballot", ballot_, "from", chosen_end_);
  check_at_ = now + options_.heartbeat_interval;
  for (Proposal& proposal : waiting_) enqueue(std::move(proposal), effects);
  waiting_.clear();
}

// What earlier leaders left, then our own first entry. What sets the members ends the row: those
// that it names must promise before anything follows it.
void Core::propose_again(const Preparation& preparation, Effects& effects) {
  std::vector<Value> values = preparation.open_values(chosen_end_, settled_term_);
  auto config = std::find_if(values.begin(), values.end(),
                             [](const Value& value) { return value.kind == Kind::config; });
  is_changing_ = config != values.end();
  if (is_changing_) {
    values.erase(config + 1, values.end());
  } else if (!own_lead_at_) {
    own_lead_at_ = pipeline_->next().plus(values.size());
    values.push_back(Value{Kind::lead, Bytes(to_field(ballot_)), term_of(ballot_)});
  }
  send_accepts(pipeline_->propose(std::move(values), chosen_end_), effects);
  if (is_changing_) return;
  if (auto change = std::exchange(chosen_change_, std::nullopt)) {
    answer_command(change->asked, Commanded{.tag = change->asked.tag, .position = change->at},
                   effects);
  }
  if (!hand_over_) pipeline_->go_on();
  propose(effects);
}

void Core::stop_leading(Time now, std::string_view why, Effects& effects) {
  CLUSTER_CHECK(role_ == Role::leader, "only a leader steps down");
  counters_.step_downs += 1;
  forget_rest();
  log_.info("steps down", "ballot", ballot_, "why", why);
  give_lease_up(now, effects);
  Pipeline::Leftovers left = pipeline_->drain();
  pipeline_.reset();
  role_ = Role::follower;
  leader_ = NodeId{};
  preparation_.reset();
  is_changing_ = false;
  const auto asked_change = std::exchange(asked_change_, std::nullopt);
  if (auto change = std::exchange(chosen_change_, std::nullopt)) {
    refuse(change->asked,
           Error{Errc::no_leader, "the leader stepped down: " + std::string(why), Outcome::maybe},
           effects);
  }
  if (hand_over_ && hand_over_->asked.member) {
    answer_command(hand_over_->asked, Commanded{.tag = hand_over_->asked.tag}, effects);
  }
  hand_over_.reset();
  lead_at_ = own_lead_at_ = Position{};
  heartbeat_at_ = tell_at_ = check_at_ = time_never;
  std::map<NodeId, Forwarded> answers;
  auto fail = [&](const Origin& origin, Errc errc, Outcome outcome) {
    if (!origin.member) return;
    if (origin.is_command) {
      refuse(origin, Error{errc, "the leader stepped down: " + std::string(why), outcome}, effects);
    } else if (origin.member == options_.self) {
      effects.now.push_back(AppendFailed{
          origin.tag, Error{errc, "this member stopped leading: " + std::string(why), outcome}});
    } else {
      Forwarded& answer = answers[origin.member];
      answer.ballot = ballot_;
      answer.items.push_back({origin.tag, {}, errc, outcome});
    }
  };
  for (const Origin& origin : left.in_flight) fail(origin, Errc::fenced, Outcome::maybe);
  auto give_back = [&](const Origin& origin) {
    fail(origin, Errc::fenced, Outcome::not_applied);
    // Never proposed: it may be sent here again, when we lead again.
    if (origin.member) {
      (origin.is_command ? commands_taken_ : taken_)[origin.member].remove(origin.tag);
    }
  };
  for (auto& [value, origin] : left.unsent) {
    if (origin.member == options_.self && !origin.is_writers && !origin.is_command) {
      waiting_.push_back(
          Proposal{origin.tag, std::move(value.data), 0, value.kind == Kind::packed});
      continue;
    }
    give_back(origin);
  }
  if (asked_change) give_back(asked_change->asked);
  for (const LeaderReads::Question& read : leader_reads_.take_all()) {
    if (read.member == options_.self) {
      own_reads_.add(read.tag);
    } else {
      effects.now.push_back(Send{read.member, ReadIndexed{.tag = read.tag}});
    }
  }
  for (auto& [member, answer] : answers) effects.now.push_back(Send{member, std::move(answer)});
  if (is_removed()) fail_as_removed(effects);
  postpone_election(now);
  tell_leadership(effects);
}

void Core::become_follower(Time now, std::string_view why, Effects& effects) {
  if (role_ == Role::leader) return stop_leading(now, why, effects);
  if (role_ == Role::candidate) log_.info("gives its candidacy up", "ballot", ballot_, "why", why);
  role_ = Role::follower;
  forget_rest();
  preparation_.reset();
  prepare_again_at_ = time_never;
  votes_.clear();
  postpone_election(now);
}

void Core::follow(Time now, NodeId leader, Ballot ballot, Effects& effects) {
  heard_leader_at_ = now;
  if (leader != options_.self) {
    if (role_ == Role::leader || role_ == Role::candidate) {
      become_follower(now, "another member leads", effects);
    }
    role_ = Role::follower;
    postpone_election(now);
  }
  if (leader_ == leader && leader_ballot_ == ballot) return;
  bool is_new = leader_ballot_ != ballot;
  if (is_new) heard_sequence_ = 0;
  if (leader != options_.self) forget_rest();
  if (is_new || leader_ != leader) fail_forwarded("another term began", effects);
  if (is_new) lead_at_ = Position{};
  leader_ = leader;
  leader_ballot_ = ballot;
  log_.info("follows", "leader", leader, "ballot", ballot);
  tell_leadership(effects);
  if (leader != options_.self) {
    own_reads_.ask_again_at(now);
    ask_leader(now, effects);
    send_waiting(effects);
    send_commands(effects);
  }
}

}  // namespace cluster::replog
