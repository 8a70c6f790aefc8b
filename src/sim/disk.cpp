#include "sim/disk.hpp"

#include <algorithm>

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
      disk_.entries.insert_or_assign(put->entry.position, put->entry);
    } else {
      disk_.chosen_end = std::get<replog::SetChosenEnd>(change).end;
    }
  }
  return {};
}

Result<std::vector<LogEntry>> SimStore::read(Position first, Position end,
                                             std::size_t bytes_max) const {
  std::vector<LogEntry> found;
  std::size_t bytes = 0;
  for (auto at = disk_.entries.lower_bound(first);
       at != disk_.entries.end() && at->first < end && bytes < bytes_max; ++at) {
    found.push_back(at->second);
    bytes += at->second.value.cost();
  }
  return found;
}

Result<replog::Recovered> SimStore::recover(std::size_t window_bytes) {
  replog::Recovered recovered{.promised = disk_.promised,
                              .chosen_end = disk_.chosen_end,
                              .first = disk_.chosen_end,
                              .entries = {}};
  std::size_t bytes = 0;
  auto at = disk_.entries.lower_bound(disk_.chosen_end);
  while (at != disk_.entries.begin() && bytes < window_bytes) {
    --at;
    bytes += at->second.value.cost();
    recovered.first = at->first;
  }
  for (; at != disk_.entries.end(); ++at) recovered.entries.push_back(at->second);
  return recovered;
}

}  // namespace cluster::sim
