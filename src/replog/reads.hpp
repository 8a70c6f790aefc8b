// Linearizable reads by read-index: a reader is told the end of what was chosen when it asked, once
// a quorum has confirmed to the leader, after the question, that it still leads.
//
// Rounds are shared. A member has one question under way, for all of its readers that waited when
// it was sent; a leader starts one round at a time, and what is asked meanwhile shares the next.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "cluster/types.hpp"

namespace cluster::replog {

// The leader's side: who asked, and which heartbeat a quorum must answer first.
class LeaderReads {
 public:
  struct Question {
    NodeId member;
    std::uint64_t tag = 0;
    Position end;                // What the reader must have.
    std::uint64_t sequence = 0;  // Of the heartbeat that confirms it.
  };

  void ask(NodeId member, std::uint64_t tag);
  void forget(NodeId member, std::uint64_t tag);

  // Somebody waits for a round, and none is under way.
  bool wants_round() const { return !gathered_.empty() && asked_.empty(); }
  bool is_idle() const { return gathered_.empty() && asked_.empty(); }
  // Heartbeat `sequence` goes out: all that wait ride along.
  void join(std::uint64_t sequence, Position chosen_end);
  // Those whose heartbeat a quorum has answered.
  std::vector<Question> answered(std::uint64_t sequence_by_quorum);
  // Those that need no round, under a lease.
  std::vector<Question> take_gathered(Position chosen_end);
  // Everybody: this member leads no more.
  std::vector<Question> take_all();

 private:
  std::vector<Question> gathered_;
  std::deque<Question> asked_;  // In order of their heartbeats.
};

// The asker's side: this member's own readers, by tag.
class OwnReads {
 public:
  void add(std::uint64_t tag) { gathered_.insert(tag); }
  void forget(std::uint64_t tag);

  // The tag of the question to send to the leader now, if one is due; it is asked again after
  // `patience` under the same tag.
  std::optional<std::uint64_t> question(Time now, Duration patience);
  // When `question` may have one; `time_never` while nobody waits for an answer.
  Time deadline() const;
  bool is_idle() const { return gathered_.empty() && asked_.empty() && waiting_.empty(); }
  void ask_again_at(Time at) { ask_at_ = at; }

  bool is_asked(std::uint64_t tag) const { return question_ == tag && !asked_.empty(); }
  // The leader's answer: all readers of that question wait for `end` now.
  void answered(std::uint64_t tag, Position end);
  // Readers that have what they wait for, with the end they waited for.
  std::vector<std::pair<Position, std::uint64_t>> reached(Position chosen_end);
  // Readers without an answer: this member leads now, and answers them itself.
  std::vector<std::uint64_t> take_unanswered();

 private:
  std::set<std::uint64_t> gathered_;  // Came after the question that is under way.
  std::set<std::uint64_t> asked_;
  std::uint64_t question_ = 0;
  Time ask_at_ = Time::min();
  std::set<std::pair<Position, std::uint64_t>> waiting_;  // For everything before a position.
};

}  // namespace cluster::replog
