#include "replog/force_new_cluster.hpp"

#include <filesystem>

#include "base/random.hpp"
#include "replog/preparation.hpp"
#include "replog/snapshot_files.hpp"
#include "replog/stores.hpp"

namespace cluster::replog {
namespace {

constexpr std::size_t copy_bytes = 8u << 20;
// The old cluster may have had terms that the survivor did not hear of. Whoever has followed one of
// them heeds no older one, so the new cluster begins beyond all that elections can have used up.
constexpr std::uint64_t rounds_skipped = 1u << 20;

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
Result<void> copy(const Store& from, Store& to, Position first, Position end) {
  while (first < end) {
    auto read = from.read(first, end, copy_bytes);
    if (!read) return std::move(read).error();
    if (read->entries.empty() || read->entries.front().position != first) {
      return Error{Errc::corrupt,
                   "log entry " + to_field(first) + " is missing; use another survivor"};
    }
    std::vector<Change> changes;
    for (LogEntry& entry : read->entries) {
      first = entry.position.next();
      changes.push_back(PutEntry{std::move(entry)});
    }
    if (auto written = to.commit(changes); !written) return written;
  }
  return {};
}

Result<void> copy(SnapshotReader& from, SnapshotSink& to) {
  for (;;) {
    auto part = from.read(copy_bytes);
    if (!part) return std::move(part).error();
    if (part->empty()) break;
    if (auto written = to.write(part->view()); !written) return written;
  }
  auto finished = to.finish();
  return finished ? Result<void>{} : std::move(finished).error();
}

// What a state machine had made of the entries that are not kept any more.
Result<void> copy_snapshot(const std::string& from, const std::string& to, Position kept_from) {
  std::error_code ignored;
  if (!std::filesystem::exists(from, ignored)) return {};
  auto old = open_snapshot_files(from);
  if (!old) return std::move(old).error();
  auto sound = (*old)->recover();
  if (!sound) return std::move(sound).error();
  if (sound->empty()) return {};
  const SnapshotOffered& newest = sound->front();
  if (newest.end < kept_from) {
    return Error{Errc::corrupt, from + " reaches only to " + to_field(newest.end) +
                                    ", and entries are kept from " + to_field(kept_from) +
                                    "; use another survivor"};
  }
  auto reader = (*old)->open(newest.id);
  if (!reader) return std::move(reader).error();
  auto made = open_snapshot_files(to);
  if (!made) return std::move(made).error();
  auto sink = (*made)->create(newest);
  if (!sink) return std::move(sink).error();
  return copy(**reader, **sink);
}

// What was open is settled as a candidate would propose it that hears nobody but itself.
Result<std::vector<Change>> settle_open(const Recovered& recovered, const Identity& identity,
                                        std::uint64_t& term, Position& end) {
  Ballot ballot{.round = recovered.promised.round + rounds_skipped, .member = identity.member};
  Preparation preparation(Configuration::of_voters({identity.member}), ballot,
                          recovered.chosen_end);
  Promised answer{.ballot = ballot,
                  .granted = true,
                  .promised = ballot,
                  .chosen_end = recovered.chosen_end,
                  .first = recovered.chosen_end,
                  .next = recovered.chosen_end,
                  .end = recovered.chosen_end,
                  .entries = {}};
  for (const LogEntry& entry : recovered.entries) {
    if (entry.position < recovered.chosen_end) continue;
    answer.entries.push_back(entry);
    answer.next = answer.end = entry.position.next();
  }
  if (!preparation.take(identity.member, answer) || !preparation.has_data()) {
    return Error{Errc::corrupt, "the open entries make no sense; use another survivor"};
  }
  std::vector<Change> changes;
  end = recovered.chosen_end;
  for (Value& value : preparation.open_values(recovered.chosen_end, term)) {
    term = std::max(term, value.term);
    changes.push_back(PutEntry{LogEntry{end, ballot, std::move(value)}});
    end = end.next();
  }
  changes.push_back(SetPromise{ballot});
  return changes;
}

}  // namespace

Result<ForcedCluster> force_new_cluster(const std::string& from, const std::string& to,
                                        ClusterUid cluster, const Endpoint& endpoint,
                                        std::uint64_t seed, std::uint64_t store_bytes_max) {
  auto info = read_directory(from);
  if (!info) return std::move(info).error();
  if (auto other = read_directory(to)) {
    return Error{Errc::already_exists, to + " is a member's directory; name an empty one"};
  }
  if (!cluster || cluster == info->identity.cluster) {
    return Error{Errc::invalid_argument, "a new cluster needs an id of its own"};
  }
  auto old = open_store(from, Identity{}, info->kind, store_bytes_max);
  if (!old) return std::move(old).error();
  auto recovered = (*old)->recover(copy_bytes);
  if (!recovered) return std::move(recovered).error();
  if (auto checked = check(from, info->identity, *recovered); !checked) {
    return std::move(checked).error();
  }
  Identity identity{
      .cluster = cluster, .member = info->identity.member, .incarnation = Random(seed).next() | 1};
  auto made = open_store(to, identity, info->kind, store_bytes_max);
  if (!made) return std::move(made).error();
  Store& store = **made;
  if (auto empty = store.recover(copy_bytes); !empty) return std::move(empty).error();

  std::uint64_t term = recovered->chosen_term;
  Position end;
  auto open = settle_open(*recovered, identity, term, end);
  if (!open) return std::move(open).error();
  auto copied = recovered->kept_from > Position(1)
                    ? store.commit({SetBase{recovered->kept_from, 0}})
                    : Result<void>{};
  if (copied) copied = copy(**old, store, recovered->kept_from, recovered->chosen_end);
  if (copied) copied = copy_snapshot(from + "/snapshots", to + "/snapshots", recovered->kept_from);
  if (!copied) return std::move(copied).error();
  // Entries that set the old members lie before `since`: they set nothing any more.
  Member self{.id = identity.member, .incarnation = identity.incarnation, .endpoint = endpoint};
  Position since(end.value() - 1);
  open->push_back(SetConfiguration{
      Configuration(since, {std::move(self)}, recovered->configuration.ids_end())});
  open->push_back(SetChosenEnd{end, term});
  if (auto written = store.commit(*open); !written) return std::move(written).error();
  return ForcedCluster{identity, recovered->chosen_end, end};
}

}  // namespace cluster::replog
