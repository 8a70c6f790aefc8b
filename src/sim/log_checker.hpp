// What must hold of a log, whatever happens: checked after every step of a simulation.
//
//   1. One value per position: all members that know a position chosen hold the same value there.
//   2. A promise is never forgotten, and an acceptance is durable before it is told; nobody
//      proposes at a ballot that it could forget to have used.
//   3. An append that was acknowledged stands at its position, and none stands twice.
//      When it is acknowledged a majority of the disks holds it. One that failed as not applied
//      stands nowhere.
//   4. Terms never fall along the log: what a fenced writer appends stands before the newer
//      leader's first entry, or nowhere. A term has one leader at most.
//   5. A catch-up covers everything that was acknowledged, or shown to anybody, before it was asked
//      for.
//   6. State machines see the same entries in the same order.
//   7. At one ballot one value is proposed at a position, and what is told as chosen is.
//   8. A promise tells everything that was accepted before it.
//   9. Nobody proposes without whole promises of a quorum of those that decide, and nobody calls
//      chosen what no quorum of them has accepted at one ballot.
//  10. An append that was forwarded is carried out in a term that it was sent to, or in none.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/interval_set.hpp"
#include "replog/core.hpp"
#include "sim/coverage.hpp"
#include "sim/disk.hpp"
#include "sim/ledger.hpp"

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

  // Its disk is gone, and what it told with it; its next directory is another member's.
  void on_wiped(NodeId member);
  void on_leadership(NodeId member, const Leadership&);
  // Who decides until an entry says otherwise.
  void on_founders(replog::Configuration founders) { members_[Position{}] = std::move(founders); }
  // The latest that is known to be chosen.
  const replog::Configuration& configuration() const { return members_.rbegin()->second; }
  // `disks` of all that ever were members; none of one that lost it.
  void on_acknowledged(Position, const Bytes&, const std::map<NodeId, const Disk*>& disks);
  void on_not_applied(const Bytes&);
  // A caller of that member appends this.
  void on_asked(NodeId member, const Bytes&);
  // The step is over: every member's core was shown.
  void on_step_end();
  // `kept_from`: where the member's log begins; it need not see what is older.
  void on_applied(NodeId, const Entry&, Position kept_from);
  // Its state is of everything up to `last`, and sums up to `sum`.
  void on_restored(NodeId, Position last, std::uint64_t sum);
  static std::uint64_t add_to_sum(std::uint64_t sum, Position, ByteView data);
  void on_apply_restart(NodeId member) { applied_[member] = Position{}; }
  void on_caught_up(Position seen_before, const LogRange&);

  // Nobody may read less from now on.
  Position highest_seen() const { return highest_seen_; }
  // None where nobody is known to have it as chosen.
  const replog::Value* chosen(Position) const;
  Position chosen_end() const { return chosen_end_; }
  std::uint64_t acknowledged() const { return acknowledged_; }
  const Coverage& coverage() const { return coverage_; }

 private:
  struct Chosen {
    replog::Value value;
    NodeId by;  // Who was first seen to know it.
  };

  void violated(std::string what);
  bool is_void(Position, replog::Ballot) const;
  void choose(NodeId, Position, const replog::Value&, const Disk&);
  void extend(Position);
  void on_promised(NodeId, const replog::Promised&, const Disk&);
  void on_accept(NodeId, const replog::Accept&, const Disk&);
  void on_proposed(NodeId, const replog::Value&);
  void on_forward(const replog::Forward&);
  void on_commanded(NodeId, const replog::Commanded&);
  void check_quorums();
  // Those that decide a position, or what is proposed where the prefix before it is chosen.
  const replog::Configuration& deciders_of(Position at) const {
    return std::prev(members_.lower_bound(at))->second;
  }
  void on_accepted(NodeId, const replog::Accepted&, const Disk&);

  std::optional<std::string> violation_;
  Coverage coverage_;
  std::vector<std::optional<Chosen>> chosen_;          // By position.
  std::map<Position, replog::Configuration> members_;  // Of the chosen prefix, by `since`.
  Position chosen_end_{1};
  std::map<NodeId, Position> seen_;
  std::map<NodeId, replog::Ballot> promised_;  // The highest that each member answered for.
  struct Told {
    IntervalSet accepted;
    Position end{1};
    replog::Ballot highest;
  };
  std::map<NodeId, Told> told_;
  // What was proposed, by position: a check sum for each ballot, and another without the data where
  // a witness was asked.
  struct Proposed {
    replog::Ballot ballot;
    std::uint64_t term = 0;
    bool is_bare = false;
    std::uint64_t sum = 0;
  };
  std::vector<std::vector<Proposed>> proposed_;
  // Where members told a candidate of values, by ballot: to see which it did not propose again.
  std::map<replog::Ballot, std::map<Position, replog::Kind>> reported_;
  std::map<std::uint64_t, NodeId> leaders_;
  struct Acknowledged {
    Position position;
    Bytes data;
  };
  std::vector<Acknowledged> unchecked_;  // In this step.
  Ledger ledger_;
  struct Proposal {
    NodeId by;
    replog::Ballot ballot;
    Position chosen_end;
  };
  struct Choice {
    NodeId by;
    Position at;
    replog::Ballot own;  // Of the entry on its disk; none: it has none.
  };
  std::vector<Proposal> proposals_;  // In this step.
  std::vector<Choice> choices_;
  struct Asked {
    NodeId by;
    std::vector<std::uint64_t> terms;  // That it was forwarded to.
  };
  std::unordered_map<std::string, Asked> asked_;  // By what is appended.
  std::uint64_t acknowledged_ = 0;
  Position highest_seen_;
  std::unordered_map<std::string, Position> place_of_;  // Of each data value.
  std::unordered_set<std::string> not_applied_;
  std::map<NodeId, Position> applied_;  // The last one, in this life.
  std::uint64_t last_term_ = 0;         // Of the chosen prefix.
  std::uint64_t leader_term_ = 0;       // Of the last leader's entry in the chosen prefix.
};

// The term that a simulated append was made under: "w<term>:..." for a writer's, 0 for any other's.
std::uint64_t writer_term(ByteView data);

}  // namespace cluster::sim
