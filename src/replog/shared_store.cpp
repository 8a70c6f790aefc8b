#include "replog/shared_store.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include "base/check.hpp"

namespace cluster::replog {
namespace {

constexpr Position no_end(std::numeric_limits<std::uint64_t>::max());

void take(LogState& state, std::optional<Bytes>& configuration, const Change& change) {
  if (const auto* promise = std::get_if<SetPromise>(&change)) {
    state.promised = promise->ballot;
  } else if (const auto* end = std::get_if<SetChosenEnd>(&change)) {
    state.chosen_end = end->end;
    state.chosen_term = end->term;
  } else if (const auto* base = std::get_if<SetBase>(&change)) {
    state.kept_from = base->first;
    state.kept_term = base->term;
  } else if (const auto* members = std::get_if<SetConfiguration>(&change)) {
    state.configuration_since = members->configuration.since();
    configuration = encode(members->configuration);
  }
}

}  // namespace

// One log's view of the store.
class SharedStore::LogStore final : public Store {
 public:
  LogStore(std::shared_ptr<SharedStore> shared, LogId log)
      : shared_(std::move(shared)), log_(log) {}

  const Identity& identity() const override { return shared_->identity(); }
  Result<void> commit(const std::vector<Change>& changes) override {
    return shared_->commit({{log_, &changes}});
  }
  Result<StoredEntries> read(Position first, Position end, std::size_t bytes_max) const override {
    return shared_->read(log_, first, end, bytes_max);
  }
  Result<RangeCheck> check(Position first, Position end, std::size_t bytes_max) const override {
    return shared_->check(log_, first, end, bytes_max);
  }
  Result<Recovered> recover(std::size_t window_bytes) override {
    return shared_->recover(log_, window_bytes);
  }
  StoreUsage usage() const override { return shared_->usage(); }

 private:
  std::shared_ptr<SharedStore> shared_;
  LogId log_;
};

std::shared_ptr<Store> SharedStore::store_of(LogId log) {
  return std::make_shared<LogStore>(shared_from_this(), log);
}

std::vector<LogId> SharedStore::logs() const {
  std::shared_lock lock(mutex_);
  std::vector<LogId> found;
  for (const auto& [log, kept] : logs_) found.push_back(log);
  return found;
}

// What a commit is made of, until it is written.
struct SharedStore::Draft {
  struct One {
    LogRecord record;
    std::vector<LogEntry> entries;
    std::vector<std::uint64_t> run_bytes;
  };
  const std::map<LogId, Kept>& logs;
  std::map<LogId, One> of;

