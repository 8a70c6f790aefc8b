// A backup of a member that does not run.
#include <algorithm>

#include "replog/backup.hpp"
#include "replog/inspection.hpp"
#include "replog/new_cluster.hpp"
#include "replog/only_data.hpp"
#include "replog/snapshot_files.hpp"

namespace cluster::replog {
namespace {

constexpr std::size_t read_bytes = 8u << 20;

Result<void> check(const std::string& directory, const Inspection& found) {
  if (found.is_in_use) {
    return Error{Errc::address_in_use,
                 directory + " is in use: stop its member, or back up the running cluster"};
  }
  if (found.fatal) return *found.fatal;
  if (found.recovered.configuration.is_empty()) {
    return Error{Errc::invalid_argument, directory + " never was a member's"};
  }
  if (found.recovered.configuration.is_witness(found.directory.identity.member)) {
    return Error{Errc::invalid_argument, directory + " is a witness's: it has no entries"};
  }
  if (found.recovered.damaged.empty()) return {};
  return Error{Errc::corrupt, directory + ": log entry " +
                                  to_field(found.recovered.damaged.front().first) +
                                  " is damaged; back up another member"};
}

// The newest, where any is there.
Result<std::optional<SnapshotOffered>> snapshot_of(const std::string& directory,
                                                   Position kept_from) {
  auto sound = list_snapshots(directory + "/snapshots");
  if (!sound) return std::move(sound).error();
  if (sound->empty()) return std::optional<SnapshotOffered>();
  if (sound->front().end >= kept_from) return std::optional(sound->front());
  return Error{Errc::corrupt, directory + "/snapshots reaches only to " +
                                  to_field(sound->front().end) + ", and entries are kept from " +
                                  to_field(kept_from) + "; back up another member"};
}

Result<void> put_snapshot(const std::string& directory, const SnapshotOffered& about,
                          BackupWriter& out) {
  auto files = open_snapshot_files(directory + "/snapshots");
  if (!files) return std::move(files).error();
  auto reader = (*files)->open(about.id);
  if (!reader) return std::move(reader).error();
  for (;;) {
    auto part = (*reader)->read(read_bytes);
    if (!part) return std::move(part).error();
    if (part->empty()) return {};
    if (auto put = out.put_snapshot(part->view()); !put) return put;
  }
}

// All of [first, end), which is settled.
Result<void> put_settled(const Store& store, Position first, Position end, BackupWriter& out) {
  while (first < end) {
    auto read = store.read(first, end, read_bytes);
    if (!read) return std::move(read).error();
    if (read->entries.empty() || read->entries.front().position != first) {
      return Error{Errc::corrupt,
                   "log entry " + to_field(first) + " is missing; back up another member"};
    }
    first = read->entries.back().position.next();
    auto shown = only_data(std::move(read->entries));
    if (!shown) return std::move(shown).error();
    if (auto put = out.put_entries(*shown); !put) return put;
  }
  return {};
}

}  // namespace

Result<BackupHead> back_up_directory(const std::string& directory, WallTime now,
                                     SnapshotWriter& to) {
  auto found = inspect_directory(directory, Look::quick);
  if (!found) return std::move(found).error();
  if (auto checked = check(directory, *found); !checked) return std::move(checked).error();
  const Recovered& recovered = found->recovered;
  auto snapshot = snapshot_of(directory, recovered.kept_from);
  if (!snapshot) return std::move(snapshot).error();

  // That a snapshot reaches so far says that it was chosen.
  const Position reached = *snapshot ? (*snapshot)->end : Position(1);
  const Position decided = std::max(recovered.chosen_end, reached);
  auto open = settle_rest(*found, decided);
  if (!open) return std::move(open).error();
  BackupHead head{.cluster = found->directory.identity.cluster,
                  .member = found->directory.identity.member,
                  .first = *snapshot ? reached : recovered.kept_from,
                  .end = open->end,
                  .decided_end = decided,
                  .term = std::max(open->term, term_of(recovered.promised)),
                  .taken_at = now};
  if (*snapshot) head.snapshot = {(*snapshot)->size, (*snapshot)->checksum};
  auto open_data = only_data(std::move(open->entries));
  if (!open_data) return std::move(open_data).error();

  BackupWriter out(to);
  auto put = out.begin(head);
  if (put && *snapshot) put = put_snapshot(directory, **snapshot, out);
  if (put) put = put_settled(*found->store, head.first, decided, out);
  if (put) put = out.put_entries(*open_data);
  if (put) put = out.finish();
  if (!put) return std::move(put).error();
  return head;
}

}  // namespace cluster::replog
