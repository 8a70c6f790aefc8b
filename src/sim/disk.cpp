#include "sim/disk.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace cluster::sim {

using replog::LogEntry;

Result<void> SimStore::commit(const std::vector<replog::Change>& changes) {
  if (disk_.fails) {
    disk_.fails = false;
    return Error{Errc::storage, "the simulated disk failed"};
  }
  for (const replog::Change& change : changes) {
    if (auto* promise = std::get_if<replog::SetPromise>(&change)) {
      disk_.promised = promise->ballot;
    } else if (auto* put = std::get_if<replog::PutEntry>(&change)) {
      CLUSTER_CHECK(put->entry.position >= disk_.kept_from, "what was forgotten stays so",
                    put->entry.position, disk_.kept_from);
      disk_.entries.insert_or_assign(put->entry.position, put->entry);
      disk_.damaged.erase(put->entry.position);
    } else if (auto* hint = std::get_if<replog::SetChosenEnd>(&change)) {
      disk_.chosen_end = hint->end;
      disk_.chosen_term = hint->term;
    } else if (auto* set = std::get_if<replog::SetConfiguration>(&change)) {
      disk_.configuration = set->configuration;
    } else {
      const auto& base = std::get<replog::SetBase>(change);
      disk_.kept_from = base.first;
      disk_.kept_term = base.term;
      disk_.entries.erase(disk_.entries.begin(), disk_.entries.lower_bound(base.first));
      disk_.damaged.erase(disk_.damaged.begin(), disk_.damaged.lower_bound(base.first));
    }
  }
  return {};
}

Result<replog::StoredEntries> SimStore::read(Position first, Position end,
                                             std::size_t bytes_max) const {
  replog::StoredEntries found;
  std::size_t bytes = 0;
  for (auto at = disk_.entries.lower_bound(first);
       at != disk_.entries.end() && at->first < end && bytes < bytes_max; ++at) {
    if (disk_.damaged.contains(at->first)) {
      found.damaged = at->first;
      break;
    }
    found.entries.push_back(at->second);
    bytes += at->second.value.cost();
  }
  return found;
}

Result<replog::RangeCheck> SimStore::check(Position first, Position end,
                                           std::size_t bytes_max) const {
  replog::RangeCheck checked{.end = end, .damaged = {}, .missing = {}};
  std::uint64_t& bytes = checked.bytes;
  Position expected = first;
  for (auto at = disk_.entries.lower_bound(first); at != disk_.entries.end() && at->first < end;
       ++at) {
    if (bytes >= bytes_max) {
      checked.end = at->first;
      break;
    }
    if (expected < at->first) checked.missing.push_back({expected, at->first});
    expected = at->first.next();
    if (disk_.damaged.contains(at->first)) {
      checked.damaged.push_back(at->first);
    } else {
      checked.checksum = replog::checksum_value(checked.checksum, at->second);
    }
    bytes += at->second.value.cost();
  }
  if (expected < checked.end) checked.missing.push_back({expected, checked.end});
  return checked;
}

Result<replog::Recovered> SimStore::recover(std::size_t window_bytes) {
  Position chosen_end = std::max(disk_.chosen_end, disk_.kept_from);
  replog::Recovered recovered{.promised = disk_.promised,
                              .chosen_end = chosen_end,
                              .first = chosen_end,
                              .entries = {},
                              .chosen_term = std::max(disk_.chosen_term, disk_.kept_term),
                              .configuration = disk_.configuration,
                              .kept_from = disk_.kept_from,
                              .kept_term = disk_.kept_term,
                              .damaged = {}};
  std::size_t bytes = 0;
  auto at = disk_.entries.lower_bound(chosen_end);
  while (at != disk_.entries.begin() && bytes < window_bytes) {
    --at;
    bytes += at->second.value.cost();
    recovered.first = at->first;
  }
  for (; at != disk_.entries.end(); ++at) {
    if (!disk_.damaged.contains(at->first)) recovered.entries.push_back(at->second);
  }
  for (Position lost : disk_.damaged) recovered.damaged.push_back({lost, lost.next()});
  return recovered;
}

}  // namespace cluster::sim
