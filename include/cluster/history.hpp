// Whether a history of concurrent operations could have come from one thing that does them one at a
// time, each between its call and its answer (linearizability).
//
// The search of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory
// of what was tried ("Testing for Linearizability", 2017): a configuration, that is which
// operations have happened and the state they led to, is gone into once. A sequential model says
// what the thing is:
//
//   struct Model {
//     struct Call; struct Answer;            // Call has ==.
//     struct State;                          // Default constructed: the beginning. Has ==.
//     static std::uint64_t hash(const State&);
//     static std::string key(const Call&);   // Calls of different keys do not meet: partitions.
//     // Does the call. False: this state does not give that answer. Null: the answer is not known,
//     // and any will do.
//     static bool apply(State&, const Call&, const Answer*);
//   };
//
// An operation without an answer may take effect at any time after its call, or never.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cluster::testing {

// Points of a history's time line: any numbers that grow. An answer and a call of the same point
// overlap.
inline constexpr std::uint64_t never_answered = ~std::uint64_t{0};

template <class Model>
struct Operation {
  typename Model::Call call;
  std::optional<typename Model::Answer> answer;  // None: nobody knows what became of it.
  std::uint64_t called_at = 0;
  std::uint64_t answered_at = never_answered;
};

struct HistoryVerdict {
  enum class Kind : std::uint8_t { linearizable, not_linearizable, too_hard } kind;
  // Of the shortest beginning of the history that cannot be: the operations of one key that it is
  // about, in the order of their calls, and the point of the answer with which it ends.
  std::vector<std::size_t> operations;
  std::uint64_t end = 0;
  std::uint64_t configurations = 0;  // Looked at; what the search cost.

  explicit operator bool() const { return kind == Kind::linearizable; }
};

namespace detail {

struct Interval {
  std::uint64_t called_at;
  std::uint64_t answered_at;  // `never_answered`: need not happen.
  std::size_t like;           // The first operation without an answer that is the same call.
};

// States are numbered by whoever asks: 0 is the beginning. The answer is the state after operation
// `index` (of the intervals), or none when it cannot happen in `state`. `is_known` is false where
// the answer lies beyond the prefix in question.
using Apply = std::function<std::optional<std::uint32_t>(std::uint32_t state, std::size_t index,
                                                         bool is_known)>;

HistoryVerdict search(const std::vector<Interval>&, const Apply&, std::uint64_t configurations_max);

}  // namespace detail

// `configurations_max` bounds the search of each key, time and memory; past it the verdict is
// `too_hard`.
template <class Model>
HistoryVerdict check_linearizable(const std::vector<Operation<Model>>& history,
                                  std::uint64_t configurations_max = 20'000'000) {
  std::map<std::string, std::vector<std::size_t>> keys;
  for (std::size_t i = 0; i < history.size(); ++i) keys[Model::key(history[i].call)].push_back(i);
  HistoryVerdict whole{.kind = HistoryVerdict::Kind::linearizable, .operations = {}};
  for (const auto& one : keys) {
    const std::vector<std::size_t>& members = one.second;
    std::vector<detail::Interval> intervals;
    std::vector<std::size_t> unanswered;
    for (std::size_t i : members) {
      std::size_t like = intervals.size();
      if (history[i].answer) {
        intervals.push_back({history[i].called_at, history[i].answered_at, like});
        continue;
      }
      for (std::size_t other : unanswered) {
        if (history[members[other]].call == history[i].call) like = std::min(like, other);
      }
      if (like == intervals.size()) unanswered.push_back(like);
      intervals.push_back({history[i].called_at, never_answered, like});
    }
    // States as numbers: what the search keeps of each configuration is then small and exact.
    std::vector<typename Model::State> states(1);
    std::unordered_multimap<std::uint64_t, std::uint32_t> numbers{{Model::hash(states[0]), 0}};
    auto apply = [&](std::uint32_t from, std::size_t index,
                     bool is_known) -> std::optional<std::uint32_t> {
      const Operation<Model>& operation = history[members[index]];
      typename Model::State state = states[from];
      const auto* answer = is_known && operation.answer ? &*operation.answer : nullptr;
      if (!Model::apply(state, operation.call, answer)) return std::nullopt;
      std::uint64_t hash = Model::hash(state);
      auto [at, end] = numbers.equal_range(hash);
      for (; at != end; ++at) {
        if (states[at->second] == state) return at->second;
      }
      auto number = static_cast<std::uint32_t>(states.size());
      states.push_back(std::move(state));
      numbers.emplace(hash, number);
      return number;
    };
    HistoryVerdict verdict = detail::search(intervals, apply, configurations_max);
    whole.configurations += verdict.configurations;
    if (verdict) continue;
    if (verdict.kind == HistoryVerdict::Kind::too_hard) {
      whole.kind = verdict.kind;  // Another key may still be plainly wrong.
      continue;
    }
    for (std::size_t& index : verdict.operations) index = members[index];
    verdict.configurations = whole.configurations;
    return verdict;
  }
  return whole;
}

// A history as it is made: calls and answers in the order in which they happen.
//
//   std::size_t call = history.call({.kind = get, .key = "a"});
//   ... then, unless nobody knows what became of it:  history.answer(call, {.value = found});
//   ... or, where it certainly did not happen:        history.drop(call);
template <class Model>
class History {
 public:
  std::size_t call(typename Model::Call call) {
    operations_.push_back({.call = std::move(call), .answer = {}, .called_at = ++point_});
    is_dropped_.push_back(false);
    return operations_.size() - 1;
  }
  void answer(std::size_t index, typename Model::Answer answer) {
    operations_[index].answer = std::move(answer);
    operations_[index].answered_at = ++point_;
  }
  void drop(std::size_t index) { is_dropped_[index] = true; }

  std::vector<Operation<Model>> operations() const {
    std::vector<Operation<Model>> kept;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if (!is_dropped_[i]) kept.push_back(operations_[i]);
    }
    return kept;
  }
  HistoryVerdict check() const { return check_linearizable(operations()); }

 private:
  std::vector<Operation<Model>> operations_;
  std::vector<bool> is_dropped_;
  std::uint64_t point_ = 0;
};

}  // namespace cluster::testing
