// One store for many logs: a journal (journal_store.hpp) whose entries are the logs' commits, laid
// out as shared_format.hpp says. One commit of several logs is one write and one sync.
//
// The journal drops its beginning only as a whole, and a log that nothing is written to would hold
// all that came after it. So where most of the journal is garbage, what the oldest part still holds
// is written again with the next commits. docs/journal.md, "Many logs in one journal".
//
// Threads: `commit` as in `Store`, one at a time; everything else on any.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "replog/directory.hpp"
#include "replog/shared_index.hpp"
#include "replog/shared_logs.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

struct SharedStoreOptions {
  // The journal may be so large, or so many times what is kept in it, before the latter is moved.
  std::uint64_t move_above_bytes = 128u << 20;
  std::uint64_t move_above_factor = 3;
  // So much is moved at once, after so much was written.
  std::uint64_t step_bytes = 1u << 20;
};

class SharedStore : public std::enable_shared_from_this<SharedStore> {
 public:
  // Reads the whole journal. `corrupt` where it is none of several logs. What is lost of single
  // logs their `recover` tells.
  static Result<std::shared_ptr<SharedStore>> open(std::unique_ptr<Store> journal,
                                                   const SharedStoreOptions& = {});

  const Identity& identity() const { return journal_->identity(); }
  Result<void> commit(const std::vector<LogChanges>&);
  // As a log of its own sees it. Of one that is not known, it is empty.
  std::shared_ptr<Store> store_of(LogId);
  std::vector<LogId> logs() const;
  StoreUsage usage() const { return journal_->usage(); }

 private:
  class LogStore;
  class Scan;
  struct Kept {
    LogState state;
    Bytes configuration;
    // Of the commits that said so last.
    std::uint64_t state_start = 0;
    std::uint64_t configuration_start = 0;
    SharedIndex index;
    std::optional<Error> lost;  // This log must not go on.
  };
  // What is written again with the next commit.
  struct Move {
    LogId log;
    bool has_configuration = false;
    std::vector<std::pair<Position, LogEntry>> entries;
  };
  struct Draft;

  SharedStore(std::unique_ptr<Store> journal, const SharedStoreOptions& options)
      : journal_(std::move(journal)), options_(options) {}

  Result<StoredEntries> read(LogId, Position first, Position end, std::size_t bytes_max) const;
  Result<RangeCheck> check(LogId, Position first, Position end, std::size_t bytes_max) const;
  Result<Recovered> recover(LogId, std::size_t window_bytes);
  Run find(LogId, Position first, Position end) const;
  std::optional<PositionRange> damage_at(LogId, Position first, Position end) const;

  Result<void> load();
  std::uint64_t load_commit(Scan&, std::uint64_t start);
  void load_record(Scan&, const CommitRecord&);
  void blame_unknown();
  void apply(const CommitRecord&, const std::vector<std::uint64_t>& bytes);
  void make_draft(const std::vector<LogChanges>&, Draft&);
  void draft_moves(Draft&);
  void look_after_space(std::uint64_t written);
  void choose_moves(std::uint64_t oldest);
  std::uint64_t oldest_needed() const;

  const std::unique_ptr<Store> journal_;
  const SharedStoreOptions options_;

  // Of whoever commits.
  std::optional<Error> failure_;
  std::uint64_t next_ = 1;      // The journal's next position.
  std::uint64_t base_ = 1;      // It is kept from here on.
  std::uint64_t new_base_ = 1;  // As of the next commit.
  std::uint64_t written_ = 0;   // Since space was looked after.
  Bytes previous_;
  std::vector<Move> moves_;
  std::uint64_t unknown_end_ = 0;  // At the start: before this, a commit is lost without a trace.

  mutable std::shared_mutex mutex_;
  std::map<LogId, Kept> logs_;  // Guarded; changed by commits alone once it is loaded.
};

}  // namespace cluster::replog
