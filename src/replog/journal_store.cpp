#include "replog/journal_store.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/check.hpp"
#include "base/crc32c.hpp"
#include "base/random.hpp"
#include "replog/journal_disk.hpp"
#include "replog/journal_keeper.hpp"
#include "replog/journal_view.hpp"

namespace cluster::replog {
namespace {

using namespace journal;

constexpr std::uint64_t segment_bytes_min = 64 << 10;
constexpr std::uint64_t segments_min = 8;  // As many are kept ready, in use, or on their way.

class JournalStore final : public Store {
 public:
  JournalStore(std::unique_ptr<Directory> directory, std::unique_ptr<Folder> folder,
               const Identity& identity, const JournalOptions& options)
      : directory_(std::move(directory)),
        folder_(std::move(folder)),
        identity_(identity),
        options_(options),
        random_(options.seed != 0 ? options.seed : system_random()) {
    options_.segment_bytes = std::min(options_.segment_bytes, options_.bytes_max / segments_min);
    options_.segment_bytes =
        std::max(options_.segment_bytes, segment_bytes_min) / block_bytes * block_bytes;
  }

  Result<void> open(bool is_new);

  const Identity& identity() const override { return identity_; }
  Result<void> commit(const std::vector<Change>& changes) override;
  Result<StoredEntries> read(Position first, Position end, std::size_t bytes_max) const override {
    return view_.read(first, end, bytes_max);
  }
  Result<RangeCheck> check(Position first, Position end, std::size_t bytes_max) const override {
    return view_.check(first, end, bytes_max);
  }
  Result<Recovered> recover(std::size_t window_bytes) override {
    return view_.recover(window_bytes);
  }
  StoreUsage usage() const override { return {keeper_->bytes(), options_.bytes_max}; }

 private:
  Result<void> clean(const Recovery&);
  Result<void> wipe(File&, std::uint64_t from, std::uint64_t to);
  Result<void> make_first();
  Result<void> start_segment(GroupWriter* group, GroupHeader* header);
  void gather(const std::vector<Change>&);
  Result<void> write_group(GroupHeader&);
  void place(GroupHeader&, std::uint32_t block, std::uint64_t nonce) const;
  void publish(const GroupHeader&);
  void retire_segments();

  std::unique_ptr<Directory> directory_;  // Null over given files.
  std::unique_ptr<Folder> folder_;
  const Identity identity_;
  JournalOptions options_;
  Random random_;
  std::unique_ptr<Keeper> keeper_;

  // Of the thread that commits.
  std::optional<Error> failure_;
  GroupWriter group_;
  GroupWriter head_;
  BlockBuffer start_;
  State next_;
  Bytes next_configuration_;
  LastGroup last_;
  std::uint32_t end_block_ = 1;
  std::uint64_t oldest_needed_ = 1;

