#include "replog/journal_keeper.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace cluster::replog::journal {
namespace {

constexpr std::size_t ready_wanted = 2;
constexpr std::size_t spares_kept = 2;
constexpr std::size_t piece_bytes = 256 << 10;
constexpr std::uint64_t smallest_part = 16;  // Of a segment, where there is room for no more.
// Between pieces while a ready segment is left, so that syncs find the disk free.
constexpr auto pause = std::chrono::milliseconds(2);
// So many are cleared before zeroing is tried again.
constexpr std::uint64_t clears_in_row = 8;
constexpr auto retry_pause = std::chrono::seconds(1);

constexpr std::string_view segment_ending = ".segment";
constexpr std::string_view spare_beginning = "spare-";

}  // namespace

std::string segment_name(std::uint64_t sequence) {
  char text[32];
  std::snprintf(text, sizeof text, "%012llu", static_cast<unsigned long long>(sequence));
  return text + std::string(segment_ending);
}

std::optional<std::uint64_t> sequence_of(const std::string& name) {
  std::uint64_t sequence = 0;
  auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), sequence);
  if (failure != std::errc{} || sequence == 0 || segment_name(sequence) != name)
    return std::nullopt;
  return sequence;
}

bool is_spare_name(const std::string& name) { return name.starts_with(spare_beginning); }

Keeper::Keeper(Folder& folder, KeeperOptions options, std::uint64_t first_ready, std::uint64_t last,
               std::uint64_t bytes, std::vector<std::string> spares)
    : folder_(folder),
      options_(options),
      zeros_(piece_bytes / block_bytes),
      last_(last),
      next_bytes_(options.segment_bytes),
      spares_(std::move(spares)),
      bytes_(bytes) {
  for (std::uint64_t at = first_ready; at <= last; ++at) ready_.push_back(at);
  bool has_thread = options_.has_thread && !options_.prepare_on;
  if (has_thread) thread_ = std::thread([this] { run(); });
}

Keeper::~Keeper() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  gate_->close();
}

// There is a piece to be done.
void Keeper::prepare() {
  if (!options_.prepare_on) return wake_.notify_all();
  {
    std::lock_guard lock(mutex_);
    if (is_posted_) return;
    is_posted_ = true;
  }
  options_.prepare_on([gate = gate_, this] { gate->enter([this] { prepare_there(); }); });
}

void Keeper::prepare_there() {
  bool is_done = false;
  {
    std::lock_guard work(work_mutex_);
    is_done = step().has_value();
  }
  bool is_urgent = false;
  {
    std::lock_guard lock(mutex_);
    is_posted_ = false;
    is_urgent = has_work() && ready_.empty();
  }
  if (is_done && is_urgent) prepare();
}

std::uint64_t Keeper::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

bool Keeper::has_work() const {
  return !old_.empty() || (is_wanted_ && ready_.size() < ready_wanted);
}

void Keeper::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return is_stopping_ || has_work(); });
    if (is_stopping_) return;
    bool is_urgent = ready_.empty();
    lock.unlock();
    bool is_done = false;
    {
      std::lock_guard work(work_mutex_);
      is_done = step().has_value();
    }
    lock.lock();
    if (is_done && is_urgent) continue;
    wake_.wait_for(lock, is_done ? pause : std::chrono::milliseconds(retry_pause),
                   [this] { return is_stopping_; });
  }
}

void Keeper::give_back(std::uint64_t sequence, std::uint64_t bytes) {
  {
    std::lock_guard lock(mutex_);
    old_.push_back({sequence, bytes});
  }
  prepare();
}

void Keeper::committed(std::uint64_t bytes, bool is_filling) {
  bool has_piece_to_do = false;
  {
    std::lock_guard lock(mutex_);
    is_wanted_ = is_wanted_ || is_filling;
    written_ += bytes;
    if (!has_work()) return;
    owed_ += 2 * bytes;
    has_piece_to_do = owed_ >= std::min<std::uint64_t>(piece_bytes, options_.segment_bytes);
    if (has_piece_to_do) owed_ = 0;
  }
  if (options_.prepare_on) {
    if (has_piece_to_do) prepare();
  } else if (options_.has_thread) {
    wake_.notify_all();
  } else if (has_piece_to_do) {
    std::lock_guard work(work_mutex_);
    // Up to a piece of zeroes, with what goes before and after. What fails here is said when the
    // segment is needed.
    bool is_costly = false;
    while (!is_costly && step() && making_) {
      is_costly = making_->zeroed > 0 && making_->zeroed < making_->bytes;
    }
  }
}

Result<std::shared_ptr<File>> Keeper::take(std::uint64_t sequence, std::uint64_t bytes) {
  std::unique_lock work(work_mutex_, std::defer_lock);
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (!ready_.empty()) {
        CLUSTER_CHECK(ready_.front() == sequence, "segments are taken in order", sequence);
        ready_.pop_front();
        break;
      }
      is_wanted_ = true;
    }
    if (!work.owns_lock()) work.lock();
    {
      std::lock_guard lock(mutex_);
      if (!ready_.empty()) continue;
    }
    if (last_ > 0) clears_left_ = clears_in_row;
    if (auto made = make_something(bytes); !made) return std::move(made).error();
  }
  auto file = folder_.open(segment_name(sequence));
  if (!file || (*file)->size() >= bytes) return file;
  std::uint64_t had = (*file)->size();
  {
    std::lock_guard lock(mutex_);
    if (bytes_ + bytes - had > options_.bytes_max) {
      return Error{Errc::disk_full, "a group of " + std::to_string(bytes) +
                                        " bytes does not fit into the store's limit"};
    }
    bytes_ += bytes - had;
  }
  auto grown = (*file)->reserve(bytes);
  if (grown) grown = zero(**file, had, bytes);
  if (grown) grown = (*file)->sync();
  if (!grown) return std::move(grown).error();
  return file;
}

