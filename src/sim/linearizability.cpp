#include "sim/linearizability.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/random.hpp"

namespace cluster::testing::detail {
namespace {

constexpr std::size_t none = ~std::size_t{0};

// A configuration: the set of answered operations that have happened, as the xor of two random
// words of each (so that two sets are confused about once in 2^128 pairs), and the state.
struct Configuration {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::uint32_t state = 0;
  friend bool operator==(const Configuration&, const Configuration&) = default;
};
struct ConfigurationHash {
  std::size_t operator()(const Configuration& c) const {
    return c.first ^ (c.second * 3) ^ (std::size_t{c.state} * 0x9e3779b97f4a7c15u);
  }
};

// Which of the operations without an answer have happened, a bit for each.
using Optional = std::vector<std::uint64_t>;

bool is_subset(const Optional& a, const Optional& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if ((a[i] & ~b[i]) != 0) return false;
  }
  return true;
}

// Calls and answers in the order of time, as a doubly linked list from which an operation that has
// happened is lifted. Operations that need not happen have no answer and a list of their own: they
// are tried last, since most never matter.
class Search {
 public:
  // Looks at the history up to `end`, that point included.
  Search(const std::vector<Interval>& operations, std::uint64_t end, const Apply& apply)
      : operations_(operations), apply_(apply) {
    struct Event {
      std::uint64_t at;
      bool is_answer;
      std::size_t operation;
    };
    std::vector<Event> events;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (operations[i].called_at > end) continue;
      events.push_back({operations[i].called_at, false, i});
      if (answered_by(i, end)) events.push_back({operations[i].answered_at, true, i});
    }
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
      return a.at != b.at ? a.at < b.at : a.is_answer < b.is_answer;
    });
    call_.assign(operations.size(), none);
    answer_.assign(operations.size(), none);
    is_lifted_.assign(operations.size(), false);
    optional_.assign(operations.size(), 0);
    nodes_.resize(2);  // The heads of the two lists.
    std::size_t tail[2] = {0, 1};
    for (const Event& event : events) {
      bool is_optional = !answered_by(event.operation, end);
      std::size_t node = nodes_.size();
      nodes_.push_back({.operation = event.operation,
                        .is_answer = event.is_answer,
                        .before = tail[is_optional],
                        .order = node});
      nodes_[tail[is_optional]].next = node;
      tail[is_optional] = node;
      (event.is_answer ? answer_ : call_)[event.operation] = node;
      must_ += event.is_answer ? 1 : 0;
    }
    Random random(operations.size() + 1);
    std::size_t bits = 0;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (call_[i] != none && answer_[i] == none) optional_[i] = bits++;
      words_.emplace_back(random.next(), random.next());
    }
    happened_.assign(bits / 64 + 1, 0);
  }

  HistoryVerdict::Kind run(std::uint64_t& configurations, std::uint64_t configurations_max) {
    Configuration present;
    std::size_t candidate = first_candidate();
    while (must_ > 0) {
      if (candidate == none) {
        if (done_.empty()) return HistoryVerdict::Kind::not_linearizable;
        Done last = done_.back();
        done_.pop_back();
        present = last.before;
        put_back(last.operation);
        candidate = candidate_after(call_[last.operation]);
        continue;
      }
      if (++configurations > configurations_max) return HistoryVerdict::Kind::too_hard;
      std::size_t operation = nodes_[candidate].operation;
      auto state = apply_(present.state, operation, answer_[operation] != none);
      Configuration next = present;
      bool is_optional = answer_[operation] == none;
      if (!is_optional) {
        next.first ^= words_[operation].first;
        next.second ^= words_[operation].second;
      }
      next.state = state.value_or(0);
      if (is_optional) flip(operation);
      bool is_new = state && !is_idle(operation, next) && is_untried(next);
      if (is_optional && !is_new) flip(operation);
      if (is_new) {
        done_.push_back({operation, present});
        lift(operation);
        present = next;
        candidate = first_candidate();
      } else {
        candidate = candidate_after(candidate);
      }
    }
    return HistoryVerdict::Kind::linearizable;
  }

 private:
  struct Node {
    std::size_t operation = none;
    bool is_answer = false;
    std::size_t before = none;
    std::size_t next = none;
    std::size_t order = 0;
  };
  struct Done {
    std::size_t operation;
    Configuration before;
  };

  bool answered_by(std::size_t operation, std::uint64_t end) const {
    return operations_[operation].answered_at != never_answered &&
           operations_[operation].answered_at <= end;
  }

  void flip(std::size_t operation) {
    std::size_t bit = optional_[operation];
    happened_[bit / 64] ^= std::uint64_t{1} << (bit % 64);
  }

  // Whoever got to the same place with fewer of the optional operations can still do what this one
  // can.
  bool is_untried(const Configuration& next) {
    std::vector<Optional>& tried = tried_[next];
    for (const Optional& other : tried) {
      if (is_subset(other, happened_)) return false;
    }
    std::erase_if(tried, [&](const Optional& other) { return is_subset(happened_, other); });
    tried.push_back(happened_);
    return true;
  }

  // What need not happen is left out where that makes no difference; else each such operation would
  // double the search. Of the same calls, the first is as good as any; and when the operation
  // before this one need not have happened and leaves no trace in what this one answers and leaves
  // behind, then the order without it is tried as well, and can do whatever this one can.
  bool is_idle(std::size_t operation, const Configuration& next) const {
    std::size_t like = operations_[operation].like;
    for (std::size_t i = like; i < operation; ++i) {
      bool is_same = operations_[i].like == like && operations_[i].answered_at == never_answered;
      if (is_same && operations_[operation].answered_at == never_answered && !is_lifted_[i] &&
          operations_[i].called_at <= operations_[operation].called_at) {
        return true;
      }
    }
    if (done_.empty() || answer_[done_.back().operation] != none) return false;
    auto without = apply_(done_.back().before.state, operation, answer_[operation] != none);
    return without == next.state;
  }

  // Whatever was called before the first answer may be next.
  std::size_t first_candidate() const { return candidate_from(nodes_[0].next); }
  std::size_t candidate_after(std::size_t node) const {
    bool is_optional = answer_[nodes_[node].operation] == none;
    return is_optional ? optional_from(nodes_[node].next) : candidate_from(nodes_[node].next);
  }
  std::size_t candidate_from(std::size_t node) const {
    if (node != none && !nodes_[node].is_answer) return node;
    return optional_from(nodes_[1].next);
  }
  std::size_t optional_from(std::size_t node) const {
    std::size_t first_answer = nodes_[0].next;
    while (first_answer != none && !nodes_[first_answer].is_answer) {
      first_answer = nodes_[first_answer].next;
    }
    bool is_before =
        node != none && first_answer != none && nodes_[node].order < nodes_[first_answer].order;
    return is_before ? node : none;
  }

  void unlink(std::size_t node) {
    nodes_[nodes_[node].before].next = nodes_[node].next;
    if (nodes_[node].next != none) nodes_[nodes_[node].next].before = nodes_[node].before;
  }
  void relink(std::size_t node) {
    nodes_[nodes_[node].before].next = node;
    if (nodes_[node].next != none) nodes_[nodes_[node].next].before = node;
  }
  void lift(std::size_t operation) {
    is_lifted_[operation] = true;
    unlink(call_[operation]);
    if (answer_[operation] == none) return;
    unlink(answer_[operation]);
    must_ -= 1;
  }
  void put_back(std::size_t operation) {
    is_lifted_[operation] = false;
    if (answer_[operation] != none) {
      relink(answer_[operation]);
      must_ += 1;
    }
    if (answer_[operation] == none) flip(operation);
    relink(call_[operation]);
  }

  const std::vector<Interval>& operations_;
  const Apply& apply_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> call_, answer_;  // The nodes of each operation.
  std::vector<bool> is_lifted_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> words_;
  std::size_t must_ = 0;  // Operations that must still happen.
  std::vector<Done> done_;
  std::vector<std::size_t> optional_;  // The bit of each in `happened_`.
  Optional happened_;
  std::unordered_map<Configuration, std::vector<Optional>, ConfigurationHash> tried_;
};

}  // namespace

