#include "replog/preparation.hpp"

#include <algorithm>
#include <functional>

namespace cluster::replog {
namespace {

// Members hold few gaps, and short ones: what is in flight. More is not from a member of ours.
constexpr std::uint64_t gap_max = 1u << 18;

// Of two entries whose terms fall along the log, the one of the lower ballot cannot have been
// chosen: the leader of the higher ballot asked a quorum about both positions, and proposed no such
// pair. Shown one entry after another, this tells which are not to be proposed again.
class TermOrder {
 public:
  explicit TermOrder(std::function<bool(std::uint64_t, std::uint64_t)> is_wrong)
      : is_wrong_(std::move(is_wrong)) {}

  bool is_void(const LogEntry& entry) {
    std::uint64_t term = entry.value.term;
    if (term == 0) return false;
    bool found = false;
    for (const auto& [other, ballot] : seen_) {
      found = found || (is_wrong_(other, term) && ballot > entry.ballot);
    }
    Ballot& highest = seen_[term];
    highest = std::max(highest, entry.ballot);
    return found;
  }

 private:
  std::function<bool(std::uint64_t, std::uint64_t)> is_wrong_;
  std::map<std::uint64_t, Ballot> seen_;  // The highest ballot of each term's entries.
};

}  // namespace

Position Preparation::next_of(NodeId member) const {
  auto at = next_.find(member);
  return at == next_.end() ? from_ : at->second;
}

bool Preparation::has_quorum() const {
  auto counts = [&](NodeId voter) { return whole_.contains(voter); };
  const std::vector<NodeId>& voters = configuration_.voters();
  auto count = static_cast<std::size_t>(std::count_if(voters.begin(), voters.end(), counts));
  return count >= configuration_.quorum();
}

bool Preparation::has_data() const {
  return std::none_of(best_.begin(), best_.end(),
                      [](const auto& one) { return one.second.value.is_bare; });
}

bool Preparation::take(NodeId member, const Promised& answer) {
  if (!configuration_.has(member) || answer.ballot != ballot_ || is_whole(member)) return false;
  if (answer.first != next_of(member) || answer.next < answer.first || answer.end < answer.next) {
    return false;
  }
  if (answer.next == answer.first && answer.end > answer.next) return false;  // No progress.
  Position last = answer.entries.empty() ? answer.first : answer.entries.back().position;
  if (answer.next > last.plus(gap_max)) return false;
  for (const LogEntry& entry : answer.entries) {
    if (entry.position < from_) continue;
    if (is_data(entry.value.kind) && !entry.value.is_bare && configuration_.has_witness()) {
      data_[{entry.position, entry.value.term}] = entry.value.data;
    }
    auto [at, is_new] = best_.try_emplace(entry.position, entry);
    if (!is_new && at->second.ballot < entry.ballot) at->second = entry;
    Value& best = at->second.value;
    if (!best.is_bare) continue;
    auto data = data_.find({entry.position, best.term});
    if (data == data_.end()) continue;
    best.data = data->second;
    best.is_bare = false;
  }
  // Only what was chosen when it was told was told as it was chosen: a later part's word does not
  // cover an earlier part's entries, nor entries that are still to come.
  Position& settled = settled_.try_emplace(member, from_).first->second;
  if (settled == answer.first) {
    settled = std::clamp(answer.chosen_end, answer.first, answer.next);
    chosen_end_ = std::max(chosen_end_, settled);
  }
  end_ = std::max(end_, answer.next);
  next_[member] = answer.next;
  if (answer.next == answer.end) whole_.insert(member);
  return true;
}

const LogEntry* Preparation::best(Position at) const {
  auto found = best_.find(at);
  return found == best_.end() ? nullptr : &found->second;
}

std::vector<Value> Preparation::open_values(Position first, std::uint64_t term) const {
  std::vector<const LogEntry*> entries;
  for (Position at = first; at < end_; at = at.next()) entries.push_back(best(at));
  std::set<const LogEntry*> voided;
  TermOrder forward(std::greater<>{});
  for (const LogEntry* entry : entries) {
    if (entry == nullptr) continue;
    // What is settled has the last word.
    bool is_late = entry->value.term != 0 && entry->value.term < term;
    if (forward.is_void(*entry) || is_late) voided.insert(entry);
  }
  TermOrder backward(std::less<>{});
  for (auto at = entries.rbegin(); at != entries.rend(); ++at) {
    if (*at != nullptr && backward.is_void(**at)) voided.insert(*at);
  }
  std::vector<Value> values;
  values.reserve(entries.size());
  for (const LogEntry* entry : entries) {
    bool is_kept = entry != nullptr && !voided.contains(entry);
    values.push_back(is_kept ? entry->value : Value{Kind::noop, {}});
  }
  return values;
}

}  // namespace cluster::replog
