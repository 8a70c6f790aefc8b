// `cluster backup FILE` and `cluster restore FILE`: everything that the masters agreed on, in one
// file, and a new cluster from it.
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "client.hpp"
#include "options.hpp"
#include "replog/backup_restore.hpp"
#include "stream_file.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

using replog::BackupHead;
using Json = nlohmann::ordered_json;

// A master may forget, while it is read, what it said it had.
constexpr int attempts_max = 5;

WallTime wall_now() {
  return std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
}

std::string number(Position position) { return std::to_string(position.value()); }

// One master's, asked piece by piece.
class LiveBackup {
 public:
  LiveBackup(Client& client, Endpoint master) : client_(client), master_(std::move(master)) {}

  Result<BackupHead> write(SnapshotWriter& to) {
    auto begun = ask<wire::BackupBegun>(wire::BeginBackup{});
    if (!begun) return std::move(begun).error();
    BackupHead head{.cluster = begun->cluster,
                    .member = begun->member,
                    .first = begun->first,
                    .end = begun->end,
                    .decided_end = begun->end,
                    .term = begun->term,
                    .taken_at = wall_now()};
    if (begun->snapshot) head.snapshot = {begun->snapshot->size, begun->snapshot->checksum};
    replog::BackupWriter out(to);
    auto put = out.begin(head);
    if (put && begun->snapshot) put = put_snapshot(*begun->snapshot, out);
    if (put) put = put_entries(head, out);
    if (put) put = out.finish();
    if (!put) return std::move(put).error();
    return head;
  }

 private:
  template <class Answer>
  Result<Answer> ask(wire::AdminBody question) {
    auto answer = client_.admin().ask_at(master_, std::move(question), client_.timeout()).get();
    return node::expect<Answer>(std::move(answer));
  }

  Result<void> put_snapshot(const wire::BackupBegun::Snapshot& snapshot,
                            replog::BackupWriter& out) {
    for (std::uint64_t offset = 0; offset < snapshot.size;) {
      auto part = ask<wire::LogChunk>(wire::ReadSnapshot{.id = snapshot.id, .offset = offset});
      if (!part) return std::move(part).error();
      if (part->data.empty()) return Error{Errc::protocol, "a snapshot ended before its size"};
      offset += part->data.size();
      if (auto put = out.put_snapshot(part->data.view()); !put) return put;
    }
    return {};
  }

  Result<void> put_entries(const BackupHead& head, replog::BackupWriter& out) {
    for (Position next = head.first; next < head.end;) {
      auto some = ask<wire::LogEntries>(wire::ReadEntries{.from = next, .to = head.end});
      if (!some) return std::move(some).error();
      if (some->entries.empty()) break;  // The rest is the log's own.
      if (some->entries.front().position < next || some->entries.back().position >= head.end) {
        return Error{Errc::protocol, "a master told other entries than it was asked for"};
      }
      next = some->entries.back().position.next();
      if (auto put = out.put_entries(some->entries); !put) return put;
    }
    return {};
  }

  Client& client_;
  Endpoint master_;
};

bool may_go_better_again(const Error& error) {
  return error.code == Errc::truncated || error.code == Errc::not_found;
}

// From the first master that gives it whole.
Result<BackupHead> back_up_cluster(const BackupOptions& options,
                                   std::unique_ptr<StreamFile>& file) {
  auto client = Client::open(options.client);
  if (!client) return std::move(client).error();
  Error last{Errc::unreachable, "no master is known"};
  for (const Endpoint& master : (*client)->masters()) {
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
      file.reset();
      auto made = StreamFile::create(options.file);
      if (!made) return std::move(made).error();
      file = *std::move(made);
      auto head = LiveBackup(**client, master).write(*file);
      if (head) return head;
      last = Error{head.error().code, "master " + to_string(master) + ": " + head.error().context};
      if (head.error().code == Errc::storage) return last;
      if (!may_go_better_again(head.error())) break;
    }
  }
  return last;
}

Result<BackupHead> make_backup(const BackupOptions& options, std::unique_ptr<StreamFile>& file) {
  if (options.stopped.empty()) return back_up_cluster(options, file);
  auto made = StreamFile::create(options.file);
  if (!made) return std::move(made).error();
  file = *std::move(made);
  return replog::back_up_directory(options.stopped, wall_now(), *file);
}

