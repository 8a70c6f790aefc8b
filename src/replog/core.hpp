// The log's core: one member of a Multi-Paxos group, as a pure function of its inputs.
//
// Acceptor, learner, candidate and leader in one: the parts decide, this file's classes of input
// connect them. It reads no clock and draws no randomness but what it is given. Inputs: `on(...)`;
// wishes: `Effects`; when to come back: `deadline()`. docs/PROTOCOL.md tells the protocol in prose.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/random.hpp"
#include "cluster/logger.hpp"
#include "cluster/metrics.hpp"
#include "replog/acceptor.hpp"
#include "replog/configuration.hpp"
#include "replog/damage.hpp"
#include "replog/effects.hpp"
#include "replog/formation.hpp"
#include "replog/lease.hpp"
#include "replog/pipeline.hpp"
#include "replog/preparation.hpp"
#include "replog/reads.hpp"
#include "replog/taken.hpp"

namespace cluster::replog {

struct CoreOptions {
  NodeId self;
  std::uint64_t incarnation = 0;  // Of our directory.
  Founding founding;              // Where the store knows of no members.
  Duration election_timeout = std::chrono::milliseconds(600);
  Duration heartbeat_interval = std::chrono::milliseconds(60);
  // How long news of a choice may wait for an Accept that carries it along.
  Duration tell_delay = std::chrono::milliseconds(1);
  std::size_t window_bytes = 4u << 20;      // Chosen entries kept in memory for members that lag.
  std::size_t answer_bytes_max = 1u << 20;  // Of a Promised or Learned.
  bool has_state_machine = false;           // Forgets by snapshots only.
  std::size_t snapshot_chunk_bytes = 512u << 10;
  std::size_t catch_up_bytes_per_second = 64u << 20;  // To all that are behind; 0: no limit.
  PipelineLimits pipeline;
  // Where nothing happens it sends nothing, as long as its host says whom it hears: `on_reached`.
  bool may_rest = false;
  Duration rest_probe = std::chrono::minutes(5);
  // A leader may answer reads by its lease; the same at all members, like the election timeout.
  bool lease_reads = false;
  std::uint32_t clock_drift_permille_max = 10;
};

// An append that a caller of this member asked for.
struct Proposal {
  std::uint64_t tag = 0;  // Grows with each; names it in Appended and AppendFailed.
  Bytes data;
  std::uint64_t term = 0;  // Only under this term; 0: under any, by whichever leader.
  bool is_packed = false;  // `data` is compressed.
};

enum class Role : std::uint8_t { follower, pre_candidate, candidate, leader };

class Core {
 public:
  Core(CoreOptions, Recovered, std::uint64_t seed, Logger, Time now);

  void on(Time now, Sender from, const Message&, Effects&);
  void on_time(Time now, Effects&);
  // The connection to a member ended. A leader that may be gone is not waited for as long.
  void on_lost(Time now, NodeId member, Effects&);
  // The host hears from a member's host, and will call `on_lost` when it does no longer.
  void on_reached(Time now, NodeId member, Effects&);
  void on_append(std::vector<Proposal>, Effects&);
  // Answers CaughtUp once this member has everything that was chosen at `now`.
  void on_catch_up(Time now, std::uint64_t tag, Effects&);
  // Answers CommandEnded with the same tag, which this member never uses again.
  void on_command(Time now, std::uint64_t tag, CommandBody, Effects&);
  // What is before `first` is to be forgotten; `term` is of the last entry there that has one.
  void on_base(Position first, std::uint64_t term, Effects&);
  // A snapshot of ours is durable: it is offered from now on.
  void on_snapshot(SnapshotOffered made, Effects&);
  // See WriteSnapshot. `on_installed` at the start too, where a snapshot reaches further than the
  // log.
  void on_snapshot_written(Time now, std::uint64_t id, Effects&);
  void on_installed(Time now, const SnapshotOffered&, bool is_sound, Effects&);
  // Makes this member the leader of a new term, whoever leads. Nothing where it may not lead.
  void on_campaign(Time now, Effects&);
  // The disk has finished no sync for too long, or has finished one again.
  void on_disk_stall(Time now, bool is_stalled, Effects&);
  // More waits for the disk than may be; or it does no longer.
  void on_disk_behind(bool is_behind, Effects&);
  // The disk failed and this member is about to stop for good: it hands over what it leads.
  void on_disk_failure(Time now, Effects&);