HistoryVerdict search(const std::vector<Interval>& operations, const Apply& apply,
                      std::uint64_t configurations_max) {
  HistoryVerdict verdict{.kind = HistoryVerdict::Kind::linearizable, .operations = {}};
  auto look = [&](std::uint64_t end) {
    std::uint64_t configurations = 0;
    auto kind = Search(operations, end, apply).run(configurations, configurations_max);
    verdict.configurations += configurations;
    return kind;
  };
  std::vector<std::uint64_t> ends;
  for (const Interval& operation : operations) {
    if (operation.answered_at != never_answered) ends.push_back(operation.answered_at);
  }
  if (ends.empty()) return verdict;
  std::sort(ends.begin(), ends.end());
  verdict.kind = look(ends.back());
  if (verdict.kind != HistoryVerdict::Kind::not_linearizable) return verdict;
  // Every beginning of a linearizable history is one, so the shortest that is none can be halved
  // to.
  std::size_t low = 0, high = ends.size() - 1;
  while (low < high) {
    std::size_t middle = (low + high) / 2;
    if (look(ends[middle]) == HistoryVerdict::Kind::not_linearizable) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  verdict.end = ends[high];
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].called_at <= verdict.end) verdict.operations.push_back(i);
  }
  std::stable_sort(verdict.operations.begin(), verdict.operations.end(),
                   [&](std::size_t a, std::size_t b) {
                     return operations[a].called_at < operations[b].called_at;
                   });
  return verdict;
}

}  // namespace cluster::testing::detail
