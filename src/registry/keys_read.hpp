// Reads of the keys, at the newest revision or at one that is kept.
#pragma once

#include <cstddef>

#include "registry/keys_state.hpp"

namespace cluster::registry {

struct KeysRead {
  explicit KeysRead(const KeysState& state) : state_(state) {}

  // Whether `at` can be read. None can always.
  Result<void> check(Revision at) const;

  // `at` can be read. Adds to `answer_bytes`, which the state's limits bound.
  RangeResult range(const KeySpace&, const KeyRange&, const RangeOptions&,
                    std::size_t& answer_bytes) const;

 private:
  const KeyRecord* version_at(const KeyRecord* newest, Revision at) const;
  // Calls `visit(const KeyRecord&)` with each key of the range, in order, until it returns false.
  template <class Visit>
  void visit(const KeySpace&, const KeyRange&, Revision at, Visit) const;

  const KeysState& state_;
};

}  // namespace cluster::registry
