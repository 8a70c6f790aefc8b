#include "replog/backup_restore.hpp"

#include <utility>

namespace cluster::replog {
namespace {

constexpr std::size_t group_entries = 4096;  // Written at once.

// The snapshot's bytes out of a backup; what comes after them stays in `next`.
class SnapshotPart final : public SnapshotReader {
 public:
  SnapshotPart(BackupReader& in, std::uint64_t size, BackupPart& next)
      : in_(in), left_(size), next_(next) {}
  Result<Bytes> read(std::size_t bytes_max) override {
    while (here_.empty() && left_ > 0) {
      auto part = in_.next();
      if (!part) return std::move(part).error();
      auto* bytes = std::get_if<Bytes>(&*part);
      if (bytes == nullptr) return Error{Errc::corrupt, "the backup's snapshot ends early"};
      left_ -= bytes->size();
      here_ = std::move(*bytes);
    }
    Bytes taken = here_.slice(0, std::min(bytes_max, here_.size()));
    here_ = here_.slice(taken.size(), here_.size() - taken.size());
    if (!taken.empty() || is_over_) return taken;
    // What follows says whether the whole was right.
    is_over_ = true;
    auto part = in_.next();
    if (!part) return std::move(part).error();
    next_ = *std::move(part);
    return taken;
  }

 private:
  BackupReader& in_;
  std::uint64_t left_;
  Bytes here_;
  BackupPart& next_;
  bool is_over_ = false;
};

// Entries of a backup as the log keeps them: positions without one are filled.
class Filler {
 public:
  Filler(NewCluster& to, const Ballot& ballot, std::uint64_t term, Position next)
      : to_(to), ballot_(ballot), term_(term), next_(next) {}

  Result<void> put(std::vector<Entry> entries) {
    for (Entry& entry : entries) {
      if (auto filled = fill(entry.position); !filled) return filled;
      if (auto added = add(Value{.data = std::move(entry.data), .term = term_}); !added) {
        return added;
      }
    }
    return {};
  }
  Result<void> fill(Position end) {
    while (next_ < end) {
      if (auto added = add(Value{.kind = Kind::noop, .data = {}}); !added) return added;
    }
    return {};
  }
  Result<void> add(Value value) {
    group_.push_back(LogEntry{next_, ballot_, std::move(value)});
    bytes_ += group_.back().value.cost();
    next_ = next_.next();
    return group_.size() < group_entries && bytes_ < group_bytes ? Result<void>{} : flush();
  }
  Result<void> flush() {
    bytes_ = 0;
    return to_.put(std::exchange(group_, {}));
  }

 private:
  static constexpr std::size_t group_bytes = 4u << 20;
  NewCluster& to_;
  Ballot ballot_;
  std::uint64_t term_;
  Position next_;
  std::vector<LogEntry> group_;
  std::size_t bytes_ = 0;
};

}  // namespace

Result<RestoredCluster> restore_backup(SnapshotReader& backup, const NewClusterOptions& options) {
  BackupReader in(backup);
  auto head = in.begin();
  if (!head) return std::move(head).error();
  auto made = NewCluster::begin(options, head->cluster);
  if (!made) return std::move(made).error();
  const Ballot ballot = ballot_beyond(head->term >> 16, options.member);
  const NodeId ids_end(options.member.value() + 1);
  if (auto set = made->set_base(head->first, head->term); !set) return std::move(set).error();

  BackupPart part = std::vector<Entry>{};
  if (head->snapshot) {
    SnapshotOffered about{.end = head->first,
                          .term = head->term,
                          .configuration = Configuration(Position{}, {made->self()}, ids_end),
                          .id = options.seed | 1,
                          .size = head->snapshot->size,
                          .checksum = head->snapshot->checksum};
    SnapshotPart bytes(in, head->snapshot->size, part);
    if (auto put = made->put_snapshot(about, bytes); !put) return std::move(put).error();
  }
  Filler filler(*made, ballot, head->term, head->first);
  RestoredCluster restored{.identity = made->identity(), .from = *head};
  while (!std::holds_alternative<BackupEnd>(part)) {
    auto& entries = std::get<std::vector<Entry>>(part);
    restored.entries += entries.size();
    if (auto put = filler.put(std::move(entries)); !put) return std::move(put).error();
    auto more = in.next();
    if (!more) return std::move(more).error();
    part = *std::move(more);
  }
  // The entry that sets the only member is the new cluster's first.
  auto put = filler.fill(head->end);
  const Configuration members(head->end, {made->self()}, ids_end);
  const std::uint64_t term = term_of(ballot);
  if (put) put = filler.add(Value{.kind = Kind::config, .data = encode(members), .term = term});
  if (put) put = filler.flush();
  restored.end = head->end.next();
  if (put) put = made->finish(ballot, head->end, ids_end, restored.end, term);
  if (!put) return std::move(put).error();
  return restored;
}

}  // namespace cluster::replog
