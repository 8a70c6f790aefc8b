#include "replog/snapshot_shelf.hpp"

#include <utility>

namespace cluster::replog {

void SnapshotShelf::note_fetch(std::uint64_t id, Time now) {
  std::lock_guard lock(mutex_);
  fetched_[id] = now;
}

void SnapshotShelf::clear_up(Time now) {
  std::vector<std::uint64_t> wanted;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(fetched_, [&](const auto& one) { return now - one.second > fetch_rest_max; });
    for (const auto& [id, when] : fetched_) wanted.push_back(id);
  }
  files_->keep_newest(2, wanted);
}

void SnapshotShelf::add_short_work(Callback work) {
  std::lock_guard lock(mutex_);
  short_work_.push_back(std::move(work));
}

void SnapshotShelf::do_short_work() {
  for (;;) {
    Callback next;
    {
      std::lock_guard lock(mutex_);
      if (short_work_.empty()) return;
      next = std::move(short_work_.front());
      short_work_.pop_front();
    }
    next();
  }
}

}  // namespace cluster::replog
