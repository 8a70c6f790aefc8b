// A leader's phase 2: gives values their positions, keeps many in flight, and finds what a quorum
// has.
//
// Members may accept with gaps and answer out of order; a position counts as chosen once a quorum
// holds everything up to it, so what is chosen is always a prefix.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/interval_set.hpp"
#include "base/ring.hpp"
#include "replog/configuration.hpp"
#include "replog/messages.hpp"

namespace cluster::replog {

// Who asked for an entry, and as what. No member: nobody, it is the log's own.
struct Origin {
  NodeId member;
  std::uint64_t tag = 0;
  bool is_command = false;  // Answered with Commanded.
  bool is_writers = false;  // Of this term or of none.
};

struct PipelineLimits {
  std::size_t flight_bytes_max = 16u << 20;
  std::size_t flight_entries_max = 64 * 1024;
  std::size_t accept_bytes_max = 256u << 10;  // Of one Accept; a single value may be larger.
  std::size_t queue_bytes_max = 128u << 20;
};

class Pipeline {
 public:
  Pipeline(NodeId self, const Configuration&, Ballot, Position first, PipelineLimits, Time now);

  Ballot ballot() const { return ballot_; }
  // What has not gone out, and what has and is not settled.
  std::size_t queued_entries() const { return queue_.size(); }
  std::size_t queued_bytes() const { return queue_bytes_; }
  std::size_t flight_entries() const { return flights_.size(); }
  std::size_t flight_bytes() const { return flight_bytes_; }
  Position next() const { return next_; }

  // False when the queue is full.
  bool enqueue(Value value, Origin origin);
  // Takes those of a member's appends from the queue that have not gone out, and tells which. Both
  // lists grow.
  std::vector<std::uint64_t> withdraw(NodeId member, const std::vector<std::uint64_t>& tags);
  // Values that may go out now, as Accepts with positions assigned. Nothing while it is held; and
  // what sets the members holds it, since it decides who must accept what follows.
  std::vector<Accept> take(Position chosen_end);
  // The same for values of the log's own, before all that waits, held or not, beyond all limits.
  std::vector<Accept> propose(std::vector<Value> values, Position chosen_end);
  void hold() { is_held_ = true; }
  void go_on() { is_held_ = false; }

  // The configuration has changed: members that come are counted from now on.
  void follow_configuration(Time now);
  // Everything before `end` was chosen elsewhere; nothing of ours is in flight.
  void skip_to(Position end);

  // A member holds [first, end) durably at our ballot.
  void accepted(NodeId member, Position first, Position end, Time now);
  void heard(NodeId member, std::uint64_t sequence, Position chosen_end, Time now);

  // These were silent until now because nothing was to be said.
  void excuse(const std::set<NodeId>& members, Time now);

  Time heard_at(NodeId member) const;              // Never: the beginning of time.
  Position chosen_end_of(NodeId member) const;     // As it told last; none when it did not.
  std::uint64_t sequence_of(NodeId member) const;  // The latest heartbeat that it has answered.
  // It holds everything that was proposed and is not settled.
  bool has_all(NodeId member) const;

  // A witness is asked for positions before this one only: those that every voter holds that keeps
  // up. So what it holds is withheld by nobody but those that fell silent; see docs/PROTOCOL.md.
  Position witness_end(Time now, Duration timeout, Duration patience) const;
  // From where to ask it, when it is to be asked up to `end` now.
  std::optional<Position> ask_witness(NodeId witness, Position end);

  // The end of what a quorum holds, from `chosen_end` on.
  Position agreed_end(Position chosen_end) const;
  // Positions before `end` are chosen: returns the origins of [settled(), end) in order, and lets
  // the next ones go out.
  std::vector<Origin> settle(Position end);
  Position settled() const { return settled_; }

  // Everything not settled, in order: first what is in flight, then (`unsent`) what never went out.
  struct Leftovers {
    std::vector<Origin> in_flight;
    std::vector<std::pair<Value, Origin>> unsent;
  };
  Leftovers drain();

  // Where a member that has made no progress since `before` must be sent to again; marks it as
  // sent.
  std::optional<Position> resend_from(NodeId member, Position chosen_end, Time now,
                                      Duration patience);

  // It was sent everything before `end` again.
  void sent_again(NodeId member, Position end);
  // Where to go on, once the member holds what it was last sent again, and lacks more.
  std::optional<Position> more_from(NodeId member, Position chosen_end);

  // Of the others that can lead, the one that holds most at our ballot; none when there is none.
  NodeId furthest_voter() const;

  // The latest time by which a quorum (we count as now) was heard from.
  Time heard_by_quorum(Time now) const;
  // The latest heartbeat that a quorum has answered (we answer all).
  std::uint64_t sequence_by_quorum(std::uint64_t own) const;

 private:
  struct Progress {
    IntervalSet held;
    Position end;     // Contiguous from the settled prefix, when last looked at.
    Time moved_at{};  // When `end` last grew, or we last sent again.
    Time heard_at{};
    std::uint64_t sequence = 0;
    Position chosen_end;
    Time kept_up_at{};  // When it last had everything, or came further.
    bool has_answered = false;
    Position asked_end;       // A witness, so far.
    Position sent_again_end;  // None: it was not sent anything again, or has it.
  };
  struct Flight {
    Origin origin;
    std::size_t cost = 0;
  };

  void put_into(std::vector<Accept>& accepts, std::size_t& bytes, Value, Origin,
                Position chosen_end);

  void note_progress(Progress&, Position before, Time now) const;

  NodeId self_;
  const Configuration& configuration_;
  Ballot ballot_;
  PipelineLimits limits_;
  Position settled_;
  Position next_;
  Ring<Flight> flights_;  // Of [settled_, next_).
  std::size_t flight_bytes_ = 0;
  std::deque<std::pair<Value, Origin>> queue_;
  std::size_t queue_bytes_ = 0;
  bool is_held_ = true;  // Until what earlier leaders left is proposed again.
  std::map<NodeId, Progress> progress_;
  Time started_at_;
};

}  // namespace cluster::replog
