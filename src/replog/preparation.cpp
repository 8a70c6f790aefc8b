#include "replog/preparation.hpp"

#include <algorithm>

namespace cluster::replog {

Position Preparation::next_of(NodeId member) const {
  auto at = next_.find(member);
  return at == next_.end() ? from_ : at->second;
}

bool Preparation::take(NodeId member, const Promised& answer) {
  if (!configuration_.has(member) || answer.ballot != ballot_ || is_whole(member)) return false;
  if (answer.first != next_of(member) || answer.next < answer.first || answer.end < answer.next) {
    return false;
  }
  if (answer.next == answer.first && answer.end > answer.next) return false;  // No progress.
  for (const LogEntry& entry : answer.entries) {
    if (entry.position < from_) continue;
    auto [at, is_new] = best_.try_emplace(entry.position, entry);
    if (!is_new && at->second.ballot < entry.ballot) at->second = entry;
  }
  chosen_end_ = std::max(chosen_end_, answer.chosen_end);
  end_ = std::max(end_, answer.end);
  next_[member] = answer.next;
  if (answer.next == answer.end) whole_.insert(member);
  return true;
}

const LogEntry* Preparation::best(Position at) const {
  auto found = best_.find(at);
  return found == best_.end() ? nullptr : &found->second;
}

}  // namespace cluster::replog
