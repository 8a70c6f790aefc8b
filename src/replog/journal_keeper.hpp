// Keeps files ready for the segments to come, zeroed and durable under their names, and takes back
// those that are no longer needed.
//
// Zeroes are what makes a sync cheap (the blocks are there, only data moves) and a torn write known
// from damage. They are written ahead of need, in small pieces: by a thread of its own, or, where
// the host wants none, a piece with every so many bytes that are committed; at once, or where the
// host says. Where the log outruns that, writing everything twice would halve the rate of the disk:
// then the file system clears the next few segments, and a sync into them costs a little more.
//
// Order of what must not be lost, each step durable before the next begins:
//   an old segment becomes a spare:    renamed away, directory synced; only then written to
//   a spare becomes a ready segment:   zeroed, file synced; renamed to its number, directory synced
//
// Threads: any.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "cluster/op.hpp"
#include "replog/journal_files.hpp"
#include "replog/journal_format.hpp"
#include "runtime/gate.hpp"

namespace cluster::replog::journal {

std::string segment_name(std::uint64_t sequence);
std::optional<std::uint64_t> sequence_of(const std::string& name);  // Of a segment's name.
bool is_spare_name(const std::string& name);

struct KeeperOptions {
  std::uint64_t segment_bytes = 0;
  std::uint64_t bytes_max = 0;
  bool has_thread = true;
  std::function<void(Callback)> prepare_on;  // Instead of the thread.
};

class Keeper {
 public:
  // What the folder holds: segments in use and ready ones, the last of which is `last`, of so many
  // bytes together; the ready ones are taken from `first_ready` on.
  Keeper(Folder&, KeeperOptions, std::uint64_t first_ready, std::uint64_t last, std::uint64_t bytes,
         std::vector<std::string> spares);
  ~Keeper();

  // The file of the next segment, all zero, of at least `bytes`. Waits only where none is ready;
  // where there is no room for a whole segment any more, it is a smaller one.
  Result<std::shared_ptr<File>> take(std::uint64_t sequence, std::uint64_t bytes);
  void give_back(std::uint64_t sequence, std::uint64_t bytes);
  // So much was committed, and the present segment is that full: a good time to prepare.
  void committed(std::uint64_t bytes, bool is_filling);

  std::uint64_t bytes() const;

 private:
  struct Making {
    std::string name;
    std::shared_ptr<File> file;
    std::uint64_t bytes = 0;
    std::uint64_t zeroed = 0;
  };
  struct Old {
    std::uint64_t sequence;
    std::uint64_t bytes;
  };

  void run();
  void prepare();
  void prepare_there();
  bool has_work() const;  // With `mutex_` held.
  Result<void> step();    // With `work_mutex_` held.
  Result<void> retire(Old);
  Result<void> begin_making();
  Result<void> make_something(std::uint64_t bytes);
  Result<void> zero_some(Making&);
  Result<void> clear(Making&);
  Result<void> give_up(Error);
  bool is_outrun(const Making&) const;
  Result<void> finish_making();
  Result<void> zero(File&, std::uint64_t from, std::uint64_t to);

  Folder& folder_;
  const KeeperOptions options_;
  BlockBuffer zeros_;

  std::mutex work_mutex_;           // Held by whoever does a step; taken before `mutex_`.
  std::optional<Making> making_;    // Guarded by `work_mutex_`.
  std::uint64_t last_;              // Guarded by `work_mutex_`.
  std::uint64_t spares_named_ = 0;  // Guarded by `work_mutex_`.
  std::uint64_t next_bytes_;        // Of the next file that is made. Guarded by `work_mutex_`.
  std::uint64_t clears_left_ = 0;   // Segments to be cleared, not zeroed. Guarded by `work_mutex_`.
  bool can_clear_ = true;           // Guarded by `work_mutex_`.

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::uint64_t> ready_;  // Guarded, as all below.
  std::vector<std::string> spares_;
  std::deque<Old> old_;
  std::uint64_t bytes_ = 0;
  std::uint64_t owed_ = 0;     // Of zeroes, where there is no thread.
  std::uint64_t written_ = 0;  // Committed since the file that is being made was begun.
  bool is_wanted_ = false;
  bool has_failed_ = false;
  bool is_stopping_ = false;
  bool is_posted_ = false;  // `prepare_there` is on its way.
  std::shared_ptr<runtime::Gate> gate_ = std::make_shared<runtime::Gate>();
  std::thread thread_;
};

}  // namespace cluster::replog::journal
