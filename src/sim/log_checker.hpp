// What must hold of a log, whatever happens: checked after every step of a simulation.
//
//   1. One value per position: all members that know a position chosen hold the same value there.
//   2. A promise is never forgotten, and an acceptance is durable before it is told; nobody
//      proposes at a ballot that it could forget to have used.
//   3. An append that was acknowledged stands at its position, and none stands twice.
//   4. Terms never fall along the log: what a fenced writer appends stands before the newer
//   leader's
//      first entry, or nowhere.
//   5. A catch-up covers everything that was acknowledged before it was asked for.
//   6. State machines see the same entries in the same order.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/interval_set.hpp"
#include "replog/core.hpp"
#include "sim/disk.hpp"

namespace cluster::sim {

class LogChecker {
 public:
  // The first thing that was violated, as a sentence; none while all holds.
  const std::optional<std::string>& violation() const { return violation_; }

  // A member's message leaves it; `disk` is what it has durable.
  void on_message(const replog::Envelope&, const Disk& disk);
  // A member's core after a step; what its memory has released stands on its disk.
  void on_core(NodeId, const replog::Core&, const Disk&);
  // The member started again: it knows only its disk, which must hold what it told before.
  void on_restart(NodeId member, const Disk&);

  void on_acknowledged(Position, const Bytes&);
  // The step is over: every member's core was shown.
  void on_step_end();
  void on_applied(NodeId, const Entry&);
  void on_apply_restart(NodeId member) { applied_[member] = 0; }
  void on_caught_up(Position asked_after, const LogRange&);

  Position highest_acknowledged() const { return highest_acknowledged_; }
  Position chosen_end() const { return chosen_end_; }
  std::uint64_t acknowledged() const { return acknowledged_.size(); }

 private:
  struct Chosen {
    replog::Value value;
    NodeId by;  // Who was first seen to know it.
  };

  void violated(std::string what);
  void choose(NodeId, Position, const replog::Value&);

  std::optional<std::string> violation_;
  std::map<Position, Chosen> chosen_;
  Position chosen_end_{1};
  std::map<NodeId, Position> seen_;
  std::map<NodeId, replog::Ballot> promised_;  // The highest that each member answered for.
  struct Told {
    IntervalSet accepted;
    Position end{1};
  };
  std::map<NodeId, Told> told_;
  std::map<Position, Bytes> acknowledged_;
  std::vector<Position> unchecked_;  // Acknowledged in this step.
  Position highest_acknowledged_;
  std::map<std::string, Position, std::less<>> place_of_;  // Of each data value.
  std::vector<Entry> history_;                             // As the first state machine saw it.
  std::map<NodeId, std::size_t> applied_;
  std::uint64_t last_term_ = 0;    // Of the chosen prefix.
  std::uint64_t leader_term_ = 0;  // Of the last leader's entry in the chosen prefix.
};

// The term that a simulated append was made under: "w<term>:..." for a writer's, 0 for any other's.
std::uint64_t writer_term(ByteView data);

}  // namespace cluster::sim
