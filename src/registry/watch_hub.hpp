// Tells changes of the keys to those who watch them. A pure core beside the state.
//
// A watcher that has been told everything is in an index of ranges, where each change finds it; one
// that starts from an older revision is behind: the history is read for all of those together, a
// part at a time, until they are up to date. What waits for a watcher is bounded: one that is
// behind waits itself; one that is up to date, and does not take what it is told, is ended with the
// revision to start again from. Events of one revision are told together.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cluster/keys.hpp"
#include "registry/interval_index.hpp"
#include "registry/keys_state.hpp"

namespace cluster::registry {

using WatchId = Id<struct WatchTag>;

class WatchHub {
 public:
  // What a watcher takes. With `end`, the batch is its last, and the watcher is gone.
  struct Taken {
    WatchBatch batch;
    std::optional<WatchEnd> end;
  };

  // `not_found` without the namespace, `invalid_argument` for what could never tell anything. A
  // revision that is no longer kept ends the watch with the first `take`.
  Result<WatchId> watch(const KeysState&, std::string_view space, const KeyRange&,
                        const WatchOptions&);
  void cancel(WatchId);

  // After each command that was applied.
  void on_applied(const KeysState&, const KeysApplied&);
  // After the state was replaced by a snapshot's: everyone goes on where they were, or is told.
  void on_restored(const KeysState&);
  // Reads a part of the history for those who are behind; false when nobody waits for more.
  bool catch_up(const KeysState&, std::uint64_t changes_max = 4096);
  // Makes those who want it and wait in vain ready to be told how far all is told.
  void tell_progress(const KeysState&);

  // Who has something to take, or has ended, since this was last asked.
  std::vector<WatchId> take_ready();
  // At least one whole revision where there is one, then as many as `events_max` allows.
  Taken take(WatchId, const KeysState&, std::size_t events_max = 1000);

  // The last that a watcher takes: what there is, or, where nothing is, how far all has been told.
  WatchBatch finish(WatchId, const KeysState&);

  // Everything up to there has been taken by this watcher.
  Revision told(WatchId) const;

  std::size_t size() const { return watchers_.size(); }
  std::size_t behind() const { return behind_.size(); }
  bool is_reading() const { return !reading_.empty(); }  // `catch_up` has something to do.
  std::uint64_t ended_as_slow() const { return ended_as_slow_; }

 private:
  struct Queued {
    RecordRef now;
    RecordRef before;
  };
  struct Watcher {
    WatchId id;
    SpaceId space;
    KeyRange range;
    WatchOptions options;
    Revision told;  // Up to here everything has been taken.
    std::deque<Queued> queue;
    std::size_t queue_bytes = 0;
    bool is_behind = false;
    std::uint64_t next_change = 0;  // While it is behind: the first that it has not seen.
    bool is_stalled = false;        // Behind, and its queue is full.
    bool is_ready = false;
    bool wants_notice = false;
    std::optional<WatchEnd> end;
  };

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  class Index {
   public:
    void insert(Watcher&);
    void erase(Watcher&);
    std::size_t size() const { return size_; }
    template <class Visit>
    void each_holding(SpaceId, ByteView key, Visit&&) const;

   private:
    struct Space {
      std::unordered_map<std::string, std::vector<Watcher*>, Hash, std::equal_to<>> keys;
      IntervalIndex<Watcher*> ranges;
    };
    std::map<SpaceId, Space> spaces_;
    std::size_t size_ = 0;
  };

  static bool wants(const Watcher&, const KeyChange&);
  static void push(Watcher&, const KeyChange&);
  static bool is_full(const Watcher&);
  void drop_as_slow(Watcher&, Revision);
  void make_ready(Watcher&);
  void fall_behind(Watcher&, std::uint64_t next_change);
  void end(Watcher&, Error, Revision resume_from);
  void end_truncated(Watcher&, const KeysState&);
  void leave_index(Watcher&);
  void settle_cursor();
  void read_revision(const KeysState&, std::uint64_t end);
  void finish_catch_up(const KeysState&);
  static void fill(Watcher&, const KeysState&, std::size_t events_max, WatchBatch&);

  std::unordered_map<WatchId, std::unique_ptr<Watcher>> watchers_;
  std::uint64_t watches_made_ = 0;
  Index up_to_date_;
  Index behind_;
  std::map<WatchId, Watcher*> reading_;  // Behind, and not stalled.
  std::uint64_t cursor_ = 0;             // The next change to read for them.
  bool has_cursor_moved_ = false;        // Since it was last written down for each of them.
  std::uint64_t seen_ = 0;               // Changes before this one have been told.
  std::vector<WatchId> ready_;
  std::vector<Watcher*> matched_;  // Of the revision at hand.
  std::uint64_t ended_as_slow_ = 0;
};

}  // namespace cluster::registry