  // The callers gave up on these: what has not left its queue here never will. Tells which of the
  // appends had not; both lists grow.
  std::vector<std::uint64_t> forget_appends(const std::vector<std::uint64_t>& tags);
  void forget_catch_up(std::uint64_t tag);
  Outcome forget_command(std::uint64_t tag);

  // The store found that it can't read the entry at `at`.
  void on_damage(Time now, Position at, Effects&);
  // Answers ScrubRange: what is to be looked after from `from` on.
  void on_scrub(Position from, Effects&);
  // What most members have at `at` is another entry, whose part of a range's checksum is this.
  void on_odd_copy(Time now, Position at, std::uint32_t checksum, Effects&);
  // Performs a `Repaired`.
  void on_repaired(Time now, PositionRange, Effects&);

  // Performs a `Release`.
  void release(Position end);

  Time deadline() const;

  Role role() const { return role_; }
  bool is_forming() const { return formation_.has_value(); }  // This directory is no member yet.
  bool is_resting() const { return is_resting_; }
  bool is_disk_stalled() const { return is_disk_stalled_; }
  bool is_disk_behind() const { return is_disk_behind_; }
  const Damage& damage() const { return damage_; }
  const std::optional<SnapshotOffered>& snapshot() const { return snapshot_; }  // The newest here.
  Position chosen_end() const { return chosen_end_; }
  Position known_chosen_end() const { return known_chosen_end_; }  // By anybody, as far as we know.
  Position kept_from() const { return kept_from_; }                // Older entries are not kept.
  std::uint64_t kept_term() const { return kept_term_; }
  const Acceptor& acceptor() const { return acceptor_; }
  const Configuration& configuration() const { return configuration_; }
  Members members(Time now) const;
  // It was one of the members and is none any more, as of `configuration().since()`.
  bool is_removed() const;
  Error removal() const;
  Leadership leadership() const;
  Metrics metrics() const;

 private:
  // Elections (core_election.cpp).
  void on(Time, NodeId, const PreVote&, Effects&);
  void on(Time, NodeId, const PreVoted&, Effects&);
  void on(Time, NodeId, const Prepare&, Effects&);
  void on(Time, NodeId, const Promised&, Effects&);
  void on(Time, NodeId, const CampaignNow&, Effects&);
  void start_pre_vote(Time, Effects&);
  void drop_silent_leader(Time, Effects&);
  void on_silence(Time, Effects&);
  void start_prepare(Time, Effects&);
  void prepare(Time, Effects&);
  void send_prepare(Time, NodeId to, Effects&);
  Ballot lowest_followed() const;
  void on_prepared(Time, Effects&);
  void start_leading(Time, Effects&);
  void propose_again(const Preparation&, Effects&);
  void stop_leading(Time, std::string_view why, Effects&);
  void become_follower(Time, std::string_view why, Effects&);
  void follow(Time, NodeId leader, Ballot, Effects&);
  void note_ballot(Ballot);
  void postpone_election(Time);
  void tell_leadership(Effects&);

  // Leading (core_leading.cpp).
  void on(Time, NodeId, const Accepted&, Effects&);
  void on(Time, NodeId, const Heard&, Effects&);
  void on(Time, NodeId, const Forward&, Effects&);
  void on(Time, NodeId, const ReadIndex&, Effects&);
  void on_refusal(Time, Ballot promised, Effects&);
  void send_heartbeats(Time, Effects&);
  void enqueue(Proposal, Effects&);
  void propose(Effects&);
  void send_accepts(std::vector<Accept>, Effects&);
  void settle(Time, Effects&);
  void resend(Time, Effects&);
  void send_again(NodeId, Position from, Position end, Effects&);
  void ask_witnesses(Time, Effects&);
  Position end_for(NodeId peer, Time) const;

