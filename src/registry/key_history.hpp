// The changes that are kept, numbered in their order without gaps. A copy shares them and costs
// nothing for each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/check.hpp"
#include "registry/key_record.hpp"

namespace cluster::registry {

struct KeyChange {
  RecordRef now;     // What was put, or the deletion.
  RecordRef before;  // What it took the place of, which may be a deletion; null: nothing is kept.
};

class KeyHistory {
 public:
  explicit KeyHistory(std::uint64_t first = 0) : first_(first), end_(first) {
    if (first % chunk_size != 0) chunks_.push_back(Ref<Chunk>::adopt(new Chunk));
  }

  // Changes [first, end) are kept.
  std::uint64_t first() const { return first_; }
  std::uint64_t end() const { return end_; }
  bool empty() const { return first_ == end_; }
  std::uint64_t size() const { return end_ - first_; }

  const KeyChange& at(std::uint64_t number) const {
    CLUSTER_CHECK(number >= first_ && number < end_, "a change is kept", number, first_, end_);
    return slot(number);
  }

  // The change will be looked at soon.
  void fetch_ahead(std::uint64_t number) const {
    if (number >= end_) return;
    const KeyChange& change = slot(number);
    __builtin_prefetch(change.now.get());
    __builtin_prefetch(change.before.get());
  }

  // The first change of `revision` or later.
  std::uint64_t find(Revision revision) const {
    std::uint64_t low = first_;
    for (std::uint64_t n = end_ - first_; n > 0;) {
      const std::uint64_t half = n / 2;
      if (slot(low + half).now->fields().modified < revision) {
        low += half + 1;
        n -= half + 1;
      } else {
        n = half;
      }
    }
    return low;
  }

  void push(KeyChange change) {
    if (end_ % chunk_size == 0) chunks_.push_back(Ref<Chunk>::adopt(new Chunk));
    chunks_.back()->changes[end_ % chunk_size] = std::move(change);
    ++end_;
  }

  void pop() {
    CLUSTER_CHECK(!empty(), "there is a change to forget");
    // What a copy holds too is let go of with its whole chunk.
    if (!chunks_.front().is_shared()) chunks_.front()->changes[first_ % chunk_size] = {};
    ++first_;
    if (first_ % chunk_size == 0) chunks_.pop_front();
  }

 private:
  static constexpr std::uint64_t chunk_size = 64;
  struct Chunk : Counted {
    static void destroy(const Chunk* chunk) { delete chunk; }
    std::array<KeyChange, chunk_size> changes;
  };

  const KeyChange& slot(std::uint64_t number) const {
    return chunks_[number / chunk_size - first_ / chunk_size]->changes[number % chunk_size];
  }

  std::uint64_t first_;
  std::uint64_t end_;
  std::deque<Ref<Chunk>> chunks_;
};

}  // namespace cluster::registry
