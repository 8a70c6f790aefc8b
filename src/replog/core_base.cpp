// Where the log begins here: entries before `kept_from` are chosen and forgotten. Nothing is
// answered for them; whoever asks is offered what stands for them instead. docs/PROTOCOL.md,
// "Forgetting".
#include <algorithm>

#include "replog/core.hpp"

namespace cluster::replog {

// The driver looks up what stood before `first`, which memory may not hold any more.
void Core::on_base(Position first, std::uint64_t term, Effects& effects) {
  first = std::min(first, chosen_end_);
  if (first <= kept_from_) return;
  kept_from_ = first;
  kept_term_ = term;
  log_.info("forgets", "before", first);
  forget_damage(first);
  effects.changes.push_back(SetBase{first, term});
  effects.now.push_back(LogBegins{first});
  let_go(first, effects);
  finish(effects);
}

// A `truncate` that is chosen. Never beyond its own position: all before it is chosen.
void Core::note_truncate(const LogEntry& entry) {
  if (options_.has_state_machine) return;
  Position to = std::min(decode_position(entry.value.data.view()), entry.position);
  if (to > kept_from_ && to > forget_before_) forget_before_ = to;
}

// To one that lacks entries which are not kept here.
void Core::offer(NodeId to, Effects& effects) {
  if (to == options_.self) return;
  if (options_.has_state_machine) {
    if (snapshot_ && uses_snapshots()) effects.now.push_back(Send{to, *snapshot_});
    return;
  }
  SnapshotOffered offered{.end = kept_from_, .term = kept_term_, .configuration = configuration_};
  // The members as of its end: where those before the last change are not known any more, the log
  // begins after that change for the one that takes this.
  if (configuration_.since() >= offered.end) {
    offered.end = configuration_.since().next();
    if (offered.end > chosen_end_) return;
    Position end = offered.end;
    effects.now.push_back(SendStored{to, std::move(offered), kept_from_, end});
  } else {
    effects.now.push_back(Send{to, std::move(offered)});
  }
}

void Core::on(Time now, NodeId from, const SnapshotOffered& offered, Effects& effects) {
  if (from == options_.self) return;
  if (offered.end <= chosen_end_) return consider_for_damage(now, from, offered, effects);
  // A leader has what was chosen before its term, or learns it from a newer one.
  if (role_ == Role::leader) return;
  known_chosen_end_ = std::max(known_chosen_end_, offered.end);
  teller_ = from;
  if (uses_snapshots()) return consider(now, from, offered, effects);
  begin_at(now, offered, effects);
}

// Everything before `offered.end` is chosen and is not learned entry by entry.
void Core::begin_at(Time now, const SnapshotOffered& offered, Effects& effects) {
  become_follower(now, "entries that it lacks are not kept any more", effects);
  log_.info("begins at", "position", offered.end, "instead of", chosen_end_);
  // A newcomer knows the members as of its joining, which may be later.
  bool is_newer =
      configuration_.is_empty() || offered.configuration.since() > configuration_.since();
  if (is_newer) adopt(now, offered.configuration, effects);
  counters_.chosen += distance(chosen_end_, offered.end);
  kept_from_ = chosen_end_ = offered.end;
  kept_term_ = offered.term;
  settled_term_ = std::max(settled_term_, offered.term);
  settled_bytes_ = 0;
  recorded_chosen_end_ = released_ = chosen_end_;
  known_chosen_end_ = std::max(known_chosen_end_, chosen_end_);
  acceptor_.begin_at(kept_from_);
  forget_damage(kept_from_);
  effects.changes.push_back(SetBase{kept_from_, kept_term_});
  effects.changes.push_back(SetChosenEnd{chosen_end_, settled_term_});
  effects.now.push_back(LogBegins{kept_from_});
  effects.now.push_back(Chosen{chosen_end_});
  reach_reads(effects);
  // What we accepted from there on may be chosen by now.
  learn_again_at_ = now;
  if (known_chosen_end_ > chosen_end_) ask_to_learn(now, effects);
}

}  // namespace cluster::replog
