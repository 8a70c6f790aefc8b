#include "replog/new_cluster.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/random.hpp"
#include "replog/directory.hpp"
#include "replog/inspection.hpp"
#include "replog/preparation.hpp"
#include "replog/stores.hpp"

namespace cluster::replog {
namespace {

constexpr Position no_end(std::numeric_limits<std::uint64_t>::max());
constexpr std::size_t copy_bytes = 8u << 20;
// The old cluster may have had terms that nobody here has heard of.
constexpr std::uint64_t rounds_skipped = 1u << 20;

}  // namespace

Ballot ballot_beyond(std::uint64_t round, NodeId member) {
  return Ballot{.round = round + rounds_skipped, .member = member};
}

Result<Settled> settle_open(const std::vector<LogEntry>& entries, Position first,
                            std::uint64_t term_before, const Ballot& ballot) {
  const NodeId self = ballot.member;
  Preparation preparation(Configuration::of_voters({self}), ballot, first);
  Promised answer{.ballot = ballot,
                  .granted = true,
                  .promised = ballot,
                  .chosen_end = first,
                  .first = first,
                  .next = first,
                  .end = first,
                  .entries = {}};
  for (const LogEntry& entry : entries) {
    if (entry.position < first) continue;
    answer.entries.push_back(entry);
    answer.next = answer.end = entry.position.next();
  }
  if (!preparation.take(self, answer) || !preparation.has_data()) {
    return Error{Errc::corrupt, "the open entries make no sense; use another survivor"};
  }
  Settled settled{.entries = {}, .end = first, .term = term_before};
  for (Value& value : preparation.open_values(first, term_before)) {
    settled.term = std::max(settled.term, value.term);
    settled.entries.push_back(LogEntry{settled.end, ballot, std::move(value)});
    settled.end = settled.end.next();
  }
  return settled;
}

Result<Settled> settle_rest(const Inspection& found, Position first) {
  std::vector<LogEntry> open;
  for (Position at = first;;) {
    auto read = found.store->read(at, no_end, copy_bytes);
    if (!read) return std::move(read).error();
    if (read->damaged) {
      return Error{Errc::corrupt,
                   "log entry " + to_field(read->damaged) + " is damaged; back up another member"};
    }
    if (read->entries.empty()) break;
    at = read->entries.back().position.next();
    std::move(read->entries.begin(), read->entries.end(), std::back_inserter(open));
  }
  const Ballot ballot =
      ballot_beyond(found.recovered.promised.round, found.directory.identity.member);
  return settle_open(open, first, found.recovered.chosen_term, ballot);
}

Result<NewCluster> NewCluster::begin(const NewClusterOptions& options, ClusterUid old) {
  if (auto other = read_directory(options.directory)) {
    return Error{Errc::already_exists,
                 options.directory + " is a member's directory; name an empty one"};
  }
  if (!options.cluster || options.cluster == old) {
    return Error{Errc::invalid_argument, "a new cluster needs an id of its own"};
  }
  Identity identity{.cluster = options.cluster,
                    .member = options.member,
                    .incarnation = Random(options.seed).next() | 1};
  auto store = open_store(options.directory, identity, options.kind, options.store_bytes_max);
  if (!store) return std::move(store).error();
  if (auto empty = (*store)->recover(copy_bytes); !empty) return std::move(empty).error();
  return NewCluster(options, identity, *std::move(store));
}

Member NewCluster::self() const {
  return Member{
      .id = identity_.member, .incarnation = identity_.incarnation, .endpoint = options_.endpoint};
}

Result<void> NewCluster::set_base(Position first, std::uint64_t term) {
  if (first == Position(1)) return {};
  return store_->commit({SetBase{first, term}});
}

Result<void> NewCluster::put(std::vector<LogEntry> entries) {
  std::vector<Change> changes;
  changes.reserve(entries.size());
  for (LogEntry& entry : entries) changes.push_back(PutEntry{std::move(entry)});
  return changes.empty() ? Result<void>{} : store_->commit(changes);
}

Result<void> NewCluster::put_snapshot(const SnapshotOffered& about, SnapshotReader& from) {
  auto files = open_snapshot_files(options_.directory + "/snapshots");
  if (!files) return std::move(files).error();
  auto sink = (*files)->create(about);
  if (!sink) return std::move(sink).error();
  for (;;) {
    auto part = from.read(copy_bytes);
    if (!part) return std::move(part).error();
    if (part->empty()) break;
    if (auto written = (*sink)->write(part->view()); !written) return written;
  }
  auto finished = (*sink)->finish();
  return finished ? Result<void>{} : std::move(finished).error();
}

Result<void> NewCluster::finish(const Ballot& ballot, Position since, NodeId ids_end, Position end,
                                std::uint64_t term) {
  return store_->commit({SetPromise{ballot},
                         SetConfiguration{Configuration(since, {self()}, ids_end)},
                         SetChosenEnd{end, term}});
}

}  // namespace cluster::replog
