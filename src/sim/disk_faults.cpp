#include "sim/disk_faults.hpp"

#include <algorithm>

namespace cluster::sim {

std::size_t flip_bits(LogCluster& cluster, LogMember& member) {
  auto& members = cluster.members();
  auto damaged = std::count_if(members.begin(), members.end(), [&](const LogMember& other) {
    return &other != &member && !other.disk.damaged.empty();
  });
  std::size_t minority = (members.size() - 1) / 2;
  Disk& disk = member.disk;
  if (static_cast<std::size_t>(damaged) + 1 > minority || disk.entries.empty()) return 0;
  std::size_t flipped = 0;
  for (std::uint64_t i = cluster.random().between(1, 4); i > 0; --i) {
    // The newest are the ones that may not be chosen yet.
    std::uint64_t last = disk.entries.rbegin()->first.value();
    std::uint64_t first = disk.entries.begin()->first.value();
    if (cluster.random().chance(1, 2) && last > 6) first = std::max(first, last - 6);
    Position at(cluster.random().between(first, last + 1));
    if (disk.entries.contains(at) && disk.damaged.insert(at).second) flipped += 1;
  }
  return flipped;
}

}  // namespace cluster::sim
