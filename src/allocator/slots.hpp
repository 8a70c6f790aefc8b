// Objects under names in a flat array: a name is looked up once per call, and everything inside
// refers to a slot. Slots are used again after `remove`.
//
// The hash map is only ever looked up in, so that no decision depends on its order.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "cluster/types.hpp"

namespace cluster::allocator {

using AgentSlot = Id<struct AgentSlotTag>;
using FrameworkSlot = Id<struct FrameworkSlotTag>;
using RoleSlot = Id<struct RoleSlotTag>;

// `Value` is a default constructible struct with a member `id` of type `Key`.
template <class Slot, class Key, class Value>
class Slots {
 public:
  // No slot when the name is not known.
  Slot find(const Key& id) const {
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? Slot() : at->second;
  }

  // A slot with a fresh value; the name is not known yet.
  Slot add(const Key& id) {
    Slot slot;
    if (free_.empty()) {
      values_.emplace_back();
      slot = Slot(values_.size());
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    (*this)[slot].id = id;
    by_id_.emplace(id, slot);
    return slot;
  }

  void remove(Slot slot) {
    by_id_.erase((*this)[slot].id);
    (*this)[slot] = Value();
    free_.push_back(slot);
  }

  Value& operator[](Slot slot) { return values_[slot.value() - 1]; }
  const Value& operator[](Slot slot) const { return values_[slot.value() - 1]; }

  std::size_t size() const { return by_id_.size(); }

  // All slots ever used lie in [1, end): those not in use hold a default value.
  std::uint64_t end() const { return values_.size() + 1; }

 private:
  std::vector<Value> values_;
  std::vector<Slot> free_;
  std::unordered_map<Key, Slot> by_id_;
};

}  // namespace cluster::allocator
