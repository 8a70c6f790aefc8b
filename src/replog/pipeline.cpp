#include "replog/pipeline.hpp"

#include <algorithm>
#include <utility>

namespace cluster::replog {

Pipeline::Pipeline(NodeId self, const Configuration& configuration, Ballot ballot, Position first,
                   PipelineLimits limits, Time now)
    : self_(self),
      configuration_(configuration),
      ballot_(ballot),
      limits_(limits),
      settled_(first),
      next_(first),
      started_at_(now) {
  follow_configuration(now);
}

void Pipeline::follow_configuration(Time now) {
  for (NodeId member : configuration_.ids()) {
    auto [at, is_new] = progress_.try_emplace(member);
    if (!is_new) continue;
    at->second.end = settled_;
    at->second.moved_at = now;
    at->second.heard_at = now;
    at->second.kept_up_at = now;
    at->second.asked_end = settled_;
  }
  std::erase_if(progress_, [&](const auto& one) { return !configuration_.has(one.first); });
}

void Pipeline::skip_to(Position end) {
  CLUSTER_CHECK(flights_.empty() && settled_ == next_ && next_ <= end,
                "what is skipped was proposed by others", settled_, next_, end);
  settled_ = next_ = end;
  for (auto& [member, progress] : progress_) progress.held.remove_before(end);
}

bool Pipeline::enqueue(Value value, Origin origin) {
  std::size_t cost = value.cost();
  if (queue_bytes_ + cost > limits_.queue_bytes_max && !queue_.empty()) return false;
  queue_bytes_ += cost;
  queue_.emplace_back(std::move(value), origin);
  return true;
}

std::vector<std::uint64_t> Pipeline::withdraw(NodeId member,
                                              const std::vector<std::uint64_t>& tags) {
  std::vector<std::uint64_t> withdrawn;
  std::erase_if(queue_, [&](const auto& queued) {
    const auto& [value, origin] = queued;
    if (origin.member != member || origin.is_command) return false;
    if (!std::binary_search(tags.begin(), tags.end(), origin.tag)) return false;
    queue_bytes_ -= value.cost();
    withdrawn.push_back(origin.tag);
    return true;
  });
  std::sort(withdrawn.begin(), withdrawn.end());
  return withdrawn;
}

std::vector<Accept> Pipeline::take(Position chosen_end) {
  std::vector<Accept> accepts;
  std::size_t bytes = 0;
  while (!queue_.empty() && !is_held_) {
    std::size_t cost = queue_.front().first.cost();
    bool has_room = flights_.empty() || (flight_bytes_ + cost <= limits_.flight_bytes_max &&
                                         flights_.size() < limits_.flight_entries_max);
    if (!has_room) break;
    queue_bytes_ -= cost;
    auto [value, origin] = std::move(queue_.front());
    queue_.pop_front();
    put_into(accepts, bytes, std::move(value), origin, chosen_end);
  }
  return accepts;
}

std::vector<Accept> Pipeline::propose(std::vector<Value> values, Position chosen_end) {
  std::vector<Accept> accepts;
  std::size_t bytes = 0;
  for (Value& value : values) put_into(accepts, bytes, std::move(value), Origin{}, chosen_end);
  return accepts;
}

void Pipeline::put_into(std::vector<Accept>& accepts, std::size_t& bytes, Value value,
                        Origin origin, Position chosen_end) {
  std::size_t cost = value.cost();
  if (accepts.empty() || bytes + cost > limits_.accept_bytes_max) {
    accepts.push_back(
        Accept{.ballot = ballot_, .first = next_, .values = {}, .chosen_end = chosen_end});
    bytes = 0;
  }
  if (value.kind == Kind::config) hold();
  bytes += cost;
  flight_bytes_ += cost;
  flights_.push_back(Flight{origin, cost});
  accepts.back().values.push_back(std::move(value));
  next_ = next_.next();
}

void Pipeline::accepted(NodeId member, Position first, Position end, Time now) {
  Progress& progress = progress_.at(member);
  progress.heard_at = now;
  progress.has_answered = true;
  if (!configuration_.has_witness()) return progress.held.add(first, end);
  Position before = progress.held.contiguous_end(settled_);
  progress.held.add(first, end);
  note_progress(progress, before, now);
}

void Pipeline::note_progress(Progress& progress, Position before, Time now) const {
  Position end = progress.held.contiguous_end(settled_);
  if (end > before || end >= next_) progress.kept_up_at = now;
}

Position Pipeline::witness_end(Time now, Duration timeout, Duration patience) const {
  Position end = next_;
  for (const Member& member : configuration_.all()) {
    if (member.role != MemberRole::voter) continue;
    const Progress& progress = progress_.at(member.id);
    bool is_silent = std::min(progress.heard_at, progress.kept_up_at) + timeout <= now ||
                     (!progress.has_answered && started_at_ + patience <= now);
    if (is_silent && member.id != self_) continue;
    end = std::min(end, progress.held.contiguous_end(settled_));
  }
  return end;
}

std::optional<Position> Pipeline::ask_witness(NodeId witness, Position end) {
  Progress& progress = progress_.at(witness);
  if (end <= progress.asked_end) return std::nullopt;
  return std::exchange(progress.asked_end, end);
}

void Pipeline::heard(NodeId member, std::uint64_t sequence, Position chosen_end, Time now) {
  Progress& progress = progress_.at(member);
  progress.heard_at = now;
  progress.has_answered = true;
  progress.sequence = std::max(progress.sequence, sequence);
  progress.chosen_end = std::max(progress.chosen_end, chosen_end);
}

void Pipeline::excuse(const std::set<NodeId>& members, Time now) {
  for (auto& [member, progress] : progress_) {
    if (!members.contains(member)) continue;
    progress.heard_at = progress.kept_up_at = progress.moved_at = now;
  }
}

Time Pipeline::heard_at(NodeId member) const {
  auto at = progress_.find(member);
  return at == progress_.end() ? Time::min() : at->second.heard_at;
}

Position Pipeline::chosen_end_of(NodeId member) const {
  auto at = progress_.find(member);
  return at == progress_.end() ? Position{} : at->second.chosen_end;
}

std::uint64_t Pipeline::sequence_of(NodeId member) const {
  auto at = progress_.find(member);
  return at == progress_.end() ? 0 : at->second.sequence;
}

bool Pipeline::has_all(NodeId member) const {
  auto at = progress_.find(member);
  return at != progress_.end() && at->second.held.contiguous_end(settled_) >= next_;
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
  origins.reserve(distance(settled_, end));
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
  for (; !flights_.empty(); flights_.pop_front()) left.in_flight.push_back(flights_.front().origin);
  for (; !queue_.empty(); queue_.pop_front()) left.unsent.push_back(std::move(queue_.front()));
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
    progress.kept_up_at = now;
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
