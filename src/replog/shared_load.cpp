// How the shared store finds out, at its start, what its journal holds: one pass over all of it.
#include <algorithm>
#include <limits>
#include <utility>

#include "replog/shared_store.hpp"

namespace cluster::replog {
namespace {

constexpr std::size_t read_bytes = 4u << 20;

}  // namespace

// The journal's entries from its first on, one after another.
class SharedStore::Scan {
 public:
  Scan(const Store& journal, std::uint64_t end) : journal_(journal), end_(end) {}

  // What stands at a position; nothing where it cannot be read. Positions only grow.
  const LogEntry* at(std::uint64_t position) {
    while (next_ < found_.size() && found_[next_].position.value() < position) next_ += 1;
    if (next_ == found_.size() && position >= read_to_ && position < end_) read(position);
    bool is_here = next_ < found_.size() && found_[next_].position.value() == position;
    return is_here ? &found_[next_] : nullptr;
  }
  std::uint64_t end() const { return end_; }
  const std::optional<Error>& failure() const { return failure_; }

 private:
  void read(std::uint64_t position) {
    auto read = journal_.read(Position(position), Position(end_), read_bytes);
    found_.clear();
    next_ = 0;
    read_to_ = end_;
    if (!read) {
      failure_ = read.error();
      return;
    }
    found_ = std::move(read->entries);
    if (read->damaged) {
      read_to_ = read->damaged.value() + 1;
    } else if (!found_.empty()) {
      read_to_ = found_.back().position.value() + 1;
    }
  }

  const Store& journal_;
  const std::uint64_t end_;
  std::vector<LogEntry> found_;
  std::size_t next_ = 0;
  std::uint64_t read_to_ = 0;
  std::optional<Error> failure_;
};

Result<std::shared_ptr<SharedStore>> SharedStore::open(std::unique_ptr<Store> journal,
                                                       const SharedStoreOptions& options) {
  std::shared_ptr<SharedStore> store(new SharedStore(std::move(journal), options));
  if (auto loaded = store->load(); !loaded) return std::move(loaded).error();
  return store;
}

Result<void> SharedStore::load() {
  auto journal = journal_->recover(0);
  if (!journal) return std::move(journal).error();
  base_ = new_base_ = journal->kept_from.value();
  next_ = journal->chosen_end.value();
  Scan scan(*journal_, next_);
  for (std::uint64_t start = base_; start < next_;) start = load_commit(scan, start);
  if (scan.failure()) return *scan.failure();
  blame_unknown();
  return {};
}

// The commit that begins at `start`; returns where the next one does. Where neither of its
// summaries can be read, the next commit's tells what it was.
std::uint64_t SharedStore::load_commit(Scan& scan, std::uint64_t start) {
  auto summary_at = [&](std::uint64_t at) {
    const LogEntry* entry = scan.at(at);
    bool is_one = entry != nullptr && is_summary(*entry);
    auto summary = is_one ? decode_summary(entry->value.data.view()) : std::nullopt;
    // Under a right checksum it could only be another program's.
    bool is_within = summary && summary->commit.entries() <= scan.end() &&
                     summary->commit.end() <= scan.end() &&
                     (!summary->previous || summary->previous->entries() <= scan.end());
    return is_within ? std::move(summary) : std::nullopt;
  };
  if (auto summary = summary_at(start); summary && summary->commit.start == start) {
    load_record(scan, summary->commit);
    previous_ = encode(summary->commit);
    return std::min(summary->commit.end(), scan.end());
  }
  for (std::uint64_t at = start + 1; at < scan.end(); ++at) {
    auto summary = summary_at(at);
    if (!summary) continue;
    const CommitRecord* known = nullptr;
    if (summary->commit.start == start) known = &summary->commit;
    if (summary->previous && summary->previous->start == start) known = &*summary->previous;
    if (known == nullptr) {
      // At least one commit is lost without a trace; the one before this may be known.
      known = summary->previous ? &*summary->previous : &summary->commit;
      unknown_end_ = known->start;
    }
    // Its entries may be sound: a pass of its own reads them.
    Scan again(*journal_, scan.end());
    load_record(again, *known);
    previous_ = encode(*known);
    return std::max(known->end(), start + 1);
  }
  unknown_end_ = scan.end();
  return scan.end();
}

void SharedStore::load_record(Scan& scan, const CommitRecord& record) {
  std::vector<std::uint64_t> bytes;
  std::vector<std::pair<LogId, Position>> lost;
  std::uint64_t at = record.start + 1;
  for (const LogRecord& one : record.logs) {
    for (const PositionRange& run : one.runs) {
      bytes.push_back(0);
      for (Position position = run.first; position < run.end; position = position.next(), ++at) {
        const LogEntry* entry = scan.at(at);
        if (entry != nullptr) {
          bytes.back() += entry->value.cost();
        } else {
          lost.emplace_back(one.log, position);
        }
      }
    }
  }
  apply(record, bytes);
  for (const LogRecord& one : record.logs) {
    SharedIndex& index = logs_[one.log].index;
    for (const PositionRange& range : one.damaged) {
      for (const PositionRange& gap : index.gaps(range)) index.put_damaged(gap);
    }
    index.drop_before(one.state.kept_from);
  }
  for (const auto& [log, position] : lost) {
    Kept& kept = logs_[log];
    if (position >= kept.state.kept_from) kept.index.put_damaged({position, position.next()});
  }
}

// A commit that left no trace may have been any log's. One that a later commit tells of is whole
// but for entries; of any other, even the promise may be an older one.
void SharedStore::blame_unknown() {
  if (unknown_end_ == 0) return;
  for (auto& [log, kept] : logs_) {
    if (kept.state_start < unknown_end_) {
      kept.lost = Error{Errc::corrupt,
                        "log " + std::to_string(log.value()) +
                            ": the shared journal is damaged at its entry before " +
                            std::to_string(unknown_end_) +
                            ", and what this member promised last may be lost, so it must not "
                            "vote in this log: remove the member from it"};
      continue;
    }
    PositionRange all{kept.state.kept_from, kept.state.entries_end};
    if (!(all.first < all.end)) continue;
    for (const PositionRange& gap : kept.index.gaps(all)) kept.index.put_damaged(gap);
  }
}

}  // namespace cluster::replog
