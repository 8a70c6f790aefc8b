// Performs the effects contract with group commit: while one group is on its way to the disk, all
// that comes gathers for the next; what waits for durability is done when everything before it is
// durable. Where more has gathered than one group may hold, it takes several; what was submitted
// at once stays together.
//
// Lives on the node thread; `write` runs where the host has groups written. After a failed write
// nothing more is written or done: the disk's state is unknown, and a failed sync is never retried.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/metrics.hpp"
#include "cluster/result.hpp"
#include "runtime/host.hpp"

namespace cluster::runtime {

// Of what is given to a committer: how large a change is, and how much a group may hold.
template <class Change>
struct CommitterSizes {
  std::size_t (*bytes_of)(const Change&) = [](const Change&) { return std::size_t{0}; };
  std::size_t group_bytes_max = ~std::size_t{0};
};

template <class Change, class Action>
class Committer {
 public:
  using Write = std::function<Result<void>(const std::vector<Change>&)>;
  using Sizes = CommitterSizes<Change>;

  // `write` may outlive this object by one call: what it touches must be owned by it.
  Committer(Host& host, Write write, std::function<void(Action)> perform,
            std::function<void(const Error&)> on_failure, Sizes sizes = {})
      : host_(host),
        sizes_(sizes),
        write_(std::make_shared<Write>(std::move(write))),
        perform_(std::move(perform)),
        on_failure_(std::move(on_failure)) {}

  // `then` is done once `changes` and all that was submitted before are durable; at once when they
  // are.
  void submit(std::vector<Change> changes, std::vector<Action> then) {
    if (has_failed_) return;
    if (changes.empty() && !is_writing_ && gathered_.empty()) {
      for (Action& action : then) perform_(std::move(action));
      return;
    }
    // What has no changes of its own waits for the newest group that has some.
    if (changes.empty() && gathered_.empty()) {
      append(writing_then_, then);
      return;
    }
    if (!changes.empty()) {
      std::size_t bytes = 0;
      for (const Change& change : changes) bytes += sizes_.bytes_of(change);
      gathered_bytes_ += bytes;
      submissions_.push_back({changes.size(), 0, bytes});
    }
    append(gathered_, changes);
    const std::size_t actions = gathered_then_.size();
    append(gathered_then_, then);
    submissions_.back().actions += gathered_then_.size() - actions;
    if (!is_writing_) start();
  }

  bool is_idle() const { return !is_writing_; }
  // Of all that was submitted and is not durable.
  std::size_t open_bytes() const { return gathered_bytes_ + writing_bytes_; }
  // When the group that is on its way to the disk left; `time_never` while there is none.
  Time writing_since() const { return is_writing_ ? started_at_ : time_never; }
  bool has_failed() const { return has_failed_; }
  std::uint64_t groups() const { return groups_; }
  std::uint64_t changes() const { return changes_; }
  const Histogram& write_times() const { return write_times_; }  // Microseconds.
  const Histogram& group_sizes() const { return group_sizes_; }  // Changes.

 private:
  // Sizes of what was submitted at once, and of the actions that wait for it.
  struct Submission {
    std::size_t changes;
    std::size_t actions;
    std::size_t bytes;
  };

  template <class T>
  static void append(std::vector<T>& to, std::vector<T>& from) {
    if (to.empty()) {
      to.swap(from);
    } else {
      to.insert(to.end(), std::make_move_iterator(from.begin()),
                std::make_move_iterator(from.end()));
    }
  }

  template <class T>
  static std::vector<T> take_first(std::vector<T>& from, std::size_t count) {
    auto end = from.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<T> first(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
    from.erase(from.begin(), end);
    return first;
  }

  // What goes next: all that has gathered, or as much as a group may hold.
  std::vector<Change> take_group() {
    if (gathered_bytes_ <= sizes_.group_bytes_max) {
      submissions_.clear();
      writing_bytes_ = std::exchange(gathered_bytes_, 0);
      writing_then_ = std::exchange(gathered_then_, {});
      return std::exchange(gathered_, {});
    }
    Submission group{0, 0, 0};
    auto at = submissions_.begin();
    do {
      group = {group.changes + at->changes, group.actions + at->actions, group.bytes + at->bytes};
      ++at;
    } while (at != submissions_.end() && group.bytes + at->bytes <= sizes_.group_bytes_max);
    submissions_.erase(submissions_.begin(), at);
    writing_bytes_ = group.bytes;
    gathered_bytes_ -= group.bytes;
    writing_then_ = take_first(gathered_then_, group.actions);
    return take_first(gathered_, group.changes);
  }

  void start() {
    is_writing_ = true;
    std::vector<Change> group = take_group();
    groups_ += 1;
    changes_ += group.size();
    group_sizes_.add(group.size());
    started_at_ = host_.now();
    auto finish = lifeline_.guard([this](Result<void> result) { end(std::move(result)); });
    host_.post_group([&host = host_, write = write_, group = std::move(group),
                      finish = std::move(finish)]() mutable {
      Result<void> result = (*write)(group);
      host.post([finish = std::move(finish), result = std::move(result)]() mutable {
        finish(std::move(result));
      });
    });
  }

  void end(Result<void> result) {
    is_writing_ = false;
    write_times_.add(static_cast<std::uint64_t>((host_.now() - started_at_).count()));
    writing_bytes_ = 0;
    if (!result) {
      has_failed_ = true;
      return on_failure_(result.error());
    }
    std::vector<Action> then = std::exchange(writing_then_, {});
    // The next group goes to the disk before the news of this one is told.
    if (!gathered_.empty()) start();
    for (Action& action : then) perform_(std::move(action));
  }

  Host& host_;
  Sizes sizes_;
  std::shared_ptr<Write> write_;
  std::function<void(Action)> perform_;
  std::function<void(const Error&)> on_failure_;
  bool is_writing_ = false;
  bool has_failed_ = false;
  std::vector<Action> writing_then_;
  std::vector<Change> gathered_;
  std::vector<Action> gathered_then_;
  std::vector<Submission> submissions_;  // Of what has gathered.
  std::size_t gathered_bytes_ = 0;
  std::size_t writing_bytes_ = 0;
  std::uint64_t groups_ = 0;
  std::uint64_t changes_ = 0;
  Time started_at_{};
  Histogram write_times_{50, 1'000'000};
  Histogram group_sizes_{1, 1};
  Lifeline lifeline_;
};

}  // namespace cluster::runtime