  // Damaged entries (core_repair.cpp).
  void start_with_damage(const std::vector<PositionRange>&);
  void ask_for_repair(Time, Effects&);
  void repair(const std::vector<LogEntry>& told, Effects&);
  void replace_damage(Position first, Position end);
  void void_damage(Ballot, Position lead_at);
  void consider_for_damage(Time, NodeId, const SnapshotOffered&, Effects&);
  void begin_after_damage(const SnapshotOffered&, Effects&);
  void forget_damage(Position before);
  bool can_vouch(Position from, std::string_view asked);
  Position held_end() const;

  // Comparing stores (core_scrub.cpp).
  void on(Time, NodeId, const RangeSum&, Effects&);
  void on(Time, NodeId, const RangeSummed&, Effects&);

  // Reads and leases (core_reads.cpp).
  void serve_reads(Time, Effects&);
  void ask_leader(Time, Effects&);
  void reach_reads(Effects&);
  void release_readers(Time, Effects&);
  bool has_lease(Time) const;
  void give_lease_up(Time, Effects&);
  bool take_revocation(Time, const Heartbeat&, Effects&);
  void hand_over(Effects&);

  // Resting (core_rest.cpp).
  void on(Time, NodeId, const Resting&, Effects&);
  static bool disturbs(const Message&);
  void wake(Time);
  void forget_rest();
  bool has_nothing_to_do() const;
  bool may_rest() const;
  void consider_rest(Time);
  void consider_resting(NodeId from, const Heard&);
  void rest_if_all_do();
  bool rests_with(Time, NodeId leader, const Heartbeat&);
  void probe(Time, Effects&);

  // Following and learning (core_learning.cpp).
  void on(Time, NodeId, const Accept&, Effects&);
  void on(Time, NodeId, const Heartbeat&, Effects&);
  void on(Time, NodeId, const Learn&, Effects&);
  void on(Time, NodeId, const Learned&, Effects&);
  void on(Time, NodeId, const Forwarded&, Effects&);
  void on(Time, NodeId, const ReadIndexed&, Effects&);
  void learn_by_ballot(Time, NodeId teller, Ballot, Position chosen_end, Effects&);
  void ask_to_learn(Time, Effects&);
  void advance(Time, Position end, Effects&);
  void send_waiting(Effects&);
  void forward_again(Time, Effects&);
  void fail_forwarded(std::string_view why, Effects&);

  // The log's beginning (core_base.cpp).
  void on(Time, NodeId, const SnapshotOffered&, Effects&);
  void note_truncate(const LogEntry&);
  void offer(NodeId to, Effects&);
  void begin_at(Time, const SnapshotOffered&, Effects&);

  // Snapshots, and who is served when (core_snapshot.cpp).
  void consider(Time, NodeId, const SnapshotOffered&, Effects&);
  void fetch(Time, Effects&);
  void on(Time, NodeId, const SnapshotChunk&, Effects&);
  void on(Time, NodeId, const SnapshotFetch&, Effects&);
  bool take_turn(Time, NodeId, std::variant<Learn, SnapshotFetch> asked);
  void charge(std::size_t bytes);
  void serve_waiting(Time, Effects&);

  // Operators' commands (core_commands.cpp).
  void on(Time, NodeId, const Command&, Effects&);
  void on(Time, NodeId, const Commanded&, Effects&);
  void send_commands(Effects&);
  void execute_waiting(Time, Effects&);
  void execute(Time, Origin, const CommandBody&, Effects&);
  void execute_one(Time, Origin, const ChangeMembers&, Effects&);
  void execute_one(Time, Origin, const TransferLeadership&, Effects&);
  void execute_one(Time, Origin, const TruncateLog&, Effects&);
  void refuse(Origin, Error why, Effects&);
  void answer_command(Origin, Commanded, Effects&);
  void fail_commands(std::string_view why, Effects&);