  One& at(LogId log) {
    auto [found, is_new] = of.try_emplace(log);
    One& one = found->second;
    auto kept = logs.find(log);
    if (!is_new) return one;
    one.record.log = log;
    if (kept == logs.end()) return one;
    one.record.state = kept->second.state;
    one.record.damaged = kept->second.index.damaged();
    return one;
  }
  static void add(One& one, Position position, LogEntry entry) {
    auto& runs = one.record.runs;
    if (runs.empty() || runs.back().end != position) {
      runs.push_back({position, position});
      one.run_bytes.push_back(0);
    }
    runs.back().end = position.next();
    one.run_bytes.back() += entry.value.cost();
    one.record.state.entries_end = std::max(one.record.state.entries_end, position.next());
    one.entries.push_back(std::move(entry));
  }
};

// Before what is new, which may stand at the same positions.
void SharedStore::draft_moves(Draft& draft) {
  for (Move& move : std::exchange(moves_, {})) {
    Draft::One& one = draft.at(move.log);
    if (move.has_configuration) one.record.configuration = logs_.at(move.log).configuration;
    for (auto& [position, entry] : move.entries) Draft::add(one, position, std::move(entry));
  }
}

void SharedStore::make_draft(const std::vector<LogChanges>& all, Draft& draft) {
  std::shared_lock lock(mutex_);
  draft_moves(draft);
  for (const LogChanges& one : all) {
    Draft::One& drafted = draft.at(one.log);
    for (const Change& change : *one.changes) {
      if (const auto* put = std::get_if<PutEntry>(&change)) {
        Draft::add(drafted, put->entry.position, put->entry);
      } else {
        take(drafted.record.state, drafted.record.configuration, change);
      }
    }
  }
}

Result<void> SharedStore::commit(const std::vector<LogChanges>& all) {
  if (failure_) {
    return Error{failure_->code,
                 "the logs have stopped since an earlier write failed: " + failure_->context};
  }
  Draft draft{.logs = logs_, .of = {}};
  make_draft(all, draft);
  CommitRecord record{.start = next_, .logs = {}};
  std::vector<Change> changes(1);
  std::vector<std::uint64_t> run_bytes;
  std::uint64_t at = next_ + 1;
  std::uint64_t written = 0;
  for (auto& [log, one] : draft.of) {
    for (LogEntry& entry : one.entries) {
      written += entry.value.cost();
      entry.position = Position(at++);
      changes.push_back(PutEntry{std::move(entry)});
    }
    run_bytes.insert(run_bytes.end(), one.run_bytes.begin(), one.run_bytes.end());
    record.logs.push_back(std::move(one.record));
  }
  Bytes present = encode(record);
  Bytes summary = encode_summary(present, previous_);
  changes.front() = PutEntry{summary_entry(next_, summary)};
  changes.push_back(PutEntry{summary_entry(at, summary)});
  changes.push_back(SetChosenEnd{Position(record.end()), 0});
  if (new_base_ > base_) changes.push_back(SetBase{Position(new_base_), 0});
  if (auto committed = journal_->commit(changes); !committed) {
    failure_ = committed.error();
    return committed;
  }
  base_ = new_base_;
  next_ = record.end();
  previous_ = std::move(present);
  apply(record, run_bytes);
  look_after_space(written + 2 * summary.size() + 256);
  return {};
}

void SharedStore::apply(const CommitRecord& record, const std::vector<std::uint64_t>& bytes) {
  std::unique_lock lock(mutex_);
  std::uint64_t at = record.start + 1;
  std::size_t run_index = 0;
  for (const LogRecord& one : record.logs) {
    Kept& kept = logs_[one.log];
    kept.state = one.state;
    kept.state_start = record.start;
    if (one.configuration) {
      kept.configuration = *one.configuration;
      kept.configuration_start = record.start;
    }
    for (const PositionRange& range : one.runs) {
      std::uint64_t count = distance(range.first, range.end);
      kept.index.put({.first = range.first.value(),
                      .count = count,
                      .at = at,
                      .start = record.start,
                      .bytes = bytes[run_index++]});
      at += count;
    }
    kept.index.drop_before(kept.state.kept_from);
  }
}

std::uint64_t SharedStore::oldest_needed() const {
  std::uint64_t oldest = next_;
  for (const auto& [log, kept] : logs_) {
    oldest = std::min(oldest, kept.index.oldest_start(kept.state_start));
    oldest = std::min(oldest, kept.state_start);
    if (kept.configuration_start != 0) oldest = std::min(oldest, kept.configuration_start);
  }
  return oldest;
}

void SharedStore::look_after_space(std::uint64_t written) {
  written_ += written;
  if (written_ < options_.step_bytes) return;
  written_ = 0;
  // The gap must be found again by every restart: without it the logs that must not go on, because
  // of what was lost with it, would look as if they had never been here.
  if (unknown_end_ != 0) return;
  std::shared_lock lock(mutex_);
  const std::uint64_t oldest = oldest_needed();
  new_base_ = std::max(base_, oldest);
  std::uint64_t live = 0;
  for (const auto& [log, kept] : logs_) live += kept.index.bytes();
  const std::uint64_t used = journal_->usage().bytes;
  if (used > options_.move_above_bytes && used > options_.move_above_factor * live) {
    choose_moves(oldest);
  }
}

// Of the oldest quarter, a step's worth. What cannot be read stays, and holds the rest, until it is
// repaired.
void SharedStore::choose_moves(std::uint64_t oldest) {
  const std::uint64_t limit = oldest + (next_ - oldest + 3) / 4;
  std::uint64_t bytes = 0;
  for (const auto& [log, kept] : logs_) {
    if (bytes >= options_.step_bytes) return;
    Move move{.log = log, .has_configuration = false, .entries = {}};
    move.has_configuration = kept.configuration_start != 0 && kept.configuration_start < limit;
    for (const Run& run : kept.index.runs()) {
      if (run.start >= limit) continue;
      if (bytes >= options_.step_bytes) break;
      auto read = journal_->read(Position(run.at), Position(run.at + run.count), run.bytes + 1);
      if (!read) continue;
      for (LogEntry& entry : read->entries) {
        bytes += entry.value.cost();
        Position position(run.first + (entry.position.value() - run.at));
        move.entries.emplace_back(position, std::move(entry));
      }
    }
    bool is_needed = !move.entries.empty() || move.has_configuration || kept.state_start < limit;
    if (is_needed) moves_.push_back(std::move(move));
  }
}

Run SharedStore::find(LogId log, Position first, Position end) const {
  std::shared_lock lock(mutex_);
  auto at = logs_.find(log);
  return at == logs_.end() ? Run{} : at->second.index.find(first, end);
}

// The first of what is known to be lost at or after `first`.
std::optional<PositionRange> SharedStore::damage_at(LogId log, Position first, Position end) const {
  std::shared_lock lock(mutex_);
  auto at = logs_.find(log);
  if (at == logs_.end()) return std::nullopt;
  for (const PositionRange& range : at->second.index.damaged()) {
    PositionRange part{std::max(range.first, first), std::min(range.end, end)};
    if (part.first < part.end) return part;
  }
  return std::nullopt;
}

Result<StoredEntries> SharedStore::read(LogId log, Position first, Position end,
                                        std::size_t bytes_max) const {
  StoredEntries found;
  std::size_t bytes = 0;
  for (Position at = first; at < end && (bytes < bytes_max || found.entries.empty());) {
    const Run run = find(log, at, end);
    auto lost = damage_at(log, at, end);
    if (lost && (run.count == 0 || lost->first.value() < run.first)) {
      found.damaged = lost->first;
      return found;
    }
    if (run.count == 0) return found;
    auto read = journal_->read(Position(run.at), Position(run.at + run.count),
                               std::max<std::size_t>(bytes_max - bytes, 1));
    if (!read) return read;
    at = Position(run.first);
    std::uint64_t next = run.at;
    for (LogEntry& entry : read->entries) {
      if (entry.position.value() != next) break;
      next += 1;
      entry.position = at;
      at = at.next();
      bytes += entry.value.cost();
      found.entries.push_back(std::move(entry));
    }
    if (next != run.at) continue;
    // It cannot be read, or was moved or forgotten meanwhile.
    const Run now = find(log, at, end);
    if (now.count == 0 || now.first != run.first || now.at != run.at) continue;
    found.damaged = at;
    return found;
  }
  return found;
}

Result<RangeCheck> SharedStore::check(LogId log, Position first, Position end,
                                      std::size_t bytes_max) const {
  RangeCheck checked{.end = end, .damaged = {}, .missing = {}};
  for (Position at = first; at < end;) {
    if (checked.bytes >= bytes_max) {
      checked.end = at;
      return checked;
    }
    const Run run = find(log, at, end);
    auto lost = damage_at(log, at, end);
    if (lost && (run.count == 0 || lost->first.value() < run.first)) {
      if (at < lost->first) checked.missing.push_back({at, lost->first});
      for (at = lost->first; at < lost->end; at = at.next()) checked.damaged.push_back(at);
      continue;
    }
    Position next = run.count == 0 ? end : Position(run.first);
    if (at < next) checked.missing.push_back({at, next});
    at = next;
    if (run.count == 0) break;
    // From the disk itself; a part of the run where it is long.
    auto on_disk = journal_->check(Position(run.at), Position(run.at + run.count),
                                   std::max<std::size_t>(bytes_max - checked.bytes, 1));
    if (!on_disk) return on_disk;
    std::uint64_t looked = std::min(on_disk->end.value(), run.at + run.count);
    if (looked <= run.at) looked = run.at + 1;
    const Run now = find(log, at, end);
    if (now.count == 0 || now.at != run.at || now.first != run.first) continue;
    checked.bytes += on_disk->bytes;
    for (std::uint64_t there = run.at; there < looked; ++there, at = at.next()) {
      auto is_there = [&](const PositionRange& gap) {
        return gap.first.value() <= there && there < gap.end.value();
      };
      bool is_lost = std::find(on_disk->damaged.begin(), on_disk->damaged.end(), Position(there)) !=
                         on_disk->damaged.end() ||
                     std::any_of(on_disk->missing.begin(), on_disk->missing.end(), is_there);
      auto read = is_lost ? Result<StoredEntries>(StoredEntries{})
                          : journal_->read(Position(there), Position(there + 1), 1);
      if (!read) return std::move(read).error();
      if (read->entries.size() != 1) {
        checked.damaged.push_back(at);
        continue;
      }
      read->entries.front().position = at;
      checked.checksum = checksum_value(checked.checksum, read->entries.front());
    }
  }
  return checked;
}

Result<Recovered> SharedStore::recover(LogId log, std::size_t window_bytes) {
  Recovered recovered;
  Position end;
  {
    std::shared_lock lock(mutex_);
    auto at = logs_.find(log);
    if (at == logs_.end() && unknown_end_ != 0) {
      return Error{Errc::corrupt, "log " + std::to_string(log.value()) +
                                      ": the shared journal has lost commits without a trace, so "
                                      "nobody can tell whether it was here before, and what it "
                                      "promised then; open it on another host"};
    }
    if (at == logs_.end()) return recovered;
    const Kept& kept = at->second;
    if (kept.lost) return *kept.lost;
    const LogState& state = kept.state;
    recovered.promised = state.promised;
    recovered.kept_from = state.kept_from;
    recovered.kept_term = state.kept_term;
    recovered.chosen_end = std::max(state.chosen_end, state.kept_from);
    recovered.chosen_term = std::max(state.chosen_term, state.kept_term);
    if (!kept.configuration.empty()) {
      auto members = decode_configuration(kept.configuration.view(), state.configuration_since);
      if (!members) return std::move(members).error();
      recovered.configuration = *std::move(members);
    }
    // Backwards from the chosen end, until what lies after is as large as the window.
    recovered.first = recovered.chosen_end;
    std::size_t bytes = 0;
    const auto& runs = kept.index.runs();
    for (auto run = runs.rbegin(); run != runs.rend() && bytes < window_bytes; ++run) {
      if (run->first >= recovered.chosen_end.value()) continue;
      recovered.first = Position(run->first);
      bytes += run->bytes;
    }
    end = state.entries_end;
  }
  for (Position at = recovered.first; at < end;) {
    auto read = this->read(log, at, no_end, std::numeric_limits<std::size_t>::max());
    if (!read) return std::move(read).error();
    for (LogEntry& entry : read->entries) recovered.entries.push_back(std::move(entry));
    if (!read->damaged) break;
    at = read->damaged.next();
    std::unique_lock lock(mutex_);
    logs_.at(log).index.put_damaged({read->damaged, at});
  }
  std::shared_lock lock(mutex_);
  const SharedIndex& index = logs_.at(log).index;
  recovered.damaged = index.damaged();
  if (recovered.kept_from < recovered.chosen_end) {  // Chosen entries have no gaps.
    auto gaps = index.gaps({recovered.kept_from, recovered.chosen_end});
    recovered.damaged.insert(recovered.damaged.end(), gaps.begin(), gaps.end());
  }
  std::sort(recovered.damaged.begin(), recovered.damaged.end(),
            [](const PositionRange& a, const PositionRange& b) { return a.first < b.first; });
  return recovered;
}

}  // namespace cluster::replog
