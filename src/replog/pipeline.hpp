// A leader's phase 2: gives values their positions, keeps many in flight, and finds what a quorum
// has.
//
// Members may accept with gaps and answer out of order; a position counts as chosen once a quorum
// holds everything up to it, so what is chosen is always a prefix.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/interval_set.hpp"
#include "replog/configuration.hpp"
#include "replog/messages.hpp"

namespace cluster::replog {

// Who asked for an entry, and as what. No member: nobody, it is the log's own.
struct Origin {
  NodeId member;
  std::uint64_t tag = 0;
  bool is_command = false;  // Answered with Commanded.
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
  Position next() const { return next_; }

  // False when the queue is full.
  bool enqueue(Value value, Origin origin);
  // Values that may go out now, as Accepts with positions assigned. `must` ignores the limits of
  // flight.
  std::vector<Accept> take(Position chosen_end, bool must = false);

  // A member holds [first, end) durably at our ballot.
  void accepted(NodeId member, Position first, Position end, Time now);
  void heard(NodeId member, std::uint64_t sequence, Time now);

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
    Position sent_again_end;  // None: it was not sent anything again, or has it.
  };
  struct Flight {
    Origin origin;
    std::size_t cost;
  };

  NodeId self_;
  const Configuration& configuration_;
  Ballot ballot_;
  PipelineLimits limits_;
  Position settled_;
  Position next_;
  std::deque<Flight> flights_;  // Of [settled_, next_).
  std::size_t flight_bytes_ = 0;
  std::deque<std::pair<Value, Origin>> queue_;
  std::size_t queue_bytes_ = 0;
  std::map<NodeId, Progress> progress_;
};

}  // namespace cluster::replog
