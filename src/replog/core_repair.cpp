// Damaged entries: what a member does about positions where its disk had something that it cannot
// read any more. docs/PROTOCOL.md, "Damage", says why this is enough.
//
// A position that is known to be chosen is asked for and written again. At any other the member may
// have accepted what it cannot tell, so it answers no Prepare that covers it.
#include <algorithm>
#include <utility>

#include "replog/core.hpp"

namespace cluster::replog {
namespace {

// Sound entries that are fetched along, to ask once for what is damaged on both sides of them.
constexpr std::uint64_t repair_gap_max = 64;

}  // namespace

void Core::start_with_damage(const std::vector<PositionRange>& damaged) {
  for (const PositionRange& range : damaged) damage_.add(range);
  damage_.remove({Position(1), kept_from_});
  if (damage_.empty()) return;
  log_.error("entries damaged", "count", damage_.count(), "first",
             damage_.first_in(Position(1), Position(~std::uint64_t{0})), "remedy",
             "none if they are repaired: the other members have them");
  counters_.damaged += damage_.count();
}

void Core::on_damage(Time now, Position at, Effects& effects) {
  // What was forgotten stays so, though memory may hold it for those who still read it.
  if (at < kept_from_) return;
  wake(now);
  counters_.damaged += 1;
  // What is in memory is sound, and is what this member accepted.
  if (const LogEntry* held = acceptor_.window().find(at)) {
    log_.error("entry damaged", "position", at, "remedy", "written again from memory");
    counters_.repaired += 1;
    effects.changes.push_back(PutEntry{*held});
    return finish(effects);
  }
  if (at >= chosen_end_ || damage_.contains(at)) return;
  log_.error("entry damaged", "position", at, "remedy", "asked for from the other members");
  damage_.add({at, at.next()});
  ask_for_repair(now, effects);
  finish(effects);
}

// One member after another is asked: some may have lost the same.
void Core::ask_for_repair(Time now, Effects& effects) {
  repair_at_ = now + options_.heartbeat_interval * 4;
  std::vector<NodeId> peers;
  for_each_peer([&](NodeId peer) { peers.push_back(peer); });
  if (peers.empty()) return;
  NodeId to = peers[repair_turn_++ % peers.size()];
  if (role_ == Role::leader && repair_turn_ > peers.size() * 4) {
    // They hold it without knowing that it is chosen, and learn that from nobody while this member
    // leads: another leader proposes it again.
    give_lease_up(now, effects);
    hand_over(effects);
    stop_leading(now, "no member can give back what its disk lost", effects);
  }
  if (auto lost = damage_.cluster_before(chosen_end_, repair_gap_max)) {
    effects.now.push_back(Send{to, Learn{lost->first, lost->end}});
  } else {
    // Somebody may know more to be chosen than this member does.
    effects.now.push_back(Send{to, Learn{chosen_end_, {}}});
  }
}

// Entries told to be chosen, of which this member had known that and lost them.
void Core::repair(const std::vector<LogEntry>& told, Effects& effects) {
  if (damage_.empty()) return;
  bool is_witness = acceptor_.is_witness();
  std::vector<PositionRange> repaired;
  bool is_open = false;  // Everything damaged from the last range on was restored.
  Position before;
  for (const LogEntry& entry : told) {
    is_open = is_open && entry.position == before.next();
    before = entry.position;
    if (entry.position >= chosen_end_ || !damage_.contains(entry.position)) continue;
    if (entry.value.is_bare && !is_witness) {
      is_open = false;
      continue;
    }
    acceptor_.restore(entry, effects);
    if (entry.value.kind == Kind::truncate) note_truncate(entry);
    if (!std::exchange(is_open, true)) repaired.push_back({entry.position, {}});
    repaired.back().end = entry.position.next();
  }
  for (const PositionRange& range : repaired) effects.then.push_back(Repaired{range});
}

void Core::on_repaired(Time now, PositionRange range, Effects& effects) {
  std::uint64_t count = damage_.count_in(range);
  if (count == 0) return;
  counters_.repaired += count;
  damage_.remove(range);
  repair_turn_ = 0;
  if (damage_.empty()) log_.info("damage repaired", "last", range.first);
  if (damage_.first_before(chosen_end_)) ask_for_repair(now, effects);
  finish(effects);
}

// Something was accepted here, or learned to be chosen, in the place of what was lost.
void Core::replace_damage(Position first, Position end) {
  if (damage_.empty()) return;
  for (Position at = std::max(first, chosen_end_); at < end; at = at.next()) {
    if (acceptor_.window().find(at) != nullptr) damage_.remove({at, at.next()});
  }
  if (damage_.empty()) log_.info("damage repaired", "last", first);
}

// The first entry of a leader whose ballot is above all that this member can have accepted at is
// chosen: then nothing of what it lost after that entry was or can be chosen.
void Core::void_damage(Ballot ballot, Position lead_at) {
  if (damage_.empty() || ballot <= promised_at_start_) return;
  damage_.remove({std::max(lead_at, chosen_end_), Position(~std::uint64_t{0})});
  if (damage_.empty()) log_.info("damage void", "lead_at", lead_at);
}

// Offered to one that asked for what it lost: the other keeps that no more. Then neither need this
// member, where something stands for it.
void Core::consider_for_damage(Time now, NodeId from, const SnapshotOffered& offered,
                               Effects& effects) {
  if (!damage_.first_before(offered.end)) return;
  if (!uses_snapshots()) return on_base(offered.end, offered.term, effects);
  if (snapshot_ && damage_.first_in(kept_from_, snapshot_->end) < snapshot_->end) {
    return begin_after_damage(SnapshotOffered(*snapshot_), effects);
  }
  if (role_ != Role::leader) consider(now, from, offered, effects);
}

// A durable snapshot that reaches over damage and not over all that is chosen.
void Core::begin_after_damage(const SnapshotOffered& snapshot, Effects& effects) {
  effects.now.push_back(RestoreState{snapshot});
  on_base(snapshot.end, snapshot.term, effects);
}

void Core::forget_damage(Position before) {
  if (!damage_.first_before(before)) return;
  damage_.remove({Position(1), before});
  log_.info("damage forgotten", "before", before);
}

// Everything before it is chosen and can be read here. To the others a member that lost an entry
// lacks it, and must have it again before the members that had it may leave.
Position Core::held_end() const {
  auto lost = damage_.first_before(chosen_end_);
  return lost ? lost->first : chosen_end_;
}

bool Core::can_vouch(Position from, std::string_view asked) {
  if (!damage_.has_from(from)) return true;
  counters_.unvouched += 1;
  // Candidates ask often: said at the first time, the second, the fourth and so on.
  if ((counters_.unvouched & (counters_.unvouched - 1)) != 0) return false;
  Position first = damage_.first_in(from, Position(~std::uint64_t{0}));
  log_.error(
      "cannot vouch", "asked", asked, "damaged", first, "remedy",
      "bring up all other members; if none can lead without this one, see docs/operating.md");
  return false;
}

}  // namespace cluster::replog
