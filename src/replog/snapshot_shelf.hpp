// A member's snapshots as they are served: one that is being fetched stays, and whoever fetches is
// not kept waiting by a snapshot that is being made.
//
// Threads: any, where not said otherwise.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cluster/op.hpp"
#include "cluster/types.hpp"
#include "replog/snapshot_files.hpp"

namespace cluster::replog {

class SnapshotShelf {
 public:
  // Of a fetch that is cut off: for so long the file is there to go on with.
  static constexpr Duration fetch_rest_max = std::chrono::minutes(1);

  explicit SnapshotShelf(std::shared_ptr<SnapshotFiles> files) : files_(std::move(files)) {}

  SnapshotFiles& files() { return *files_; }

  // A part of it was asked for.
  void note_fetch(std::uint64_t id, Time now);
  // Removes all but the newest two and those that are being fetched. Background thread.
  void clear_up(Time now);

  // Short work for the background thread: done by whoever calls `do_short_work` there next, which
  // long work does between its steps.
  void add_short_work(Callback);
  void do_short_work();

 private:
  std::shared_ptr<SnapshotFiles> files_;
  std::mutex mutex_;
  std::map<std::uint64_t, Time> fetched_;  // Guarded, as all below: id -> when last.
  std::deque<Callback> short_work_;
};

}  // namespace cluster::replog
