// A candidate's phase 1: gathers what a quorum has accepted, and picks what must be proposed again.
//
// Source: Lamport, "Paxos Made Simple", 2.2 (P2c): at each open position the value of the highest
// ballot that any member of a quorum reports is the only one that may be proposed; where none
// reports, any may. What reports of different positions say about each other is docs/PROTOCOL.md's
// "Terms never fall".
#pragma once

#include <map>
#include <set>

#include "replog/configuration.hpp"
#include "replog/messages.hpp"

namespace cluster::replog {

class Preparation {
 public:
  Preparation(Configuration configuration, Ballot ballot, Position from)
      : configuration_(std::move(configuration)),
        ballot_(ballot),
        from_(from),
        chosen_end_(from),
        end_(from) {}

  Ballot ballot() const { return ballot_; }
  Position from() const { return from_; }

  // Takes a granted answer, or ignores it when it is not the one expected next. True when it was
  // taken.
  bool take(NodeId member, const Promised&);

  // The position to ask this member from next.
  Position next_of(NodeId member) const;
  bool is_whole(NodeId member) const { return whole_.contains(member); }
  bool has_quorum() const;
  // Nothing that must be proposed again, or is told as chosen, is withheld: what a witness tells of
  // a value is completed by whoever has the same.
  bool has_data() const;

  // At positions in [from, chosen_end) the best entry is the chosen one, by the word of somebody
  // who told it; nothing is accepted at or after `end` by those who answered.
  Position chosen_end() const { return chosen_end_; }
  Position end() const { return end_; }
  const LogEntry* best(Position at) const;

  // What must be proposed at [first, end()), where the last settled entry before `first` is of
  // `term`.
  std::vector<Value> open_values(Position first, std::uint64_t term) const;

 private:
  Configuration configuration_;
  Ballot ballot_;
  Position from_;
  Position chosen_end_;
  Position end_;
  std::map<NodeId, Position> next_;
  std::map<NodeId, Position> settled_;  // What each has told before it was told as chosen.
  std::set<NodeId> whole_;
  std::map<Position, LogEntry> best_;
  std::map<std::pair<Position, std::uint64_t>, Bytes> data_;  // By term: where witnesses are.
};

}  // namespace cluster::replog