  // Members (core_members.cpp).
  void on_unformed(Time, Sender, const Message&, Effects&);
  void on_formed(Time, std::optional<Configuration>, Effects&);
  bool is_heeded(Sender, const Message&, Effects&);
  void on_introduce(Sender, Effects&);
  void on_join(Sender, const Join&, Effects&);
  void adopt(Time, Configuration, Effects&);
  void follow_configuration(Time, Effects&);
  bool can_stand() const;
  bool is_only_voter() const;
  bool is_alone() const;
  void note_other_log(NodeId from, Effects&);
  template <class F>
  std::optional<Error> problem_of(const Configuration& next, F is_heard) const;
  bool propose_members(const Configuration&, Origin, Effects&);
  void consider_change(Time, Effects&);
  void propose_change(const Configuration& next, Origin, Effects&);
  bool is_changing() const { return is_changing_ || asked_change_ || hand_over_; }
  void fail_as_removed(Effects&);
  void go_on_handing_over(Time, Effects&);
  bool is_leaving() const { return hand_over_ && !hand_over_->to; }
  void leave_the_lead(Time, Effects&);

  void finish(Effects&);  // After each input.
  Duration forward_patience() const { return options_.heartbeat_interval * 4; }
  std::size_t settled_cost(Position at) const;
  void let_go(Position end, Effects&);  // Memory may forget what is before.
  // A witness has seen no data: what it called a snapshot would be of another state.
  bool uses_snapshots() const { return options_.has_state_machine && !acceptor_.is_witness(); }
  void let_go_of_one();
  bool is_peer(NodeId node) const { return node != options_.self && configuration_.has(node); }
  template <class F>
  void for_each_peer(F f) const {
    for (NodeId member : configuration_.ids()) {
      if (member != options_.self) f(member);
    }
  }
  // One that was removed has no more to learn.
  bool lacks_entries() const { return known_chosen_end_ > chosen_end_ && !is_removed(); }
  Sender self() const { return {options_.self, options_.incarnation}; }

  CoreOptions options_;
  // Who decides the positions from `chosen_end_` on; or, where its `since` is not chosen here yet,
  // a later one, told by those that let us in. Empty: this directory is no member yet.
  Configuration configuration_;
  bool is_reconfigured_ = false;  // In this input.
  Random random_;
  Logger log_;
  Acceptor acceptor_;
  Position chosen_end_;
  std::uint64_t settled_term_;     // Of the last entry before `chosen_end_` that has one.
  std::size_t settled_bytes_ = 0;  // Of the entries in [released_, chosen_end_).
  Position recorded_chosen_end_;   // The hint on disk.
  Position kept_from_;
  std::uint64_t kept_term_;  // Of the last entry before it that has one.
  Position forget_before_;   // By a truncation that is chosen; not after `kept_from_`: done.
  std::optional<SnapshotOffered> snapshot_;  // The newest that is durable here.
  struct Install {
    NodeId teller;
    SnapshotOffered offered;
    std::uint64_t offset = 0;  // What is before it is here.
    bool is_whole = false;     // All of it, and not yet durable.
    Time ask_again_at = time_never;
    Time heard_at{};
  };
  std::optional<Install> install_;
  // Members that are behind and must wait for their turn, each with what it asked last.
  using CatchUpQuestion = std::variant<Learn, SnapshotFetch>;
  std::map<NodeId, CatchUpQuestion> to_serve_;
  std::int64_t serve_bytes_ = 1;  // What may be sent now; below 0: too much was.
  Time served_at_{};
  Time serve_again_at_ = time_never;

  Role role_ = Role::follower;
  Ballot ballot_;   // Ours, as candidate or leader.
  Ballot highest_;  // Seen anywhere.
  Time election_at_{};
  Time heard_leader_at_;

  // Whom we follow; ourselves when leading.
  NodeId leader_;
  Ballot leader_ballot_;
  Position lead_at_;  // Of the leader's first entry, once known to be chosen.
  Leadership told_;

  std::map<NodeId, bool> votes_;
  // A candidate's; and a leader's, after it has changed the members.
  std::optional<Preparation> preparation_;
  Time prepare_again_at_ = time_never;