// One step, of which the next segment depends. A disk without room for a whole segment may have
// some for a part of one: no group is refused that could be written.
Result<void> Keeper::make_something(std::uint64_t bytes) {
  const std::uint64_t least =
      std::max(bytes, options_.segment_bytes / smallest_part / block_bytes * block_bytes);
  for (;;) {
    const bool is_beginning = !making_;
    auto done = step();
    const std::uint64_t smaller = next_bytes_ / 2 / block_bytes * block_bytes;
    const bool has_failed_to_begin = !done && is_beginning && smaller >= least;
    next_bytes_ = has_failed_to_begin ? smaller : options_.segment_bytes;
    if (!has_failed_to_begin) return done;
  }
}

Result<void> Keeper::step() {
  std::optional<Old> old;
  {
    std::lock_guard lock(mutex_);
    if (!old_.empty()) {
      old = old_.front();
      old_.pop_front();
    }
  }
  if (old) return retire(*old);
  if (!making_) return begin_making();
  if (making_->zeroed == making_->bytes) return finish_making();
  if (can_clear_ && is_outrun(*making_)) return clear(*making_);
  return zero_some(*making_);
}

// While one segment was being zeroed another one was filled.
bool Keeper::is_outrun(const Making& making) const {
  if (clears_left_ > 0) return true;
  std::lock_guard lock(mutex_);
  return written_ >= making.bytes;
}

Result<void> Keeper::retire(Old old) {
  std::size_t spares = 0;
  {
    std::lock_guard lock(mutex_);
    spares = spares_.size();
  }
  const std::string name = segment_name(old.sequence);
  const bool is_kept = spares < spares_kept && old.bytes == options_.segment_bytes;
  const std::string spare = std::string(spare_beginning) + name;
  auto done = is_kept ? folder_.rename(name, spare) : folder_.remove(name);
  if (done) done = folder_.sync();
  if (!done) return done;
  std::lock_guard lock(mutex_);
  if (is_kept) {
    spares_.push_back(spare);
  } else {
    bytes_ -= old.bytes;
  }
  return {};
}

Result<void> Keeper::begin_making() {
  Making making{.name = {}, .file = {}, .bytes = next_bytes_};
  bool is_new = false;
  {
    std::lock_guard lock(mutex_);
    if (!spares_.empty()) {
      making.name = spares_.back();
      spares_.pop_back();
    } else if (bytes_ + making.bytes > options_.bytes_max) {
      return Error{Errc::disk_full,
                   "the log in " + folder_.path(".") + " has reached its limit of " +
                       std::to_string(options_.bytes_max) +
                       " bytes (LogOptions::store_bytes_max): take a snapshot or truncate, so that "
                       "old entries can go, or start this member with a higher limit"};
    } else {
      making.name = std::string(spare_beginning) + "new-" + std::to_string(++spares_named_);
      bytes_ += making.bytes;
      is_new = true;
    }
  }
  auto file = is_new ? folder_.create(making.name) : folder_.open(making.name);
  if (file && !is_new) {  // It may be what a process left halfway, or of another size.
    std::uint64_t had = (*file)->size();
    making.bytes = std::max(making.bytes, had / block_bytes * block_bytes);
    std::lock_guard lock(mutex_);
    bytes_ += making.bytes - had;
  }
  auto reserved = file ? (*file)->reserve(making.bytes) : Result<void>(file.error());
  if (!reserved) {
    // Its space is given back: a disk that is full is not made fuller.
    static_cast<void>(folder_.remove(making.name));
    std::lock_guard lock(mutex_);
    if (file || is_new) bytes_ -= making.bytes;
    return reserved;
  }
  making.file = *std::move(file);
  making_ = std::move(making);
  std::lock_guard lock(mutex_);
  written_ = 0;
  return {};
}

Result<void> Keeper::zero(File& file, std::uint64_t from, std::uint64_t to) {
  while (from < to) {
    std::size_t size = std::min<std::uint64_t>(to - from, zeros_.bytes());
    if (auto written = file.write(from, zeros_.view(0, size)); !written) return written;
    from += size;
  }
  return {};
}

Result<void> Keeper::zero_some(Making& making) {
  std::uint64_t end = std::min<std::uint64_t>(making.zeroed + piece_bytes, making.bytes);
  auto zeroed = zero(*making.file, making.zeroed, end);
  if (zeroed) {
    making.zeroed = end;
    return {};
  }
  return give_up(zeroed.error());
}

Result<void> Keeper::clear(Making& making) {
  auto cleared = making.file->clear(making.bytes);
  if (cleared) {
    making.zeroed = making.bytes;
    clears_left_ = clears_left_ > 0 ? clears_left_ - 1 : clears_in_row;
    return {};
  }
  if (cleared.error().code != Errc::unsupported) return give_up(cleared.error());
  can_clear_ = false;
  return {};
}

// Its space is given back.
Result<void> Keeper::give_up(Error why) {
  const Making making = *std::move(making_);
  making_.reset();
  static_cast<void>(folder_.remove(making.name));
  std::lock_guard lock(mutex_);
  bytes_ -= making.bytes;
  return why;
}

Result<void> Keeper::finish_making() {
  Making making = *std::move(making_);
  making_.reset();
  auto done = making.file->sync();
  if (done) done = folder_.rename(making.name, segment_name(last_ + 1));
  if (done) done = folder_.sync();
  if (!done) return done;
  last_ += 1;
  std::lock_guard lock(mutex_);
  ready_.push_back(last_);
  return {};
}

}  // namespace cluster::replog::journal