  Contents contents_;  // Changed by commits, read by all.
  View view_{contents_};
};

Result<void> JournalStore::open(bool is_new) {
  auto recovered = recover_journal(*folder_, {.identity = identity_});
  if (!recovered) return std::move(recovered).error();
  if (recovered->fatal) return *recovered->fatal;
  if (is_new && recovered->groups > 1) {
    return Error{Errc::corrupt, folder_->path("identity") +
                                    " is missing beside a journal that was in use; it must "
                                    "not vote: remove the member and add a new one with an "
                                    "empty directory"};
  }
  if (!is_new && recovered->segments.empty()) {
    return Error{Errc::corrupt, folder_->path(segment_name(1)) +
                                    " and all after it are missing; what this replica promised is "
                                    "lost, so it must not vote: remove the member and add a new "
                                    "one with an empty directory"};
  }
  if (is_new) {
    for (auto& [sequence, segment] : recovered->segments) {
      if (auto removed = folder_->remove(segment_name(sequence)); !removed) return removed;
    }
    // Left over from an attempt that did not get as far as the identity.
    for (std::uint64_t at = recovered->last_file; at > 0; --at) {
      if (recovered->segments.contains(at)) continue;
      static_cast<void>(folder_->remove(segment_name(at)));
    }
    for (const std::string& spare : recovered->spares) {
      if (auto removed = folder_->remove(spare); !removed) return removed;
    }
    recovered = Recovery{};
  } else if (auto cleaned = clean(*recovered); !cleaned) {
    return cleaned;
  }
  contents_.segments = std::move(recovered->segments);
  contents_.index = std::move(recovered->index);
  contents_.state = recovered->state;
  contents_.configuration = recovered->configuration;
  last_ = recovered->last;
  end_block_ = recovered->end_block;
  oldest_needed_ = contents_.state.oldest_segment;
  std::uint64_t active = contents_.segments.empty() ? 0 : contents_.segments.rbegin()->first;
  keeper_ = std::make_unique<Keeper>(*folder_,
                                     KeeperOptions{.segment_bytes = options_.segment_bytes,
                                                   .bytes_max = options_.bytes_max,
                                                   .has_thread = options_.has_thread,
                                                   .prepare_on = options_.prepare_on},
                                     active + 1, std::max(recovered->last_file, active),
                                     recovered->bytes, std::move(recovered->spares));
  if (is_new) return make_first();
  for (std::uint64_t old : recovered->old_segments) {
    auto file = folder_->open(segment_name(old));
    if (!file) return std::move(file).error();
    keeper_->give_back(old, (*file)->size());
  }
  return {};
}

// Zeroes what was never durable, and makes durable what a process that died may have left in the
// kernel's hands.
Result<void> JournalStore::clean(const Recovery& recovered) {
  for (std::uint64_t sequence : recovered.dirty_segments) {
    auto file = folder_->open(segment_name(sequence));
    if (!file) return std::move(file).error();
    auto wiped = wipe(**file, 0, (*file)->size() / block_bytes * block_bytes);
    if (!wiped) return wiped;
  }
  File& file = *recovered.segments.rbegin()->second.file;
  if (recovered.dirty_end > recovered.end_block) {
    auto wiped = wipe(file, std::uint64_t{recovered.end_block} * block_bytes,
                      std::uint64_t{recovered.dirty_end} * block_bytes);
    if (!wiped) return wiped;
  }
  return file.sync();
}

// Wherever a crash stops this, what is left still counts as never written.
Result<void> JournalStore::wipe(File& file, std::uint64_t from, std::uint64_t to) {
  BlockBuffer zeros(64);
  for (std::uint64_t at = from; at < to; at += zeros.bytes()) {
    std::size_t size = std::min<std::uint64_t>(zeros.bytes(), to - at);
    if (auto written = file.write(at, zeros.view(0, size)); !written) return written;
  }
  return file.sync();
}

Result<void> JournalStore::make_first() {
  next_ = contents_.state;
  if (auto started = start_segment(nullptr, nullptr); !started) return started;
  return directory_ ? directory_->make_identity() : Result<void>{};
}

void JournalStore::place(GroupHeader& header, std::uint32_t block, std::uint64_t nonce) const {
  header.nonce = nonce;
  header.block = block;
  header.number = last_.number + 1;
  header.previous_checksum = last_.checksum;
  header.previous_blocks = block == 1 ? 0 : last_.blocks;
  header.previous_first = last_.first;
  header.previous_end = last_.end;
}

// A new segment begins with the index of the one before and the members. They, the segment's header
// and the group that found no more room (if any) are one write.
Result<void> JournalStore::start_segment(GroupWriter* group, GroupHeader* header) {
  const std::uint64_t sequence =
      contents_.segments.empty() ? 1 : contents_.segments.rbegin()->first + 1;
  head_.begin();
  std::vector<Piece> pieces;
  if (!contents_.segments.empty()) {
    const Segment& sealed = contents_.segments.rbegin()->second;
    pieces =
        contents_.index.in_segment(static_cast<std::uint32_t>(sealed.sequence), sealed.positions);
    head_.add(
        RecordKind::catalog, sealed.sequence,
        ByteView(reinterpret_cast<const char*>(pieces.data()), pieces.size() * sizeof(Piece)));
  }
  if (!contents_.configuration.empty())
    head_.add(RecordKind::configuration, 0, contents_.configuration.view());
  const std::uint32_t head_blocks = head_.lay_out();
  const std::size_t group_blocks = group != nullptr ? group->buffer().blocks() : 0;
  const std::size_t blocks = 1 + head_blocks + group_blocks;
  auto file = keeper_->take(sequence, blocks * block_bytes);
  if (!file) return std::move(file).error();

  SegmentHeader segment{.blocks = static_cast<std::uint32_t>((*file)->size() / block_bytes),
                        .sequence = sequence,
                        .nonce = random_.next() | 1,
                        .cluster = identity_.cluster.value(),
                        .member = identity_.member.value(),
                        .incarnation = identity_.incarnation,
                        .first_group = last_.number + 1,
                        .previous_group = last_.checksum,
                        .groups_at_once = group != nullptr ? 2u : 1u};
  start_.clear(blocks);
  finish(segment, start_.data());
  GroupHeader first;
  place(first, 1, segment.nonce);
  first.state = contents_.state;
  head_.finish(first);
  std::copy_n(head_.buffer().data(), head_.buffer().bytes(), start_.data() + block_bytes);
  last_ = {first.number, first.checksum, first.blocks, 0, 0};
  if (group != nullptr) {
    place(*header, 1 + head_blocks, segment.nonce);
    group->finish(*header);
    std::copy_n(group->buffer().data(), group->buffer().bytes(),
                start_.data() + (1 + head_blocks) * block_bytes);
  }
  if (auto written = (*file)->write_durably(0, start_.view()); !written) return written;
  std::unique_lock lock(contents_.mutex);
  contents_.segments[sequence] = {.sequence = sequence,
                                  .nonce = segment.nonce,
                                  .blocks = segment.blocks,
                                  .file = *std::move(file),
                                  .positions = {}};
  end_block_ = 1 + head_blocks;
  return {};
}

// What `changes` come to: rows in `group_`, and the state after them.
void JournalStore::gather(const std::vector<Change>& changes) {
  struct Gather {
    JournalStore& store;
    void operator()(const SetPromise& change) {
      store.next_.promised_round = change.ballot.round;
      store.next_.promised_member = change.ballot.member.value();
    }
    void operator()(const PutEntry& change) {
      store.group_.add(change.entry);
      store.next_.entries_end =
          std::max(store.next_.entries_end, change.entry.position.value() + 1);
    }
    void operator()(const SetChosenEnd& change) {
      store.next_.chosen_end = change.end.value();
      store.next_.chosen_term = change.term;
    }
    void operator()(const SetConfiguration& change) {
      store.next_configuration_ = encode(change.configuration);
      ByteView encoded = store.next_configuration_.view();
      store.next_.configuration_since = change.configuration.since().value();
      store.next_.configuration_checksum = crc32c(encoded);
      store.next_.configuration_bytes = static_cast<std::uint32_t>(encoded.size());
    }
    void operator()(const SetBase& change) {
      store.next_.kept_from = change.first.value();
      store.next_.kept_term = change.term;
    }
  };
  next_ = contents_.state;
  next_configuration_ = contents_.configuration;
  next_.oldest_segment = oldest_needed_;
  group_.begin();
  for (const Change& change : changes) std::visit(Gather{*this}, change);
  if (!(next_configuration_ == contents_.configuration)) {
    group_.add(RecordKind::configuration, 0, next_configuration_.view());
  }
}

Result<void> JournalStore::commit(const std::vector<Change>& changes) {
  if (failure_) {
    return Error{failure_->code,
                 "the log has stopped since an earlier write failed: " + failure_->context};
  }
  gather(changes);
  GroupHeader header;
  header.state = next_;
  group_.lay_out();
  if (auto written = write_group(header); !written) {
    failure_ = written.error();
    return written;
  }
  publish(header);
  retire_segments();
  const Segment& active = contents_.segments.rbegin()->second;
  keeper_->committed(group_.buffer().bytes(), end_block_ >= active.blocks / 8);
  return {};
}

Result<void> JournalStore::write_group(GroupHeader& header) {
  const Segment& active = contents_.segments.rbegin()->second;
  const std::size_t blocks = group_.buffer().blocks();
  if (blocks > active.blocks - std::min(end_block_, active.blocks)) {
    return start_segment(&group_, &header);
  }
  place(header, end_block_, active.nonce);
  group_.finish(header);
  return active.file->write_durably(std::uint64_t{end_block_} * block_bytes,
                                    group_.buffer().view());
}

void JournalStore::publish(const GroupHeader& header) {
  last_ = {header.number, header.checksum, header.blocks, header.first, header.end};
  end_block_ = header.block + header.blocks;
  std::unique_lock lock(contents_.mutex);
  Segment& active = contents_.segments.rbegin()->second;
  auto number = static_cast<std::uint32_t>(active.sequence);
  for (const Piece& piece : pieces_of(group_.rows(), number, header.block, header.blocks)) {
    contents_.index.put(piece);
  }
  if (header.first != header.end) {
    Position first(header.first), end(header.end);
    bool is_none = active.positions.first == active.positions.end;
    active.positions = {is_none ? first : std::min(active.positions.first, first),
                        std::max(active.positions.end, end)};
  }
  contents_.state = next_;
  contents_.configuration = next_configuration_;
  contents_.index.drop_before(Position(contents_.state.kept_from));
}

// A segment that no entry is read from goes, oldest first, once a later group says that it is not
// needed: until then a restart would miss it.
void JournalStore::retire_segments() {
  std::vector<Segment> old;
  {
    std::unique_lock lock(contents_.mutex);
    while (contents_.segments.begin()->first < contents_.state.oldest_segment) {
      old.push_back(std::move(contents_.segments.begin()->second));
      contents_.segments.erase(contents_.segments.begin());
    }
    oldest_needed_ = contents_.segments.begin()->first;
    while (oldest_needed_ < contents_.segments.rbegin()->first &&
           !contents_.index.uses(static_cast<std::uint32_t>(oldest_needed_))) {
      oldest_needed_ += 1;
    }
  }
  for (Segment& segment : old) {
    keeper_->give_back(segment.sequence, std::uint64_t{segment.blocks} * block_bytes);
  }
}

}  // namespace

Result<std::unique_ptr<Store>> open_journal_store(std::unique_ptr<Directory> directory,
                                                  const JournalOptions& options) {
  auto folder = open_folder(directory->path());
  Identity identity = directory->identity();
  bool is_new = directory->is_new();
  auto store =
      std::make_unique<JournalStore>(std::move(directory), std::move(folder), identity, options);
  if (auto opened = store->open(is_new); !opened) return std::move(opened).error();
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Store>> open_journal_on(std::unique_ptr<Folder> folder,
                                               const Identity& identity, bool is_new,
                                               const JournalOptions& options) {
  auto store = std::make_unique<JournalStore>(nullptr, std::move(folder), identity, options);
  if (auto opened = store->open(is_new); !opened) return std::move(opened).error();
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace cluster::replog
