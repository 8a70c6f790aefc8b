// Performs the effects contract with group commit: while one group is on its way to the disk, all
// that comes gathers for the next; what waits for durability is done when everything before it is
// durable.
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

template <class Change, class Action>
class Committer {
 public:
  using Write = std::function<Result<void>(const std::vector<Change>&)>;

  // `write` may outlive this object by one call: what it touches must be owned by it.
  Committer(Host& host, Write write, std::function<void(Action)> perform,
            std::function<void(const Error&)> on_failure)
      : host_(host),
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
    append(gathered_, changes);
    append(gathered_then_, then);
    if (!is_writing_) start();
  }

  bool is_idle() const { return !is_writing_; }
  // When the group that is on its way to the disk left; `time_never` while there is none.
  Time writing_since() const { return is_writing_ ? started_at_ : time_never; }
  bool has_failed() const { return has_failed_; }
  std::uint64_t groups() const { return groups_; }
  std::uint64_t changes() const { return changes_; }
  const Histogram& write_times() const { return write_times_; }  // Microseconds.
  const Histogram& group_sizes() const { return group_sizes_; }  // Changes.

 private:
  template <class T>
  static void append(std::vector<T>& to, std::vector<T>& from) {
    if (to.empty()) {
      to.swap(from);
    } else {
      to.insert(to.end(), std::make_move_iterator(from.begin()),
                std::make_move_iterator(from.end()));
    }
  }

  void start() {
    is_writing_ = true;
    groups_ += 1;
    changes_ += gathered_.size();
    group_sizes_.add(gathered_.size());
    writing_then_ = std::exchange(gathered_then_, {});
    started_at_ = host_.now();
    auto finish = lifeline_.guard([this](Result<void> result) { end(std::move(result)); });
    host_.post_group([&host = host_, write = write_, group = std::exchange(gathered_, {}),
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
  std::shared_ptr<Write> write_;
  std::function<void(Action)> perform_;
  std::function<void(const Error&)> on_failure_;
  bool is_writing_ = false;
  bool has_failed_ = false;
  std::vector<Action> writing_then_;
  std::vector<Change> gathered_;
  std::vector<Action> gathered_then_;
  std::uint64_t groups_ = 0;
  std::uint64_t changes_ = 0;
  Time started_at_{};
  Histogram write_times_{50, 1'000'000};
  Histogram group_sizes_{1, 1};
  Lifeline lifeline_;
};

}  // namespace cluster::runtime
