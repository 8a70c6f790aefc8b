// Who belongs: forming, whom to heed, and what a new configuration means to candidate and leader.
#include <algorithm>
#include <utility>

#include "replog/change.hpp"
#include "replog/core.hpp"

namespace cluster::replog {
namespace {

constexpr std::size_t refused_max = 256;

// A learner that lacks more than this is not promoted: as a voter it would be asked for entries
// that it must fetch first, and the others would wait.
constexpr std::uint64_t promotion_lag_max = 4096;

// What is counted towards a quorum.
bool is_vote(const Message& message) {
  return std::holds_alternative<PreVoted>(message) || std::holds_alternative<Promised>(message) ||
         std::holds_alternative<Accepted>(message) || std::holds_alternative<Heard>(message);
}

}  // namespace

void Core::on_unformed(Time now, Sender from, const Message& message, Effects& effects) {
  on_formed(now, formation_->on(now, from, message, effects), effects);
}

void Core::on_formed(Time now, std::optional<Configuration> formed, Effects& effects) {
  if (!formed) return;
  formation_.reset();
  adopt(now, *std::move(formed), effects);
  is_reconfigured_ = false;
  // Durable here before others hear of it: no second list is ever made by this directory.
  if (!configuration_.since()) {
    for_each_peer([&](NodeId peer) { effects.then.push_back(Send{peer, Form{configuration_}}); });
  }
  postpone_election(now);
  if (configuration_.voters().size() == 1) election_at_ = now;
  if (std::exchange(wants_to_lead_, false) && can_stand()) start_prepare(now, effects);
}

// Whose word is heard. One that we know by another incarnation is not who it says it is. One that
// we do not know may belong to newer members than we know of: it is answered, and not counted.
bool Core::is_heeded(Sender from, const Message& message, Effects& effects) {
  const Member* member = configuration_.find(from.id);
  bool is_known = member != nullptr && member->incarnation != 0;
  if (from.incarnation == 0) return false;
  if (!is_known) {
    if (from.id >= configuration_.ids_end() && is_alone()) note_other_log(from.id, effects);
    return !is_vote(message) && !is_superseded_;
  }
  if (member->incarnation == from.incarnation) return true;
  if (refused_.size() < refused_max && refused_.insert(from).second) {
    log_.warning("refused one that is not the member it claims to be", "member", from.id, "why",
                 "its directory is another than the member's: add it as a new member");
  }
  return false;
}

// A founder that has not heard that it is a member yet; or one with a new directory, which learns
// here that the member was another.
void Core::on_introduce(Sender from, Effects& effects) {
  const Member* member = configuration_.find(from.id);
  bool is_member = member != nullptr && member->incarnation == from.incarnation;
  if (!is_member) {
    Introduce none;
    (void)is_heeded(from, none, effects);
  }
  std::vector<Member> members = configuration_.all();
  for (Member& one : members) {
    if (!is_member) one.join_secret = 0;
  }
  effects.now.push_back(Send{from.id, Form{Configuration(configuration_.since(), std::move(members),
                                                         configuration_.ids_end())}});
}

// A newcomer shows its token. The leader lets it in by an entry; anybody tells it who the members
// are, so that it finds the leader.
void Core::on_join(Sender from, const Join& asked, Effects& effects) {
  if (role_ == Role::leader && lead_at_ && !is_changing()) {
    auto next = joined(configuration_, from.id, from.incarnation, asked.secret, asked.endpoint);
    if (next && propose_members(*next, Origin{}, effects)) {
      return log_.info("lets a newcomer in", "member", from.id);
    }
  }
  on_introduce(from, effects);
}

// The only voter knows every member that its log ever had. One whose id was never given out here
// belongs to another log of the same cluster: its founder lost its disk, and was started with the
// founders' options again. Two logs in one's place are worse than none.
void Core::note_other_log(NodeId from, Effects& effects) {
  if (std::exchange(is_superseded_, true)) return;
  log_.error("is not the cluster's log", "heard", from, "why", "this directory founded another",
             "remedy", "remove it, and add a new member with another empty directory and a token");
  effects.now.push_back(MembersChanged{configuration_});
  is_reconfigured_ = true;
}

void Core::adopt(Time now, Configuration next, Effects& effects) {
  configuration_ = std::move(next);
  // One that was removed has the gaps of a witness all the same.
  bool was_witness = acceptor_.is_witness() && is_removed();
  acceptor_.become_witness(configuration_.is_witness(options_.self) || was_witness);
  log_.info("members", "are", configuration_);
  effects.changes.push_back(SetConfiguration{configuration_});
  effects.now.push_back(MembersChanged{configuration_});
  if (pipeline_) pipeline_->follow_configuration(now);
  is_reconfigured_ = true;
}

void Core::follow_configuration(Time now, Effects& effects) {
  is_reconfigured_ = false;
  if (is_superseded_) {
    become_follower(now, "the cluster has another log", effects);
    return fail_as_removed(effects);
  }
  if (is_removed()) {
    log_.warning("was removed", "position", configuration_.since());
    fail_as_removed(effects);
  }
  bool is_voter = configuration_.has_voter(options_.self) && !is_removed();
  if (role_ == Role::leader) {
    // What was asked before is answered with all that the old quorum chose; see docs/PROTOCOL.md.
    for (const LeaderReads::Question& read : leader_reads_.take_all()) {
      leader_reads_.ask(read.member, read.tag);
    }
    send_heartbeats(now, effects);
    const Member* member = configuration_.find(options_.self);
    if (is_voter && member->role == MemberRole::voter) return prepare(now, effects);
    pipeline_->hold();
    hand_over_ = HandOver{.to = {}, .asked = Origin{}, .until = now + options_.election_timeout};
    return prepare(now, effects);  // See `leave_the_lead`.
  }
  if (role_ == Role::candidate && can_stand()) return prepare(now, effects);
  if (role_ != Role::follower) become_follower(now, "the members have changed", effects);
}

void Core::fail_as_removed(Effects& effects) {
  for (const Proposal& proposal : waiting_) {
    effects.now.push_back(AppendFailed{proposal.tag, removal()});
  }
  waiting_.clear();
  for (const auto& [tag, command] : commands_) {
    Error why = removal();
    if (command.is_sent) why.outcome = Outcome::maybe;
    refuse(Origin{.member = options_.self, .tag = tag}, std::move(why), effects);
  }
  commands_.clear();
}

bool Core::is_removed() const {
  if (configuration_.is_empty()) return false;
  if (is_superseded_) return true;
  const Member* member = configuration_.find(options_.self);
  return member == nullptr || member->incarnation != options_.incarnation;
}

Error Core::removal() const {
  if (is_superseded_) {
    return Error{Errc::wrong_cluster,
                 "this directory founded a log of its own beside the cluster's; remove it, and add "
                 "a new member with another empty directory and a join token"};
  }
  return Error{Errc::closed, "this member was removed at position " +
                                 std::to_string(configuration_.since().value())};
}

// Not before it has everything up to its configuration: of what comes before, others decide.
bool Core::can_stand() const {
  const Member* member = configuration_.find(options_.self);
  return member != nullptr && member->role == MemberRole::voter && !is_removed() &&
         configuration_.since() < chosen_end_;
}

bool Core::is_only_voter() const {
  return configuration_.voters() == std::vector<NodeId>{options_.self};
}

// Nobody else decides anything, or counts on this member's word. What it knows of the members may
// be behind after a start: an entry that is not known to be chosen may let others vote.
bool Core::is_alone() const {
  if (!is_only_voter() || damage_.has_from(chosen_end_)) return false;
  const Window& window = acceptor_.window();
  for (Position at = chosen_end_; at < window.end(); at = at.next()) {
    const LogEntry* entry = window.find(at);
    if (entry != nullptr && entry->value.kind == Kind::config) return false;
  }
  return true;
}

bool Core::propose_members(const Configuration& next, Origin origin, Effects& effects) {
  Value value{Kind::config, encode(next), term_of(ballot_)};
  if (!pipeline_->enqueue(std::move(value), origin)) return false;
  is_changing_ = true;
  propose(effects);
  return true;
}

void Core::execute_one(Time now, Origin origin, const ChangeMembers& asked, Effects& effects) {
  if (is_changing()) {
    return refuse(origin, Error{Errc::overloaded, "another change of the members is under way"},
                  effects);
  }
  auto next = changed(configuration_, asked.edits, random_);
  if (!next) return refuse(origin, std::move(next).error(), effects);
  auto was_heard = [&](NodeId member) {
    return pipeline_->heard_at(member) > now - options_.election_timeout;
  };
  if (auto problem = problem_of(*next, was_heard)) {
    return refuse(origin, *std::move(problem), effects);
  }
  // With or without a change, those that vote now decide the same.
  if (next->voters() == configuration_.voters()) return propose_change(*next, origin, effects);
  send_heartbeats(now, effects);
  asked_change_ = AskedChange{.next = *std::move(next),
                              .asked = origin,
                              .sequence = sequence_,
                              .until = now + options_.election_timeout};
  consider_change(now, effects);
}

// One that was heard from a moment ago may be gone: a quorum of those that are to vote must answer
// a heartbeat that was sent since the change was asked for.
void Core::consider_change(Time now, Effects& effects) {
  auto has_answered = [&](NodeId member) {
    return pipeline_->sequence_of(member) >= asked_change_->sequence;
  };
  auto problem = problem_of(asked_change_->next, has_answered);
  if (problem && now < asked_change_->until) return;
  const AskedChange change = *std::exchange(asked_change_, std::nullopt);
  if (problem) return refuse(change.asked, *std::move(problem), effects);
  propose_change(change.next, change.asked, effects);
}

void Core::propose_change(const Configuration& next, Origin origin, Effects& effects) {
  log_.info("changes the members", "to", next);
  if (propose_members(next, origin, effects)) return;
  refuse(origin, Error{Errc::overloaded, "the leader's queue is full"}, effects);
}

// Why the members could not decide anything after the change, or only after a long wait.
// Whether another is up says `is_up`.
template <class F>
std::optional<Error> Core::problem_of(const Configuration& next, F is_up) const {
  auto wrong = [](std::string why) { return Error{Errc::invalid_argument, std::move(why)}; };
  std::size_t present = 0;
  std::string absent;
  for (NodeId voter : next.voters()) {
    const Member* known = configuration_.find(voter);
    bool is_self = voter == options_.self;
    bool is_heard = is_self || (known != nullptr && known->incarnation != 0 && is_up(voter));
    present += is_heard ? 1 : 0;
    if (!is_heard) absent += (absent.empty() ? "" : ", ") + to_field(voter);
    if (known == nullptr || known->role != MemberRole::learner || is_self) continue;
    if (next.find(voter)->role != MemberRole::voter) continue;
    std::string who = "learner " + to_field(voter);
    if (known->incarnation == 0) return wrong(who + " has not joined yet: start it with its token");
    if (!is_heard) return wrong(who + " is not heard from");
    Position has = std::max(pipeline_->chosen_end_of(voter), Position(1));
    if (has.plus(promotion_lag_max) < chosen_end_) {
      return wrong(who + " lacks " + std::to_string(distance(has, chosen_end_)) +
                   " entries; it is promoted when it lacks fewer than " +
                   std::to_string(promotion_lag_max));
    }
  }
  if (present >= next.quorum()) return std::nullopt;
  return wrong("the quorum would be " + std::to_string(next.quorum()) + " of " +
               std::to_string(next.voters().size()) + " and only " + std::to_string(present) +
               " would be up: " + absent + " is not heard from");
}

Members Core::members(Time now) const {
  Members members{.since = configuration_.since(), .members = {}};
  for (const Member& member : configuration_.all()) {
    MemberInfo info{.id = member.id,
                    .endpoint = member.endpoint,
                    .role = member.role,
                    .has_joined = member.incarnation != 0};
    if (member.id == options_.self) {
      info.is_heard = true;
      info.chosen_end = chosen_end_;
    } else if (pipeline_) {
      info.is_heard = pipeline_->heard_at(member.id) > now - options_.election_timeout ||
                      (is_resting_ && rested_.contains(member.id));
      info.chosen_end = pipeline_->chosen_end_of(member.id);
    } else if (member.id == leader_) {
      info.is_heard = is_resting_ || now - heard_leader_at_ < options_.election_timeout;
      info.chosen_end = known_chosen_end_;
    }
    members.members.push_back(std::move(info));
  }
  return members;
}

}  // namespace cluster::replog
