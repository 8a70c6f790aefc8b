// Snapshots between members: offered to whoever lacks what is not kept, fetched piece by piece from
// one teller, and put in place of the entries. And how fast members that are behind are served.
#include <algorithm>

#include "replog/core.hpp"

namespace cluster::replog {

void Core::on_snapshot(SnapshotOffered made, Effects& effects) {
  // One that reaches as far takes the place of one that may be damaged, or gone.
  if (!snapshot_ || made.end >= snapshot_->end) snapshot_ = std::move(made);
  finish(effects);
}

// With a state machine. An offer for what is under way changes nothing: a newer one would begin
// anew.
void Core::consider(Time now, NodeId from, const SnapshotOffered& offered, Effects& effects) {
  if (offered.id == 0) {
    log_.error("offered no snapshot, which a state machine needs", "by", from);
    return;
  }
  if (install_) {
    bool is_silent = now - install_->heard_at >= options_.election_timeout;
    if (install_->is_whole || !is_silent || install_->teller == from) return;
  }
  become_follower(now, "entries that it lacks are not kept any more", effects);
  log_.info("fetches a snapshot", "from", from, "end", offered.end, "bytes", offered.size);
  install_ = Install{.teller = from, .offered = offered, .heard_at = now};
  // An empty one has no pieces to wait for.
  if (offered.size == 0) {
    install_->is_whole = true;
    effects.now.push_back(WriteSnapshot{offered, 0, {}});
    return;
  }
  fetch(now, effects);
}

void Core::fetch(Time now, Effects& effects) {
  install_->ask_again_at = now + options_.heartbeat_interval * 4;
  effects.now.push_back(
      Send{install_->teller, SnapshotFetch{install_->offered.id, install_->offset}});
}

void Core::on(Time now, NodeId from, const SnapshotChunk& chunk, Effects& effects) {
  if (!install_ || install_->teller != from || install_->offered.id != chunk.id) return;
  if (install_->is_whole || chunk.offset != install_->offset) return;
  std::uint64_t left = install_->offered.size - install_->offset;
  if (chunk.data.empty() || chunk.data.size() > left) {
    log_.info("a snapshot is gone before it was whole", "from", from);
    install_.reset();
    learn_again_at_ = now;
    ask_to_learn(now, effects);
    return;
  }
  install_->heard_at = now;
  install_->ask_again_at = time_never;  // Asked for more once this is written.
  effects.now.push_back(WriteSnapshot{install_->offered, install_->offset, chunk.data});
  install_->offset += chunk.data.size();
  install_->is_whole = install_->offset == install_->offered.size;
}

void Core::on_snapshot_written(Time now, std::uint64_t id, Effects& effects) {
  if (install_ && install_->offered.id == id && !install_->is_whole) fetch(now, effects);
  finish(effects);
}

// The snapshot that was fetched is durable, or came out wrong.
void Core::on_installed(Time now, const SnapshotOffered& offered, bool is_sound, Effects& effects) {
  if (install_ && install_->offered.id == offered.id) install_.reset();
  if (!is_sound) {
    learn_again_at_ = now;
    if (known_chosen_end_ > chosen_end_) ask_to_learn(now, effects);
  } else {
    if (!snapshot_ || offered.end > snapshot_->end) snapshot_ = offered;
    // Before the log is told to begin later: nothing is applied in between.
    if (offered.end > chosen_end_) {
      if (role_ == Role::leader) stop_leading(now, "a later snapshot is here", effects);
      effects.now.push_back(RestoreState{offered});
      begin_at(now, offered, effects);
      if (is_reconfigured_) follow_configuration(now, effects);
    } else if (damage_.first_before(offered.end)) {
      begin_after_damage(offered, effects);
    }
  }
  finish(effects);
}

void Core::on(Time now, NodeId from, const SnapshotFetch& asked, Effects& effects) {
  if (from == options_.self || !take_turn(now, from, asked)) return;
  charge(options_.snapshot_chunk_bytes);
  effects.now.push_back(SendSnapshot{from, asked.id, asked.offset, options_.snapshot_chunk_bytes});
}

// Members that are behind share what they may take of us, so that those who keep up do not starve.
// The last question of each that had to wait is answered when its turn comes.
bool Core::take_turn(Time now, NodeId from, std::variant<Learn, SnapshotFetch> asked) {
  std::size_t rate = options_.catch_up_bytes_per_second;
  if (rate == 0) return true;
  auto burst = static_cast<std::int64_t>(std::max(rate / 10, options_.answer_bytes_max));
  auto elapsed = std::min<Duration>(now - served_at_, std::chrono::seconds(1));
  serve_bytes_ += static_cast<std::int64_t>(rate) * elapsed.count() / 1'000'000;
  serve_bytes_ = std::min(serve_bytes_, burst);
  served_at_ = now;
  if (serve_bytes_ > 0) return true;
  to_serve_.insert_or_assign(from, std::move(asked));
  serve_again_at_ =
      now + Duration(1000 + -serve_bytes_ * 1'000'000 / static_cast<std::int64_t>(rate));
  return false;
}

void Core::charge(std::size_t bytes) {
  if (options_.catch_up_bytes_per_second != 0) serve_bytes_ -= static_cast<std::int64_t>(bytes);
}

void Core::serve_waiting(Time now, Effects& effects) {
  serve_again_at_ = time_never;
  const std::map<NodeId, CatchUpQuestion> waiting = std::exchange(to_serve_, {});
  for (const auto& [from, asked] : waiting) {
    std::visit([&, from = from](const auto& question) { on(now, from, question, effects); }, asked);
  }
}

}  // namespace cluster::replog
