#include "replay.hpp"

#include <algorithm>
#include <utility>

#include "registry/digest_note.hpp"
#include "registry/key_entries.hpp"
#include "replog/new_cluster.hpp"
#include "replog/only_data.hpp"
#include "replog/snapshot_files.hpp"

namespace cluster::app {
namespace {

constexpr std::size_t read_bytes = 8u << 20;

std::string number(Position position) { return std::to_string(position.value()); }

}  // namespace

Result<Replay> Replay::open(const std::string& directory) {
  auto found = replog::inspect_directory(directory, replog::Look::quick);
  if (!found) return std::move(found).error();
  if (found->is_in_use) {
    return Error{Errc::address_in_use,
                 directory + " is in use: stop its master, or copy the directory and look at that"};
  }
  if (found->fatal) return *found->fatal;
  auto snapshots = replog::list_snapshots(directory + "/snapshots");
  if (!snapshots) return std::move(snapshots).error();

  Replay replay(directory, *std::move(found));
  replay.snapshots_ = *std::move(snapshots);
  const replog::Recovered& recovered = replay.found_.recovered;
  const Position reached = replay.snapshots_.empty() ? Position(1) : replay.snapshots_.front().end;
  replay.decided_end_ = std::max(recovered.chosen_end, reached);
  auto open = replog::settle_rest(replay.found_, replay.decided_end_);
  if (!open) return std::move(open).error();
  replay.open_ = std::move(open->entries);
  replay.end_ = open->end;
  // The oldest state that can be made: nothing at all, or a snapshot from which entries go on.
  if (recovered.kept_from == Position(1)) return replay;
  replay.first_ = replay.end_;
  for (const auto& snapshot : replay.snapshots_) {
    if (snapshot.end >= recovered.kept_from) replay.first_ = Position(snapshot.end.value() - 1);
  }
  return replay;
}

Result<Replay::At> Replay::begin(Position position) const {
  for (const auto& snapshot : snapshots_) {
    if (snapshot.end > position.next() || snapshot.end < found_.recovered.kept_from) continue;
    auto files = replog::open_snapshot_files(directory_ + "/snapshots");
    if (!files) return std::move(files).error();
    auto reader = (*files)->open(snapshot.id);
    if (!reader) return std::move(reader).error();
    auto state = registry::restore_shared(**reader);
    if (!state) {
      return Error{state.error().code, directory_ + ": " + state.error().context +
                                           " (is it the directory of a master?)"};
    }
    return At{.state = *std::move(state), .snapshot_end = snapshot.end};
  }
  return At{};
}

Result<void> Replay::apply(const std::vector<Entry>& entries, At& at) {
  for (const Entry& entry : entries) {
    ++at.entries;
    if (auto marked = registry::marked_key_entry(entry.data)) {
      auto command = registry::decode_key_command(*marked);
      if (!command) {
        ++at.skipped;
      } else if (!at.state.keys.apply(entry.position, *command).answer) {
        ++at.refused;
      }
      continue;
    }
    auto command = decode_registry_command(entry.data.view());
    if (!command) {
      if (command.error().code == Errc::unsupported) return std::move(command).error();
      if (!registry::decode_digest_note(entry.data.view())) ++at.skipped;
      continue;
    }
    for (const RegistryEvent& event : at.state.cluster.apply(entry.position, *command)) {
      if (event.kind == RegistryEvent::Kind::refused) ++at.refused;
    }
  }
  return {};
}

// Some of [from, to), at least one position of them; `next` is where to go on.
Result<std::vector<Entry>> Replay::read(Position from, Position to, Position& next) const {
  auto read = found_.store->read(from, to, read_bytes);
  if (!read) return std::move(read).error();
  if (read->entries.empty() || read->entries.front().position != from) {
    return Error{Errc::corrupt, directory_ + ": log entry " + number(from) +
                                    " is missing or damaged; look at another master's directory"};
  }
  next = read->entries.back().position.next();
  return replog::only_data(std::move(read->entries));
}

Result<Replay::At> Replay::at(Position position) const {
  if (position < first_ || position >= end_) {
    return Error{Errc::not_found, directory_ + " can tell the state at positions " +
                                      number(first_) + " to " + number(Position(end_.value() - 1)) +
                                      ", not at " + number(position)};
  }
  auto at = begin(position);
  if (!at) return at;
  const Position settled_end = std::min(decided_end_, position.next());
  Position next = at->snapshot_end ? at->snapshot_end : Position(1);
  while (next < settled_end) {
    auto entries = read(next, settled_end, next);
    if (!entries) return std::move(entries).error();
    if (auto applied = apply(*entries, *at); !applied) return std::move(applied).error();
  }
  std::vector<replog::LogEntry> open;
  std::copy_if(open_.begin(), open_.end(), std::back_inserter(open),
               [&](const auto& entry) { return entry.position <= position; });
  auto shown = replog::only_data(std::move(open));
  if (!shown) return std::move(shown).error();
  if (auto applied = apply(*shown, *at); !applied) return std::move(applied).error();
  return at;
}

}  // namespace cluster::app
