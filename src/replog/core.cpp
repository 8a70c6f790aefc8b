#include "replog/core.hpp"

#include <algorithm>

#include "base/metrics.hpp"

namespace cluster::replog {

Core::Core(CoreOptions options, Recovered recovered, std::uint64_t seed, Logger log, Time now)
    : options_(options),
      configuration_(recovered.configuration),
      random_(seed),
      log_(std::move(log)),
      acceptor_(options.self, recovered, options.answer_bytes_max),
      chosen_end_(recovered.chosen_end),
      settled_term_(std::max(recovered.chosen_term,
                             last_term(acceptor_.window(), recovered.first, recovered.chosen_end))),
      recorded_chosen_end_(recovered.chosen_end),
      kept_from_(recovered.kept_from),
      kept_term_(recovered.kept_term),
      highest_(recovered.promised),
      heard_leader_at_(now - options.election_timeout),
      lease_(options.election_timeout, options.clock_drift_permille_max),
      lease_grant_(options.election_timeout,
                   options.lease_reads ? now + options.election_timeout : Time::min()),
      known_chosen_end_(recovered.chosen_end),
      released_(recovered.first) {
  CLUSTER_CHECK(options_.self && options_.incarnation != 0, "a directory has an identity");
  CLUSTER_CHECK(chosen_end_ >= Position(1), "positions start at 1");
  CLUSTER_CHECK(recovered.first <= chosen_end_, "open entries are in memory");
  CLUSTER_CHECK(kept_from_ <= recovered.first, "what is in memory is kept", kept_from_,
                recovered.first);
  for (Position at = recovered.first; at < chosen_end_; at = at.next()) {
    const LogEntry* entry = acceptor_.window().find(at);
    settled_bytes_ += settled_cost(at);
    // A crash may have come between the choice and the forgetting.
    if (entry != nullptr && entry->value.kind == Kind::truncate) note_truncate(*entry);
  }
  if (configuration_.is_empty()) {
    formation_.emplace(self(), options_.founding, options_.heartbeat_interval * 2, log_, now);
  }
  // One that was removed is in no list any more, and what it kept shows what it was.
  bool was_witness = std::any_of(recovered.entries.begin(), recovered.entries.end(),
                                 [](const LogEntry& entry) { return entry.value.is_bare; });
  acceptor_.become_witness(configuration_.is_witness(options_.self) || was_witness);
  promised_at_start_ = acceptor_.promised();
  start_with_damage(recovered.damaged);
  postpone_election(now);
  if (!is_alone()) return;
  election_at_ = now;
  lease_grant_ =
      LeaseGrant(options_.election_timeout, Time::min());  // There was nobody to grant to.
}

void Core::on(Time now, Sender from, const Message& message, Effects& effects) {
  if (log_.is_on(LogLevel::debug))
    log_.debug("received", "from", from.id, "message", name_of(message));
  if (is_resting_ && disturbs(message)) wake(now);
  if (formation_) {
    on_unformed(now, from, message, effects);
  } else if (auto* join = std::get_if<Join>(&message)) {
    on_join(from, *join, effects);
  } else if (std::holds_alternative<Introduce>(message)) {
    on_introduce(from, effects);
  } else if (is_heeded(from, message, effects)) {
    std::visit(
        [&](const auto& m) {
          if constexpr (requires { on(now, from.id, m, effects); }) on(now, from.id, m, effects);
        },
        message);
  }
  if (role_ == Role::leader && pipeline_->settled() < chosen_end_) settle(now, effects);
  if (is_reconfigured_) follow_configuration(now, effects);
  finish(effects);
}

void Core::on_time(Time now, Effects& effects) {
  if (formation_) {
    on_formed(now, formation_->on_time(now, effects), effects);
    return finish(effects);
  }
  if (must_wake_) wake(now);
  if (is_resting_ && role_ != Role::leader && now >= probe_at_) probe(now, effects);
  switch (role_) {
    case Role::follower:
    case Role::pre_candidate:
      if (now >= election_at_ && !is_resting_)
        can_stand() ? start_pre_vote(now, effects) : on_silence(now, effects);
      break;
    case Role::candidate:
      if (now >= election_at_) {
        become_follower(now, "no quorum promised in time", effects);
        start_pre_vote(now, effects);
      }
      break;
    case Role::leader:
      // Not with the heartbeats: news and reads bring those about at any time.
      if (now >= check_at_) {
        check_at_ = now + options_.heartbeat_interval;
        if (pipeline_->heard_by_quorum(now) + options_.election_timeout <= now) {
          stop_leading(now, "no quorum was heard from", effects);
          break;
        }
        resend(now, effects);
        if (configuration_.has_witness()) ask_witnesses(now, effects);
        if (asked_change_) consider_change(now, effects);
        if (hand_over_) go_on_handing_over(now, effects);
        if (role_ != Role::leader) break;
        if (options_.may_rest) consider_rest(now);
      }
      if (now >= heartbeat_at_ || now >= tell_at_) send_heartbeats(now, effects);
      break;
  }
  if (preparation_ && now >= prepare_again_at_) {
    prepare_again_at_ = now + options_.heartbeat_interval * 2;
    // What all voters withhold a learner may have.
    const auto& asked = preparation_->has_quorum() ? configuration_.ids() : configuration_.voters();
    for (NodeId member : asked) {
      if (!preparation_->is_whole(member)) send_prepare(now, member, effects);
    }
  }
  if (lacks_entries() && now >= learn_again_at_) ask_to_learn(now, effects);
  if (install_ && now >= install_->ask_again_at) fetch(now, effects);
  if (now >= serve_again_at_) serve_waiting(now, effects);
  ask_leader(now, effects);
  if (!forwarded_.empty() && now >= forward_again_at_) forward_again(now, effects);
  if (!damage_.empty() && now >= repair_at_) ask_for_repair(now, effects);
  finish(effects);
}

void Core::on_append(std::vector<Proposal> proposals, Effects& effects) {
  counters_.appends += proposals.size();
  must_wake_ = must_wake_ || is_resting_;
  for (Proposal& proposal : proposals) {
    bool is_fenced =
        proposal.term != 0 && (role_ != Role::leader || term_of(ballot_) != proposal.term);
    if (is_fenced) {
      effects.now.push_back(
          AppendFailed{proposal.tag, Error{Errc::fenced, "another term has begun"}});
    } else if (is_removed()) {
      effects.now.push_back(AppendFailed{proposal.tag, removal()});
    } else if (role_ == Role::leader) {
      enqueue(std::move(proposal), effects);
    } else {
      waiting_.push_back(std::move(proposal));
    }
  }
  if (role_ == Role::leader) {
    propose(effects);
  } else {
    send_waiting(effects);
  }
  finish(effects);
}

void Core::on_campaign(Time now, Effects& effects) {
  if (formation_) wants_to_lead_ = true;  // As soon as it may.
  if (!can_stand()) return;
  wake(now);
  become_follower(now, "a new writer starts here", effects);
  if (!is_disk_stalled_ && damage_.empty()) start_prepare(now, effects);
  finish(effects);
}

std::vector<std::uint64_t> Core::forget_appends(const std::vector<std::uint64_t>& tags) {
  for (std::uint64_t tag : tags) forwarded_.erase(tag);
  std::vector<std::uint64_t> kept_back;
  if (pipeline_) kept_back = pipeline_->withdraw(options_.self, tags);
  std::erase_if(waiting_, [&](const Proposal& waiting) {
    if (!std::binary_search(tags.begin(), tags.end(), waiting.tag)) return false;
    kept_back.push_back(waiting.tag);
    return true;
  });
  std::sort(kept_back.begin(), kept_back.end());
  return kept_back;
}

Outcome Core::forget_command(std::uint64_t tag) {
  auto at = commands_.find(tag);
  bool is_here = at != commands_.end() && !at->second.is_sent;
  if (at != commands_.end()) commands_.erase(at);
  return is_here ? Outcome::not_applied : Outcome::maybe;
}

void Core::release(Position end) { acceptor_.release(std::min(end, chosen_end_)); }

Time Core::deadline() const {
  if (formation_) return formation_->deadline();
  if (must_wake_) return Time::min();
  Time at = is_removed() || is_resting_ ? time_never : election_at_;
  if (is_resting_ && role_ != Role::leader) at = probe_at_;
  if (role_ == Role::leader) at = std::min({heartbeat_at_, tell_at_, check_at_});
  if (preparation_) at = std::min(at, prepare_again_at_);
  if (lacks_entries()) at = std::min(at, learn_again_at_);
  if (install_) at = std::min(at, install_->ask_again_at);
  at = std::min(at, serve_again_at_);
  if (leader_ && leader_ != options_.self) at = std::min(at, own_reads_.deadline());
  if (!damage_.empty()) at = std::min(at, repair_at_);
  if (!forwarded_.empty()) at = std::min(at, forward_again_at_);
  return at;
}

void Core::finish(Effects& effects) {
  // The hint rides along where something is written anyway; it is never worth a sync of its own.
  if (!effects.changes.empty() && chosen_end_ > recorded_chosen_end_) {
    recorded_chosen_end_ = chosen_end_;
    effects.changes.push_back(SetChosenEnd{chosen_end_, settled_term_});
  }
  if (forget_before_ > kept_from_) {
    effects.then.push_back(ForgetBefore{std::exchange(forget_before_, Position{})});
  }
  // A little at a time: forgetting thousands of entries at once would be felt.
  Position before = released_;
  while (settled_bytes_ > options_.window_bytes && released_ < chosen_end_) let_go_of_one();
  if (before < released_) effects.then.push_back(Release{released_});
}

void Core::let_go(Position end, Effects& effects) {
  if (end <= released_) return;
  while (released_ < end) let_go_of_one();
  effects.then.push_back(Release{end});
}

void Core::let_go_of_one() {
  // What was repaired since it was settled was not counted.
  settled_bytes_ -= std::min(settled_bytes_, settled_cost(released_));
  released_ = released_.next();
}

std::size_t Core::settled_cost(Position at) const {
  const LogEntry* entry = acceptor_.window().find(at);
  return entry == nullptr ? 0 : entry->value.cost();
}

Leadership Core::leadership() const {
  Leadership leadership;
  if (!leader_) return leadership;
  leadership.term = term_of(leader_ballot_);
  leadership.leader = leader_;
  leadership.since = lead_at_;
  leadership.is_self = role_ == Role::leader && static_cast<bool>(lead_at_);
  return leadership;
}

void Core::tell_leadership(Effects& effects) {
  Leadership present = leadership();
  if (present == told_) return;
  told_ = present;
  effects.now.push_back(LeadershipChanged{present});
}

Metrics Core::metrics() const {
  Metrics metrics = {
      counter("cluster_log_elections_total", "Elections this member began.", counters_.elections),
      counter("cluster_log_terms_led_total", "Terms this member led.", counters_.terms_led),
      counter("cluster_log_step_downs_total", "Terms this member gave up.", counters_.step_downs),
      counter("cluster_log_appends_total", "Appends asked of this member.", counters_.appends),
      counter("cluster_log_chosen_total", "Positions seen chosen.", counters_.chosen),
      counter("cluster_log_learned_total", "Entries learned from a peer.", counters_.learned),
      counter("cluster_log_resent_total", "Accepts sent again.", counters_.resent),
      counter("cluster_log_refused_total", "Messages refused for their ballot.", counters_.refused),
      counter("cluster_log_forwarded_total", "Appends sent on to the leader.", counters_.forwarded),
      counter("cluster_log_disk_stalls_total", "Times that no sync finished in time.",
              counters_.disk_stalls),
      counter("cluster_log_damaged_total", "Entries found damaged.", counters_.damaged),
      counter("cluster_log_repaired_total", "Of those, written again.", counters_.repaired),
      counter("cluster_log_unvouched_total", "Elections not helped, for damaged entries.",
              counters_.unvouched),
      gauge("cluster_log_damaged", "Entries that are damaged now.", damage_.count()),
      gauge("cluster_log_disk_stalled", "1 while no sync finishes.", is_disk_stalled_ ? 1 : 0),
      counter("cluster_log_rests_total", "Times that it stopped heartbeats, or awaiting them.",
              counters_.rests),
      gauge("cluster_log_resting", "1 while it sends and awaits no heartbeats.",
            is_resting_ ? 1 : 0),
      gauge("cluster_log_leading", "1 while this member leads.", role_ == Role::leader ? 1 : 0),
      gauge("cluster_log_leader", "The leader's id as this member knows it; 0: none.",
            leader_.value()),
      gauge("cluster_log_term", "The term as this member knows it.", term_of(leader_ballot_)),
      gauge("cluster_log_ballot_round", "The highest round of a ballot that was seen.",
            highest_.round),
      gauge("cluster_log_chosen_end", "Positions before it are chosen.", chosen_end_.value()),
      gauge("cluster_log_first", "Older positions are not kept.", kept_from_.value()),
      gauge("cluster_log_window_bytes", "Memory of recent entries.", acceptor_.window().bytes()),
      gauge("cluster_log_waiting_entries", "Appends of this member that no leader was sent.",
            waiting_.size()),
      gauge("cluster_log_forwarded_entries", "Appends of this member that the leader has.",
            forwarded_.size()),
      gauge("cluster_log_queued_entries", "As leader: entries that have no position yet.",
            pipeline_ ? pipeline_->queued_entries() : 0),
      gauge("cluster_log_queued_bytes", "As leader: bytes of those.",
            pipeline_ ? pipeline_->queued_bytes() : 0),
      gauge("cluster_log_flight_entries", "As leader: entries proposed and not chosen.",
            pipeline_ ? pipeline_->flight_entries() : 0),
      gauge("cluster_log_flight_bytes", "As leader: bytes of those.",
            pipeline_ ? pipeline_->flight_bytes() : 0),
  };
  if (!pipeline_) return metrics;
  for_each_peer([&](NodeId peer) {
    Position has = std::max(pipeline_->chosen_end_of(peer), Position(1));
    std::uint64_t lag = has < chosen_end_ ? distance(has, chosen_end_) : 0;
    metrics.push_back(gauge(labelled("cluster_log_peer_lag", "peer", std::to_string(peer.value())),
                            "As leader: chosen positions that a member lacks.", lag));
  });
  return metrics;
}

std::string_view name_of(const Message& message) {
  static constexpr std::string_view names[] = {
      "PreVote",   "PreVoted",    "Prepare",         "Promised",      "Accept",        "Accepted",
      "Heartbeat", "Heard",       "Learn",           "Learned",       "Forward",       "Forwarded",
      "ReadIndex", "ReadIndexed", "SnapshotOffered", "SnapshotFetch", "SnapshotChunk", "Command",
      "Commanded", "CampaignNow", "RangeSum",        "RangeSummed",   "Introduce",     "Join",
      "Form",      "Resting",     "HostBeat",        "NoSuchLog"};
  static_assert(std::size(names) == std::variant_size_v<Message>);
  return names[message.index()];
}

}  // namespace cluster::replog
