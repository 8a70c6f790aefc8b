#include "replog/reads.hpp"

#include <algorithm>
#include <iterator>

namespace cluster::replog {

void LeaderReads::ask(NodeId member, std::uint64_t tag) {
  auto is_same = [&](const Question& q) { return q.member == member && q.tag == tag; };
  // A question that is asked again may still have its answer on the way.
  if (std::any_of(gathered_.begin(), gathered_.end(), is_same)) return;
  gathered_.push_back(Question{.member = member, .tag = tag, .end = {}});
}

void LeaderReads::forget(NodeId member, std::uint64_t tag) {
  auto is_it = [&](const Question& q) { return q.member == member && q.tag == tag; };
  std::erase_if(gathered_, is_it);
  std::erase_if(asked_, is_it);
}

void LeaderReads::join(std::uint64_t sequence, Position chosen_end) {
  for (Question& question : gathered_) {
    question.sequence = sequence;
    question.end = chosen_end;
    asked_.push_back(question);
  }
  gathered_.clear();
}

std::vector<LeaderReads::Question> LeaderReads::answered(std::uint64_t sequence_by_quorum) {
  auto end = std::find_if(asked_.begin(), asked_.end(),
                          [&](const Question& q) { return q.sequence > sequence_by_quorum; });
  std::vector<Question> answered(asked_.begin(), end);
  asked_.erase(asked_.begin(), end);
  return answered;
}

std::vector<LeaderReads::Question> LeaderReads::take_gathered(Position chosen_end) {
  for (Question& question : gathered_) question.end = chosen_end;
  return std::exchange(gathered_, {});
}

std::vector<LeaderReads::Question> LeaderReads::take_all() {
  std::vector<Question> all(asked_.begin(), asked_.end());
  all.insert(all.end(), gathered_.begin(), gathered_.end());
  asked_.clear();
  gathered_.clear();
  return all;
}

void OwnReads::forget(std::uint64_t tag) {
  gathered_.erase(tag);
  asked_.erase(tag);
  std::erase_if(waiting_, [&](const auto& waiting) { return waiting.second == tag; });
}

std::optional<std::uint64_t> OwnReads::question(Time now, Duration patience) {
  if (asked_.empty()) {
    if (gathered_.empty()) return std::nullopt;
    asked_.swap(gathered_);
    // No question before had this tag: its readers came before its newest did.
    question_ = *asked_.rbegin();
  } else if (now < ask_at_) {
    return std::nullopt;
  }
  ask_at_ = now + patience;
  return question_;
}

Time OwnReads::deadline() const {
  if (!asked_.empty()) return ask_at_;
  return gathered_.empty() ? time_never : Time::min();
}

void OwnReads::answered(std::uint64_t tag, Position end) {
  if (!is_asked(tag)) return;
  for (std::uint64_t reader : asked_) waiting_.emplace(end, reader);
  asked_.clear();
}

std::vector<std::pair<Position, std::uint64_t>> OwnReads::reached(Position chosen_end) {
  auto end = waiting_.lower_bound({chosen_end.next(), 0});
  std::vector<std::pair<Position, std::uint64_t>> reached(waiting_.begin(), end);
  waiting_.erase(waiting_.begin(), end);
  return reached;
}

std::vector<std::uint64_t> OwnReads::take_unanswered() {
  gathered_.merge(asked_);
  asked_.clear();
  std::vector<std::uint64_t> all(gathered_.begin(), gathered_.end());
  gathered_.clear();
  return all;
}

}  // namespace cluster::replog
