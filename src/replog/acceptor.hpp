// The acceptor: one member's memory. It promises, it accepts, and it answers only for what is
// durable; so its answers stand in `then`, refusals (which promise nothing) in `now`.
//
// Source: Lamport, "Paxos Made Simple", 2.2 (P1a, P2a), for all positions from one on at once.
#pragma once

#include "replog/effects.hpp"
#include "replog/window.hpp"

namespace cluster::replog {

// What a store gives back at start.
struct Recovered {
  Ballot promised;
  Position chosen_end{1};         // A lower bound.
  Position first{1};              // Of `entries`' range: older ones are in the store only.
  std::vector<LogEntry> entries;  // In order; everything accepted from `first` on that is sound.
  std::uint64_t chosen_term = 0;  // Of the last entry before `chosen_end` that has one.
  Configuration configuration;    // The last that was set; empty when none was.
  Position kept_from{1};          // Older entries are not kept.
  std::uint64_t kept_term = 0;    // Of the last entry before `kept_from` that has one.
  // Positions at or after `kept_from` where an entry was durable that cannot be read any more, or
  // cannot be told from one that never was: this member must not answer for them.
  std::vector<PositionRange> damaged;
};

class Acceptor {
 public:
  Acceptor(NodeId self, Recovered recovered, std::size_t answer_bytes_max);

  Ballot promised() const { return promised_; }
  Position end() const { return window_.end(); }
  const Window& window() const { return window_; }

  void on(NodeId from, const Prepare&, Position chosen_end, Effects&);
  // `chosen_end` is this member's: settled positions are not written again.
  void on(NodeId from, const Accept&, Position chosen_end, Effects&);

  // Keeps an entry that is told to be chosen. False when it cannot be: what is held was accepted at
  // its
  // ballot or a later one, and is something else. Then nothing changes.
  bool keep_chosen(const LogEntry&, Effects&);

  // Writes an entry again that is known to be chosen and was lost.
  void restore(const LogEntry&, Effects&);

  // From now on it keeps no data but the log's own.
  void become_witness(bool is_witness) { is_witness_ = is_witness; }
  bool is_witness() const { return is_witness_; }

  // Entries before `end` are durable and settled: memory may forget them.
  void release(Position end) { window_.release_before(end); }
  // Everything before `first` is chosen, here or not.
  void begin_at(Position first) { window_.begin_at(first); }

 private:
  Value kept(const Value& value) const { return is_witness_ ? value.bare() : value; }

  NodeId self_;
  Ballot promised_;
  Window window_;
  std::size_t answer_bytes_max_;
  bool is_witness_ = false;
};

}  // namespace cluster::replog
