// What a follower does: accepts, learns what is chosen, and hands its callers' wishes to the
// leader.
#include <algorithm>

#include "replog/core.hpp"

namespace cluster::replog {
namespace {

// An Accept further than this beyond what we hold is not from a leader of ours.
constexpr std::uint64_t accept_distance_max = 1u << 18;
constexpr std::size_t forward_bytes_max = 1u << 20;
// Of those that may be sent again, so many at a time.
constexpr std::size_t forward_looks_max = 8192;

}  // namespace

void Core::on(Time now, NodeId from, const Accept& accept, Effects& effects) {
  if (from == options_.self || accept.ballot.member != from || accept.values.empty()) return;
  if (accept.first > acceptor_.end().plus(accept_distance_max)) return;
  note_ballot(accept.ballot);
  if (accept.ballot >= lowest_followed()) {
    follow(now, from, accept.ballot, effects);
  } else {
    counters_.refused += 1;
  }
  acceptor_.on(from, accept, chosen_end_, effects);
  if (accept.ballot == acceptor_.promised()) {
    replace_damage(accept.first, accept.first.plus(accept.values.size()));
  }
  learn_by_ballot(now, from, accept.ballot, accept.chosen_end, effects);
}

void Core::on(Time now, NodeId from, const Heartbeat& beat, Effects& effects) {
  if (from == options_.self || beat.ballot.member != from) return;
  note_ballot(beat.ballot);
  if (take_revocation(now, beat, effects)) return;
  Ballot lowest = lowest_followed();
  bool granted = beat.ballot >= lowest;
  bool grants_lease = granted && beat.wants_lease && options_.lease_reads;
  if (grants_lease) lease_grant_.grant(beat.ballot, beat.sequence, now);
  if (granted) {
    follow(now, from, beat.ballot, effects);
    if (beat.lead_at) void_damage(beat.ballot, beat.lead_at);
    if (beat.lead_at && lead_at_ != beat.lead_at) {  // An older heartbeat does not take it back.
      lead_at_ = beat.lead_at;
      tell_leadership(effects);
    }
  } else {
    counters_.refused += 1;
  }
  learn_by_ballot(now, from, beat.ballot, beat.chosen_end, effects);
  bool rests = granted && options_.may_rest && rests_with(now, from, beat);
  effects.now.push_back(Send{from, Heard{.ballot = beat.ballot,
                                         .granted = granted,
                                         .promised = lowest,
                                         .sequence = beat.sequence,
                                         .chosen_end = held_end(),
                                         .grants_lease = grants_lease,
                                         .rests = rests}});
}

// What we accepted at a ballot is what its leader proposed there, so where that leader says that a
// position is chosen, what we hold at its ballot is the choice. Anything else must be asked for.
void Core::learn_by_ballot(Time now, NodeId teller, Ballot ballot, Position chosen_end,
                           Effects& effects) {
  Position end = chosen_end_;
  while (end < chosen_end) {
    const LogEntry* held = acceptor_.window().find(end);
    if (held == nullptr || held->ballot != ballot) break;
    end = end.next();
  }
  advance(now, end, effects);
  if (chosen_end > known_chosen_end_) known_chosen_end_ = chosen_end;
  if (chosen_end_ < chosen_end) {
    teller_ = teller;
    if (now >= learn_again_at_) ask_to_learn(now, effects);
  }
}

void Core::ask_to_learn(Time now, Effects& effects) {
  learn_again_at_ = now + options_.heartbeat_interval * 4;
  // The one that told may be gone: then whoever leads, then anybody.
  NodeId to = leader_ && leader_ != options_.self ? leader_ : teller_;
  if (!to || to == options_.self) return;
  effects.now.push_back(Send{to, Learn{chosen_end_}});
}

void Core::on(Time now, NodeId from, const Learn& asked, Effects& effects) {
  if (from == options_.self || !asked.from || asked.from >= chosen_end_) return;
  // A witness has nothing to teach.
  if (acceptor_.is_witness()) return;
  if (asked.from < kept_from_) return offer(from, effects);
  if (!take_turn(now, from, asked)) return;
  Position end = asked.end ? std::min(asked.end, chosen_end_) : chosen_end_;
  end = damage_.first_in(asked.from, end);  // What is lost here is asked for elsewhere.
  if (end <= asked.from) return;
  Learned answer{.entries = {}, .chosen_end = chosen_end_};
  const Window& window = acceptor_.window();
  if (asked.from < window.first()) {
    charge(options_.answer_bytes_max);
    effects.now.push_back(
        SendStored{from, std::move(answer), asked.from, std::min(window.first(), end)});
    return;
  }
  Position next;
  answer.entries = window.range(asked.from, end, options_.answer_bytes_max, next);
  for (const LogEntry& entry : answer.entries) charge(entry.value.cost());
  effects.now.push_back(Send{from, std::move(answer)});
}

void Core::on(Time now, NodeId from, const Learned& told, Effects& effects) {
  if (from == options_.self) return;
  repair(told.entries, effects);
  Position end = chosen_end_;
  for (const LogEntry& entry : told.entries) {
    if (entry.position < end) continue;
    if (entry.position > end) break;
    // From one that was a witness, and does not know it any more.
    if (entry.value.is_bare && !acceptor_.is_witness()) break;
    note_ballot(entry.ballot);
    // What a newer leader got chosen may stand where we proposed something else, or nothing yet.
    bool is_newer =
        role_ == Role::leader && (entry.ballot > ballot_ || entry.position >= pipeline_->next());
    if (is_newer) stop_leading(now, "a newer leader has chosen entries", effects);
    if (!acceptor_.keep_chosen(entry, effects)) {
      log_.error("told something else as chosen", "by", from, "position", entry.position);
      break;
    }
    counters_.learned += 1;
    replace_damage(entry.position, entry.position.next());
    end = end.next();
  }
  bool has_moved = end > chosen_end_;
  advance(now, end, effects);
  if (told.chosen_end > known_chosen_end_) {
    known_chosen_end_ = told.chosen_end;
    teller_ = from;
  }
  if (has_moved && chosen_end_ < known_chosen_end_) ask_to_learn(now, effects);
}

void Core::advance(Time now, Position end, Effects& effects) {
  if (end <= chosen_end_) return;
  counters_.chosen += distance(chosen_end_, end);
  const Window& window = acceptor_.window();
  settled_term_ = std::max(settled_term_, last_term(window, chosen_end_, end));
  const LogEntry* members = nullptr;
  for (Position at = chosen_end_; at < end; at = at.next()) {
    const LogEntry* entry = window.find(at);
    if (entry == nullptr) continue;
    settled_bytes_ += entry->value.cost();
    if (entry->value.kind == Kind::truncate) note_truncate(*entry);
    if (entry->value.kind == Kind::config && at > configuration_.since()) members = entry;
  }
  chosen_end_ = end;
  if (members != nullptr) {
    auto next = decode_configuration(members->value.data.view(), members->position);
    CLUSTER_CHECK(next, "the codec lets no unreadable configuration pass", members->position);
    adopt(now, *std::move(next), effects);
  }
  known_chosen_end_ = std::max(known_chosen_end_, end);
  effects.now.push_back(Chosen{end});
  reach_reads(effects);
}

void Core::send_waiting(Effects& effects) {
  if (!leader_ || leader_ == options_.self) return;
  while (!waiting_.empty()) {
    Forward forward{.ballot = leader_ballot_, .items = {}};
    std::size_t bytes = 0;
    while (!waiting_.empty() && bytes < forward_bytes_max) {
      Proposal& proposal = waiting_.front();
      bytes += proposal.data.size();
      forward.items.push_back({proposal.tag, proposal.data, proposal.is_packed});
      counters_.forwarded += 1;
      if (forwarded_.empty()) forward_again_at_ = heard_leader_at_ + forward_patience();
      // Nobody is followed who was not heard a moment ago.
      forwarded_.insert_or_assign(proposal.tag,
                                  Sent{leader_ballot_, std::move(proposal), heard_leader_at_});
      waiting_.pop_front();
    }
    effects.now.push_back(Send{leader_, std::move(forward)});
  }
}

// Appends whose answer is long in coming, a part of them at a time: they or their answers may be
// lost. The leader knows by their tags which it has, and it is the only one of its ballot.
void Core::forward_again(Time now, Effects& effects) {
  forward_again_at_ = now + forward_patience();
  if (!leader_ || leader_ == options_.self) return;
  Forward forward{.ballot = leader_ballot_, .items = {}};
  std::size_t bytes = 0;
  auto at = forwarded_.lower_bound(forward_next_);
  std::size_t looks = std::min(forwarded_.size(), forward_looks_max);
  for (; looks > 0 && bytes < forward_bytes_max; --looks) {
    if (at == forwarded_.end()) at = forwarded_.begin();
    auto& [tag, sent] = *at++;
    if (sent.sent_at + forward_patience() > now || sent.ballot != leader_ballot_) continue;
    sent.sent_at = now;
    bytes += sent.proposal.data.size();
    forward.items.push_back({tag, sent.proposal.data, sent.proposal.is_packed});
  }
  forward_next_ = at == forwarded_.end() ? 0 : at->first;
  if (!forward.items.empty()) effects.now.push_back(Send{leader_, std::move(forward)});
}

void Core::on(Time, NodeId from, const Forwarded& answer, Effects& effects) {
  if (answer.ballot.member != from) return;
  for (const Forwarded::Item& item : answer.items) {
    auto at = forwarded_.find(item.tag);
    if (at == forwarded_.end() || at->second.ballot != answer.ballot) continue;
    if (item.errc == Errc::ok) {
      effects.now.push_back(Appended{item.tag, item.position});
    } else if (item.outcome == Outcome::not_applied && item.errc != Errc::overloaded) {
      // Not its leader any more: the next one gets it.
      waiting_.push_back(std::move(at->second.proposal));
      if (leader_ == from) leader_ = NodeId{};
    } else {
      effects.now.push_back(AppendFailed{
          item.tag, Error{item.errc, "the leader did not carry it out", item.outcome}});
    }
    forwarded_.erase(at);
  }
  if (!leader_) tell_leadership(effects);
}

void Core::fail_forwarded(std::string_view why, Effects& effects) {
  for (auto& [tag, sent] : forwarded_) {
    effects.now.push_back(
        AppendFailed{tag, Error{Errc::no_leader, std::string(why), Outcome::maybe}});
  }
  forwarded_.clear();
  fail_commands(why, effects);
}

}  // namespace cluster::replog
