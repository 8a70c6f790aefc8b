#include "replog/force_new_cluster.hpp"

#include <filesystem>

#include "replog/new_cluster.hpp"
#include "replog/snapshot_files.hpp"
#include "replog/stores.hpp"

namespace cluster::replog {
namespace {

constexpr std::size_t copy_bytes = 8u << 20;

Result<void> check(const std::string& from, const Identity& identity, const Recovered& recovered) {
  const Member* self = recovered.configuration.find(identity.member);
  if (recovered.configuration.is_empty()) {
    return Error{Errc::invalid_argument, from + " never was a member's"};
  }
  if (self != nullptr && self->role == MemberRole::witness) {
    return Error{Errc::invalid_argument, from + " is a witness's: it has no entries"};
  }
  if (recovered.damaged.empty()) return {};
  return Error{Errc::corrupt, from + ": log entry " + to_field(recovered.damaged.front().first) +
                                  " is damaged; use another survivor"};
}

// What was settled, as it stands.
Result<void> copy(const Store& from, NewCluster& to, Position first, Position end) {
  while (first < end) {
    auto read = from.read(first, end, copy_bytes);
    if (!read) return std::move(read).error();
    if (read->entries.empty() || read->entries.front().position != first) {
      return Error{Errc::corrupt,
                   "log entry " + to_field(first) + " is missing; use another survivor"};
    }
    first = read->entries.back().position.next();
    if (auto written = to.put(std::move(read->entries)); !written) return written;
  }
  return {};
}

// What a state machine had made of the entries that are not kept any more.
Result<void> copy_snapshot(const std::string& from, NewCluster& to, Position kept_from) {
  auto sound = list_snapshots(from);
  if (!sound) return std::move(sound).error();
  if (sound->empty()) return {};
  const SnapshotOffered& newest = sound->front();
  if (newest.end < kept_from) {
    return Error{Errc::corrupt, from + " reaches only to " + to_field(newest.end) +
                                    ", and entries are kept from " + to_field(kept_from) +
                                    "; use another survivor"};
  }
  auto old = open_snapshot_files(from);
  if (!old) return std::move(old).error();
  auto reader = (*old)->open(newest.id);
  if (!reader) return std::move(reader).error();
  return to.put_snapshot(newest, **reader);
}

}  // namespace

Result<ForcedCluster> force_new_cluster(const std::string& from, const std::string& to,
                                        ClusterUid cluster, const Endpoint& endpoint,
                                        std::uint64_t seed, std::uint64_t store_bytes_max) {
  auto info = read_directory(from);
  if (!info) return std::move(info).error();
  auto old = open_store(from, Identity{}, info->kind, store_bytes_max);
  if (!old) return std::move(old).error();
  auto recovered = (*old)->recover(copy_bytes);
  if (!recovered) return std::move(recovered).error();
  if (auto checked = check(from, info->identity, *recovered); !checked) {
    return std::move(checked).error();
  }
  auto made = NewCluster::begin({.directory = to,
                                 .cluster = cluster,
                                 .member = info->identity.member,
                                 .endpoint = endpoint,
                                 .kind = info->kind,
                                 .seed = seed,
                                 .store_bytes_max = store_bytes_max},
                                info->identity.cluster);
  if (!made) return std::move(made).error();
  const Ballot ballot = ballot_beyond(recovered->promised.round, info->identity.member);
  auto open =
      settle_open(recovered->entries, recovered->chosen_end, recovered->chosen_term, ballot);
  if (!open) return std::move(open).error();

  auto copied = made->set_base(recovered->kept_from, 0);
  if (copied) copied = copy(**old, *made, recovered->kept_from, recovered->chosen_end);
  if (copied) copied = copy_snapshot(from + "/snapshots", *made, recovered->kept_from);
  if (copied) copied = made->put(std::move(open->entries));
  // Entries that set the old members lie before `since`: they set nothing any more.
  if (copied) {
    copied = made->finish(ballot, Position(open->end.value() - 1),
                          recovered->configuration.ids_end(), open->end, open->term);
  }
  if (!copied) return std::move(copied).error();
  return ForcedCluster{made->identity(), recovered->chosen_end, open->end};
}

}  // namespace cluster::replog
