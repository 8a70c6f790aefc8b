// What became of the wishes that a member has sent to this one, by their tags: none is carried out
// twice, however often it is sent, and one that is sent again is told the same again.
//
// A member's tags grow from a number whose upper half is drawn when it starts. So those of one life
// lie close together, and what stands before the oldest that is remembered was carried out, or may
// have been.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "cluster/types.hpp"

namespace cluster::replog {

class Taken {
 public:
  enum class Fate : std::uint8_t { unseen, under_way, refused, settled, forgotten };

  Fate fate(std::uint64_t tag) const {
    const Life* life = find(tag);
    if (life == nullptr) return Fate::unseen;
    if (tag < life->first) return Fate::forgotten;
    if (tag - life->first >= life->slots.size()) return Fate::unseen;
    std::uint64_t slot = life->slots[tag - life->first];
    return slot > refused ? Fate::settled : static_cast<Fate>(slot);
  }
  // Where one that is settled stands.
  Position position(std::uint64_t tag) const {
    return Position(find(tag)->slots[tag - find(tag)->first] - refused);
  }

  void add(std::uint64_t tag) { set(tag, under_way); }
  void refuse(std::uint64_t tag) { set(tag, refused); }
  void settle(std::uint64_t tag, Position at) { set(tag, refused + at.value()); }
  // It was not carried out after all.
  void remove(std::uint64_t tag) { set(tag, 0); }

 private:
  static constexpr std::uint64_t under_way = 1, refused = 2;  // And from there on a position.
  static constexpr std::size_t slots_max = 1u << 16;
  // Copies are on their way for seconds; a member does not start as often in that time.
  static constexpr std::size_t lives_max = 4;

  struct Life {
    std::uint64_t upper_half = 0;
    std::uint64_t first = 0;          // What is before it is forgotten.
    std::deque<std::uint64_t> slots;  // Of the tags from `first` on.
  };

  const Life* find(std::uint64_t tag) const {
    for (const Life& life : lives_) {
      if (life.upper_half == tag >> 32) return &life;
    }
    return nullptr;
  }

  void set(std::uint64_t tag, std::uint64_t slot) {
    Life* life = const_cast<Life*>(std::as_const(*this).find(tag));
    if (life == nullptr) {
      if (lives_.size() == lives_max) lives_.pop_front();
      life = &lives_.emplace_back();
      life->upper_half = tag >> 32;
      life->first = life->upper_half << 32;
    }
    if (tag < life->first) return;
    // Nothing of what lies in between was seen, unless it comes late.
    if (tag - life->first >= life->slots.size() + slots_max) {
      life->slots.clear();
      life->first = tag - slots_max + 1;
    }
    std::size_t index = tag - life->first;
    if (index >= life->slots.size()) life->slots.resize(index + 1, 0);
    life->slots[index] = slot;
    for (; life->slots.size() > slots_max; ++life->first) life->slots.pop_front();
  }

  std::deque<Life> lives_;  // The newest last.
};

}  // namespace cluster::replog
