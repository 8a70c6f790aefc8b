#include "registry/keys_read.hpp"

#include <algorithm>

namespace cluster::registry {

Result<void> KeysRead::check(Revision at) const {
  if (!at) return {};
  if (at < state_.compacted_) {
    return {Errc::truncated, "revision " + std::to_string(at.value()) +
                                 " is no longer kept: the oldest is " +
                                 std::to_string(state_.compacted_.value())};
  }
  if (at > state_.revision_) {
    return {Errc::invalid_argument, "revision " + std::to_string(at.value()) +
                                        " is yet to come: the newest is " +
                                        std::to_string(state_.revision_.value())};
  }
  return {};
}

// What the key was then; null where it was not there. Every change after `at` is kept.
const KeyRecord* KeysRead::version_at(const KeyRecord* newest, Revision at) const {
  const KeyRecord* record = newest;
  while (record && record->fields().modified > at) {
    record = state_.history_.at(record->fields().change).before.get();
  }
  return record && !record->is_deletion() ? record : nullptr;
}

template <class Visit>
void KeysRead::visit(const KeySpace& space, const KeyRange& range, Revision at, Visit visit) const {
  if (range.is_empty()) return;
  if (!at || at == state_.revision_) {
    if (range.is_single_key()) {
      if (const RecordRef* one = space.live.find(range.begin)) visit(**one);
      return;
    }
    for (auto key = space.live.lower_bound(range.begin);
         !key.at_end() && range.contains((*key)->key()); key.next()) {
      if (!visit(**key)) return;
    }
    return;
  }
  // Keys that are there and keys that were, merged: no key is in both.
  auto live = space.live.lower_bound(range.begin);
  auto dead = space.dead.lower_bound(range.begin);
  for (;;) {
    const bool has_live = !live.at_end() && range.contains((*live)->key());
    const bool has_dead = !dead.at_end() && range.contains((*dead)->key());
    if (!has_live && !has_dead) return;
    const bool is_live = has_live && (!has_dead || (*live)->key() < (*dead)->key());
    auto& next = is_live ? live : dead;
    const KeyRecord* record = version_at((*next).get(), at);
    if (record && !visit(*record)) return;
    next.next();
  }
}

RangeResult KeysRead::range(const KeySpace& space, const KeyRange& range,
                            const RangeOptions& options, std::size_t& answer_bytes) const {
  const bool is_newest = !options.at || options.at == state_.revision_;
  RangeResult result{.revision = options.at ? options.at : state_.revision_};
  // By the sizes of nodes, unless the key is looked up anyway.
  const bool is_counted = is_newest && (options.count_only || !range.is_single_key());
  if (is_counted) result.count = space.live.count(range);
  if (is_newest && options.count_only) return result;

  const std::size_t bytes_max = std::min(options.bytes_max, state_.limits_.answer_bytes_max);
  std::size_t bytes = 0;
  bool is_full = options.count_only;
  visit(space, range, options.at, [&](const KeyRecord& record) {
    if (!is_counted) ++result.count;
    if (is_full) return !is_counted;  // Only counted on.
    const std::size_t size = record.key().size() + (options.keys_only ? 0 : record.value().size());
    const bool has_room =
        (options.limit == 0 || result.keys.size() < options.limit) &&
        (result.keys.empty() ||
         (bytes + size <= bytes_max && answer_bytes + size <= state_.limits_.answer_bytes_max));
    if (!has_room) {
      is_full = true;
      result.has_more = true;
      return !is_counted;
    }
    bytes += size;
    answer_bytes += size;
    result.keys.push_back(record.to_key_value(!options.keys_only));
    return true;
  });
  return result;
}

Result<RangeResult> KeysState::range(std::string_view space_name, const KeyRange& range,
                                     const RangeOptions& options) const {
  const KeySpace* space = find_space(space_name);
  if (!space) {
    return {Errc::not_found, "there is no namespace \"" + std::string(space_name) + "\""};
  }
  KeysRead reader(*this);
  if (auto kept = reader.check(options.at); !kept) return std::move(kept).error();
  std::size_t bytes = 0;
  return reader.range(*space, range, options, bytes);
}

}  // namespace cluster::registry