  std::optional<Pipeline> pipeline_;
  bool is_changing_ = false;  // The members: until those that come have promised.
  struct ChosenChange {
    Origin asked;
    Position at;
  };
  std::optional<ChosenChange> chosen_change_;  // Answered when those that come have promised.
  // Proposed once those that would vote have answered a heartbeat that was sent after it was asked.
  struct AskedChange {
    Configuration next;
    Origin asked;
    std::uint64_t sequence = 0;
    Time until;
  };
  std::optional<AskedChange> asked_change_;
  // Leadership goes to another; nothing new is proposed meanwhile.
  struct HandOver {
    NodeId to;  // None: to whoever is furthest, since we may not lead any more.
    Origin asked;
    Time until;
    Time ask_again_at = Time::min();
  };
  std::optional<HandOver> hand_over_;
  Position own_lead_at_;
  Time heartbeat_at_ = time_never;
  Time check_at_ = time_never;  // When the quorum is looked after, and what was lost sent again.
  Time tell_at_ = time_never;   // When followers must hear of what was chosen since.
  Position told_end_;           // What they were told.
  std::uint64_t sequence_ = 0;

  // Appends of this member's callers that no leader has, and those that one was sent.
  std::deque<Proposal> waiting_;
  struct Sent {
    Ballot ballot;
    Proposal proposal;
    Time sent_at;  // Or a little later.
  };
  std::map<std::uint64_t, Sent> forwarded_;
  Time forward_again_at_ = time_never;  // Means nothing while there are none.
  std::uint64_t forward_next_ = 0;      // The tag to look at first then.
  // What members have sent us as leader.
  std::map<NodeId, Taken> taken_;
  std::map<NodeId, Taken> commands_taken_;
  // Of this member's operators, while another member leads or nobody does.
  struct OwnCommand {
    CommandBody body;
    bool is_sent = false;
    Ballot ballot = {};  // Of the leader that it was sent to.
  };
  std::map<std::uint64_t, OwnCommand> commands_;

  // Catch-ups: of our callers; and of members that asked us as leader.
  OwnReads own_reads_;
  LeaderReads leader_reads_;
  Lease lease_;
  LeaseGrant lease_grant_;
  bool wants_lease_ = false;
  bool is_disk_stalled_ = false;
  bool is_disk_behind_ = false;  // A leader's: then it proposes nothing.
  Damage damage_;
  // Everything that the disk may have lost was accepted at or below it, and everything that this
  // member did as a leader and does not remember was done at or below it.
  Ballot promised_at_start_;
  Time repair_at_ = Time::min();
  std::size_t repair_turn_ = 0;

  std::optional<Formation> formation_;  // Until this directory is a member.
  bool wants_to_lead_ = false;
  std::set<Sender> refused_;    // Of whom was warned.
  bool is_superseded_ = false;  // Another log of this cluster was founded.

  // Resting: no timers run but `probe_at_`, a follower's.
  bool is_resting_ = false;
  bool must_wake_ = false;       // As soon as the time is known.
  std::set<NodeId> in_reach_;    // Whose hosts ours hears.
  std::set<NodeId> rested_;      // As leader: those that rest, since `rest_from_`.
  std::uint64_t rest_from_ = 0;  // The first heartbeat that said so; 0: the last did not.
  Time idle_since_ = time_never;
  Position idle_end_;
  std::uint64_t heard_sequence_ = 0;  // The leader's latest.
  Time probe_at_ = time_never;

  // Learning.
  NodeId teller_;
  Position known_chosen_end_;  // Somebody has everything before it.
  Time learn_again_at_ = Time::min();
  Position released_;

  struct Counters {
    std::uint64_t elections = 0, terms_led = 0, appends = 0, chosen = 0, learned = 0, resent = 0,
                  refused = 0, forwarded = 0, step_downs = 0, disk_stalls = 0, damaged = 0,
                  repaired = 0, unvouched = 0, rests = 0;
  } counters_;
};

}  // namespace cluster::replog
