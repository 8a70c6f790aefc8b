#include "sim/disk_faults.hpp"

#include <algorithm>

namespace cluster::sim {
namespace {

// Those that vote decide how many disks may be damaged at a time, those that keep data too; and
// each damaged entry must be whole on the disk of another member.
struct Disks {
  std::size_t quorum = 0;
  std::size_t voters = 0;   // That have joined and know the members; witnesses too.
  std::size_t keepers = 0;  // Of data, among them.
  std::size_t damaged = 0;  // Of members but the victim.
  std::vector<const Disk*> others;
};

Disks disks_of(LogCluster& cluster, const LogMember& victim) {
  const replog::Configuration& members = cluster.checker().configuration();
  Disks disks{.quorum = members.quorum(), .voters = 0, .keepers = 0, .damaged = 0, .others = {}};
  for (LogMember& member : cluster.members()) {
    if (!cluster.is_member(member)) continue;
    MemberRole role = members.find(member.peer.id)->role;
    // To one that has not heard of the last change a newcomer is down: that is a failure, too.
    bool knows_members = member.disk.configuration.since() == members.since();
    if (role != MemberRole::learner && knows_members) disks.voters += 1;
    if (role == MemberRole::voter) disks.keepers += 1;
    if (&member == &victim) continue;
    if (!member.disk.damaged.empty()) disks.damaged += 1;
    if (role != MemberRole::witness) disks.others.push_back(&member.disk);
  }
  return disks;
}

bool is_whole(const Disk& disk, Position at) {
  auto held = disk.entries.find(at);
  return at < disk.kept_from ||
         (held != disk.entries.end() && !held->second.value.is_bare && !disk.damaged.contains(at));
}

}  // namespace

std::size_t flip_bits(LogCluster& cluster, LogMember& member) {
  Disk& disk = member.disk;
  if (!cluster.is_member(member) || disk.entries.empty()) return 0;
  Disks disks = disks_of(cluster, member);
  bool is_bearable =
      disks.voters >= disks.quorum + disks.damaged + 1 && disks.keepers > disks.damaged + 1;
  if (!is_bearable) return 0;
  bool has_changes = cluster.members().size() > cluster.founders();
  // One that leaves may be well, and the one that is damaged stays.
  if (has_changes && disks.damaged > 0) return 0;
  std::size_t flipped = 0;
  for (std::uint64_t i = cluster.random().between(1, 4); i > 0; --i) {
    // The newest are the ones that may not be chosen yet.
    std::uint64_t last = disk.entries.rbegin()->first.value();
    std::uint64_t first = disk.entries.begin()->first.value();
    if (cluster.random().chance(1, 2) && last > 6) first = std::max(first, last - 6);
    Position at(cluster.random().between(first, last + 1));
    bool is_safe = !has_changes || std::any_of(disks.others.begin(), disks.others.end(),
                                               [&](const Disk* one) { return is_whole(*one, at); });
    if (is_safe && disk.entries.contains(at) && disk.damaged.insert(at).second) flipped += 1;
  }
  return flipped;
}

bool lie(LogMember& member, Position at) {
  auto held = member.disk.entries.find(at);
  if (held == member.disk.entries.end()) return false;
  replog::Value& value = held->second.value;
  if (value.kind != replog::Kind::data || value.is_bare || value.data.empty()) return false;
  std::string other(value.data.view());
  other.back() = static_cast<char>(other.back() ^ 1);
  value.data = Bytes(ByteView(other));
  return true;
}

}  // namespace cluster::sim
