#include "replog/pipeline.hpp"

#include <algorithm>

namespace cluster::replog {

Pipeline::Pipeline(NodeId self, const Configuration& configuration, Ballot ballot, Position first,
                   PipelineLimits limits, Time now)
    : self_(self),
      configuration_(configuration),
      ballot_(ballot),
      limits_(limits),
      settled_(first),
      next_(first) {
  for (NodeId member : configuration.ids()) {
    Progress& progress = progress_[member];
    progress.end = first;
    progress.moved_at = now;
    progress.heard_at = now;
  }
}

bool Pipeline::enqueue(Value value, Origin origin) {
  std::size_t cost = value.cost();
  if (queue_bytes_ + cost > limits_.queue_bytes_max && !queue_.empty()) return false;
  queue_bytes_ += cost;
  queue_.emplace_back(std::move(value), origin);
  return true;
}

std::vector<Accept> Pipeline::take(Position chosen_end, bool must) {
  std::vector<Accept> accepts;
  std::size_t bytes = 0;
  while (!queue_.empty()) {
    std::size_t cost = queue_.front().first.cost();
    bool has_room = flights_.empty() || (flight_bytes_ + cost <= limits_.flight_bytes_max &&
                                         flights_.size() < limits_.flight_entries_max);
    if (!must && !has_room) break;
    if (accepts.empty() || bytes + cost > limits_.accept_bytes_max) {
      accepts.push_back(Accept{.ballot = ballot_, .first = next_, .chosen_end = chosen_end});
      bytes = 0;
    }
    bytes += cost;
    queue_bytes_ -= cost;
    flight_bytes_ += cost;
    flights_.push_back(Flight{queue_.front().second, cost});
    accepts.back().values.push_back(std::move(queue_.front().first));
    queue_.pop_front();
    next_ = next_.next();
  }
  return accepts;
}

void Pipeline::accepted(NodeId member, Position first, Position end, Time now) {
  Progress& progress = progress_.at(member);
  progress.heard_at = now;
  progress.held.add(first, end);
}

void Pipeline::heard(NodeId member, std::uint64_t sequence, Time now) {
  Progress& progress = progress_.at(member);
  progress.heard_at = now;
  progress.sequence = std::max(progress.sequence, sequence);
}

Position Pipeline::agreed_end(Position chosen_end) const {
  return configuration_.reached_by_quorum([&](NodeId member) {
    // What a member claims beyond what was ever sent is not believed.
    return std::min(progress_.at(member).held.contiguous_end(chosen_end), next_);
  });
}

std::vector<Origin> Pipeline::settle(Position end) {
  CLUSTER_CHECK(settled_ <= end && end <= next_, "what was proposed is settled in order", settled_,
                end, next_);
  std::vector<Origin> origins;
  for (; settled_ < end; settled_ = settled_.next()) {
    origins.push_back(flights_.front().origin);
    flight_bytes_ -= flights_.front().cost;
    flights_.pop_front();
  }
  for (auto& [member, progress] : progress_) progress.held.remove_before(end);
  return origins;
}

Pipeline::Leftovers Pipeline::drain() {
  Leftovers left;
  for (const Flight& flight : flights_) left.in_flight.push_back(flight.origin);
  left.unsent.assign(std::make_move_iterator(queue_.begin()),
                     std::make_move_iterator(queue_.end()));
  flights_.clear();
  queue_.clear();
  flight_bytes_ = queue_bytes_ = 0;
  return left;
}

std::optional<Position> Pipeline::resend_from(NodeId member, Position chosen_end, Time now,
                                              Duration patience) {
  Progress& progress = progress_.at(member);
  Position end = progress.held.contiguous_end(chosen_end);
  if (end > progress.end) {
    progress.end = end;
    progress.moved_at = now;
  }
  if (end >= next_) {
    progress.moved_at = now;
    return std::nullopt;
  }
  if (now - progress.moved_at < patience) return std::nullopt;
  progress.moved_at = now;
  return end;
}

void Pipeline::sent_again(NodeId member, Position end) {
  progress_.at(member).sent_again_end = end;
}

std::optional<Position> Pipeline::more_from(NodeId member, Position chosen_end) {
  Progress& progress = progress_.at(member);
  if (!progress.sent_again_end) return std::nullopt;
  Position end = progress.held.contiguous_end(chosen_end);
  if (end < progress.sent_again_end) return std::nullopt;
  progress.sent_again_end = Position{};
  return end < next_ ? std::optional(end) : std::nullopt;
}

NodeId Pipeline::furthest_voter() const {
  NodeId best;
  auto rank = [&](NodeId member) {
    const Progress& progress = progress_.at(member);
    return std::pair(progress.held.contiguous_end(settled_), progress.heard_at);
  };
  for (NodeId member : configuration_.voters()) {
    bool can_lead = member != self_ && configuration_.find(member)->role == MemberRole::voter;
    if (can_lead && (!best || rank(member) > rank(best))) best = member;
  }
  return best;
}

Time Pipeline::heard_by_quorum(Time now) const {
  return configuration_.reached_by_quorum(
      [&](NodeId member) { return member == self_ ? now : progress_.at(member).heard_at; });
}

std::uint64_t Pipeline::sequence_by_quorum(std::uint64_t own) const {
  return configuration_.reached_by_quorum(
      [&](NodeId member) { return member == self_ ? own : progress_.at(member).sequence; });
}

}  // namespace cluster::replog
