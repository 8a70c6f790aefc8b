// The accepted entries that are kept in memory: all that are open or not yet durable, and as many
// chosen ones before them as fit. Older ones are in the store.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "base/check.hpp"
#include "base/ring.hpp"
#include "replog/types.hpp"

namespace cluster::replog {

class Window {
 public:
  explicit Window(Position first) : first_(first) {}

  Position first() const { return first_; }                    // Nothing before it is here.
  Position end() const { return first_.plus(slots_.size()); }  // Nothing at or after it exists.
  std::size_t bytes() const { return bytes_; }

  const LogEntry* find(Position at) const {
    if (at < first_ || at >= end()) return nullptr;
    const auto& slot = slots_[distance(first_, at)];
    return slot ? &*slot : nullptr;
  }

  void put(LogEntry entry) {
    CLUSTER_CHECK(entry.position >= first_, "released positions are settled", entry.position,
                  first_);
    while (end() <= entry.position) slots_.push_back(std::nullopt);
    auto& slot = slots_[distance(first_, entry.position)];
    if (slot) bytes_ -= slot->value.cost();
    bytes_ += entry.value.cost();
    slot = std::move(entry);
  }

  // What is here of [from, to), in order, until `bytes_max` is passed. `next` becomes the first
  // position that was not looked at.
  std::vector<LogEntry> range(Position from, Position to, std::size_t bytes_max,
                              Position& next) const {
    CLUSTER_CHECK(from >= first_, "a range in memory starts in memory", from, first_);
    std::vector<LogEntry> entries;
    std::size_t bytes = 0;
    for (next = from; next < to && bytes < bytes_max; next = next.next()) {
      const LogEntry* entry = find(next);
      if (entry == nullptr) continue;
      bytes += entry->value.cost();
      entries.push_back(*entry);
    }
    return entries;
  }

  void release_before(Position to) {
    while (first_ < to && !slots_.empty()) {
      if (slots_.front()) bytes_ -= slots_.front()->value.cost();
      slots_.pop_front();
      first_ = first_.next();
    }
  }

  // Forgets what is before `first`, and goes on there even where it ended before.
  void begin_at(Position first) {
    release_before(first);
    first_ = std::max(first_, first);
  }

  // The term of the last entry of [from, to) that has one; 0 when none has.
  friend std::uint64_t last_term(const Window& window, Position from, Position to) {
    for (Position at = to; at > from;) {
      at = Position(at.value() - 1);
      const LogEntry* entry = window.find(at);
      if (entry != nullptr && entry->value.term != 0) return entry->value.term;
    }
    return 0;
  }

 private:
  Position first_;
  Ring<std::optional<LogEntry>> slots_;
  std::size_t bytes_ = 0;
};

}  // namespace cluster::replog
