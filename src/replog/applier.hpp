// Keeps a state machine in step with its log: applies entries, takes snapshots of it in the
// background, and lets it go on from one.
//
// Lives on the node thread. The state machine is called where the runtime delivers, one call at a
// time, the next when the last has returned; snapshots are written on the background thread.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cluster/log.hpp"
#include "replog/configuration.hpp"
#include "replog/open_calls.hpp"
#include "replog/snapshot_shelf.hpp"
#include "runtime/gate.hpp"
#include "runtime/host.hpp"

namespace cluster::replog {

class Applier {
 public:
  struct Log {
    // Chosen entries from [from, to) on, of every kind. None: `from` must be waited for, and
    // `advance` says when.
    std::function<Result<std::vector<LogEntry>>(Position from, Position to)> read;
    // What an application sees of them.
    std::function<Result<std::vector<Entry>>(std::vector<LogEntry>)> show;
    // A snapshot is durable; entries before `keep_from` are not needed any more. `term`: of the
    // last of these that has one.
    std::function<void(const SnapshotOffered&, Position keep_from, std::uint64_t term)> on_snapshot;
    std::function<void(const Error&)> fail;  // This replica must not go on.
  };

  Applier(runtime::Host&, StateMachine&, SnapshotPolicy, std::shared_ptr<SnapshotShelf>,
          Configuration founders, Log);
  ~Applier();
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;

  // Entries before `end` can be read.
  void advance(Position end);
  // Goes on from there, whatever was applied.
  void restore(const SnapshotOffered&);
  void take_snapshot(Promise<Position>, OpenCall = {});
  // Completes once everything before `end` is applied.
  void wait(Position end, Promise<Position>, OpenCall = {});
  // What one of these two has not completed, and has to give up.
  struct Withdrawn {
    Promise<Position> promise;
    bool has_begun = false;
  };
  std::optional<Withdrawn> withdraw(std::uint64_t call);

  Position applied_end() const { return at_.end; }
  // Who the members are, where neither a snapshot nor an entry has said it yet.
  void know_members(const Configuration& members) {
    if (at_.configuration.is_empty()) at_.configuration = members;
  }
  std::uint64_t snapshots() const { return snapshots_; }
  std::uint64_t restores() const { return restores_; }
  void stop(const Error& why);  // Nothing more is applied; who waits is told.

 private:
  // A place in the log, and what a snapshot to there must say.
  struct Place {
    Position end{1};
    std::uint64_t term = 0;
    Configuration configuration;
  };
  struct Mark {
    Position end;
    std::uint64_t term;
    std::uint64_t bytes;  // Of all entries before it, since the start.
  };
  struct Waiter {
    Position end;  // Of those that wait for a snapshot: none.
    Promise<Position> promise;
    OpenCall call;
  };

  void run();
  bool apply_next();  // False: there is nothing to apply now.
  void begin_restore();
  void begin_snapshot();
  void write_snapshot(SnapshotJob);
  void end_snapshot(const Place&, std::uint64_t bytes, const Result<SnapshotOffered>&);
  bool wants_snapshot() const;
  void pass(const LogEntry&);
  void answer_waiters();
  // Calls `f` where the runtime delivers and then `done(result)` here.
  template <class F, class G>
  void deliver(F f, G done);

  runtime::Host& host_;
  StateMachine& machine_;
  SnapshotPolicy policy_;
  std::shared_ptr<SnapshotShelf> shelf_;
  Log log_;
  Logger logger_;
  std::shared_ptr<runtime::Gate> gate_ = std::make_shared<runtime::Gate>();
  std::shared_ptr<std::atomic<bool>> is_cancelled_ = std::make_shared<std::atomic<bool>>(false);

  Place at_;
  Position readable_end_{1};
  std::optional<SnapshotOffered> restore_;  // To be done next.
  bool is_busy_ = false;                    // The state machine is at work.
  bool is_writing_ = false;                 // A snapshot is.
  std::optional<Error> stopped_;            // Why it was.

  std::uint64_t bytes_ = 0;  // Passed since the start.
  std::uint64_t snapshot_bytes_ = 0;
  Position snapshot_end_{1};     // The last snapshot's, or attempt's.
  std::deque<Mark> marks_;       // Where the log may be cut, newest last.
  std::vector<Waiter> asked_;    // For a snapshot that has not begun.
  std::vector<Waiter> writing_;  // For the one that is being written.
  std::vector<Waiter> waiters_;  // For what is applied.
  std::uint64_t snapshots_ = 0;
  std::uint64_t restores_ = 0;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::replog