Json json_of(const BackupHead& head) {
  return {{"cluster", to_hex(head.cluster)},
          {"member", head.member.value()},
          {"first", head.first.value()},
          {"end", head.end.value()},
          {"decided_end", head.decided_end.value()},
          {"term", head.term},
          {"taken_at", iso_text(head.taken_at)},
          {"snapshot_bytes", head.snapshot ? head.snapshot->size : 0}};
}

void warn_of_undecided(const BackupHead& head) {
  if (head.decided_end == head.end) return;
  complain("entries from " + number(head.decided_end) +
           " on were heard of by this master, and may not have been decided");
}

Result<replog::CheckedBackup> read_through(const std::string& path) {
  auto reader = StreamFileReader::open(path);
  if (!reader) return std::move(reader).error();
  auto checked = replog::check_backup(**reader);
  if (checked) return checked;
  return Error{checked.error().code, path + ": " + checked.error().context};
}

int describe(const RestoreOptions& options, const replog::CheckedBackup& checked) {
  if (options.json) {
    Json json = json_of(checked.head);
    json["entries"] = checked.entries;
    std::printf("%s\n", json.dump(2).c_str());
    return 0;
  }
  const BackupHead& head = checked.head;
  std::printf("%s is sound: cluster %s, taken %s from master %llu\n", options.file.c_str(),
              to_hex(head.cluster).c_str(), iso_text(head.taken_at).c_str(),
              static_cast<unsigned long long>(head.member.value()));
  std::printf("  everything before position %s: %s%s\n", number(head.end).c_str(),
              head.snapshot ? ("a snapshot to " + number(head.first) + " and ").c_str() : "",
              count_of(checked.entries, "entry").c_str());
  warn_of_undecided(head);
  return 0;
}

}  // namespace

int cmd_backup(const BackupOptions& options) {
  std::unique_ptr<StreamFile> file;
  auto head = make_backup(options, file);
  if (!head) return fail(head.error());
  if (auto finished = file->finish(); !finished) return fail(finished.error());
  warn_of_undecided(*head);
  if (options.json) {
    Json json = json_of(*head);
    json["file"] = options.file;
    json["bytes"] = file->size();
    std::printf("%s\n", json.dump(2).c_str());
    return 0;
  }
  std::printf("%s: cluster %s, everything before position %s, %llu bytes\n", options.file.c_str(),
              to_hex(head->cluster).c_str(), number(head->end).c_str(),
              static_cast<unsigned long long>(file->size()));
  return 0;
}

int cmd_restore(const RestoreOptions& options) {
  // Once through all of it before anything is made.
  auto checked = read_through(options.file);
  if (!checked) return fail(checked.error());
  if (options.directory.empty()) return describe(options, *checked);
  auto listen = parse_endpoint(options.listen);
  if (!listen) return fail(Error{Errc::invalid_argument, "--listen: " + listen.error().context});
  if (listen->port == 0) {
    return fail(Error{Errc::invalid_argument, "--listen: a master's port cannot be 0"});
  }
  auto reader = StreamFileReader::open(options.file);
  if (!reader) return fail(reader.error());
  auto restored =
      replog::restore_backup(**reader, {.directory = options.directory,
                                        .cluster = ClusterUid(system_random() | 1),
                                        .member = NodeId(options.id),
                                        .endpoint = *listen,
                                        .seed = system_random(),
                                        .store_bytes_max = LogOptions{}.store_bytes_max});
  if (!restored) return fail(restored.error());
  if (options.json) {
    Json json = {{"directory", options.directory},
                 {"cluster", to_hex(restored->identity.cluster)},
                 {"member", restored->identity.member.value()},
                 {"from", json_of(restored->from)},
                 {"entries", restored->entries},
                 {"end", restored->end.value()}};
    std::printf("%s\n", json.dump(2).c_str());
    return 0;
  }
  std::printf(
      "%s is the only member, %llu, of the NEW cluster %s.\n"
      "  it has: everything before position %s of cluster %s\n\n"
      "Start it, and let others join with new, empty directories:\n"
      "  cluster master --dir %s --certs ...\n"
      "  cluster members add HOST:PORT\n\n"
      "Masters of the old cluster must stay off: agents and callers would go on with them.\n",
      options.directory.c_str(), static_cast<unsigned long long>(restored->identity.member.value()),
      to_hex(restored->identity.cluster).c_str(), number(restored->from.end).c_str(),
      to_hex(restored->from.cluster).c_str(), options.directory.c_str());
  return 0;
}

}  // namespace cluster::app
