#include "registry/watch_hub.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace cluster::registry {

void WatchHub::Index::insert(Watcher& watcher) {
  Space& space = spaces_[watcher.space];
  ++size_;
  if (watcher.range.is_single_key()) {
    space.keys[watcher.range.begin].push_back(&watcher);
  } else {
    space.ranges.insert(watcher.range, &watcher);
  }
}

void WatchHub::Index::erase(Watcher& watcher) {
  auto space = spaces_.find(watcher.space);
  --size_;
  if (watcher.range.is_single_key()) {
    auto found = space->second.keys.find(watcher.range.begin);
    std::erase(found->second, &watcher);
    if (found->second.empty()) space->second.keys.erase(found);
  } else {
    space->second.ranges.erase(watcher.range, &watcher);
  }
  if (space->second.keys.empty() && space->second.ranges.empty()) spaces_.erase(space);
}

template <class Visit>
void WatchHub::Index::each_holding(SpaceId id, ByteView key, Visit&& visit) const {
  auto space = spaces_.find(id);
  if (space == spaces_.end()) return;
  auto found = space->second.keys.find(key);
  if (found != space->second.keys.end()) {
    for (Watcher* watcher : found->second) visit(watcher);
  }
  space->second.ranges.each_holding(key, visit);
}

Result<WatchId> WatchHub::watch(const KeysState& state, std::string_view space_name,
                                const KeyRange& range, const WatchOptions& options) {
  const KeySpace* space = state.find_space(space_name);
  if (!space) {
    return {Errc::not_found, "there is no namespace \"" + std::string(space_name) + "\""};
  }
  if (range.is_empty() || (!options.puts && !options.deletes)) {
    return {Errc::invalid_argument,
            "a watch of nothing: its range is empty, or it wants neither "
            "puts nor deletions"};
  }
  const WatchId id(++watches_made_);
  auto& made = watchers_[id];
  made = std::make_unique<Watcher>();
  Watcher& watcher = *made;
  watcher.id = id;
  watcher.space = space->id;
  watcher.range = range;
  watcher.options = options;
  seen_ = state.history().end();
  const Revision from = options.from ? options.from : state.revision().next();
  watcher.options.from = from;
  watcher.told = Revision(from.value() - 1);
  if (from > state.revision()) {
    up_to_date_.insert(watcher);
  } else if (from <= state.compacted()) {
    end_truncated(watcher, state);
  } else {
    fall_behind(watcher, state.history().find(from));
  }
  return id;
}

void WatchHub::cancel(WatchId id) {
  auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  leave_index(*found->second);
  watchers_.erase(found);
}

void WatchHub::leave_index(Watcher& watcher) {
  if (watcher.end) return;
  if (watcher.is_behind) {
    behind_.erase(watcher);
    reading_.erase(watcher.id);
  } else {
    up_to_date_.erase(watcher);
  }
}

void WatchHub::end(Watcher& watcher, Error error, Revision resume_from) {
  leave_index(watcher);
  watcher.end = WatchEnd{.error = std::move(error), .resume_from = resume_from};
  make_ready(watcher);
}

void WatchHub::end_truncated(Watcher& watcher, const KeysState& state) {
  const Revision resume_from = state.compacted().next();
  watcher.end =
      WatchEnd{.error = {Errc::truncated,
                         "the changes after revision " + std::to_string(watcher.told.value()) +
                             " are no longer kept: read the range, and watch from " +
                             std::to_string(resume_from.value()) + " or later"},
               .resume_from = resume_from};
  make_ready(watcher);
}

void WatchHub::fall_behind(Watcher& watcher, std::uint64_t next_change) {
  watcher.is_behind = true;
  watcher.is_stalled = false;
  watcher.next_change = next_change;
  behind_.insert(watcher);
  if (reading_.empty() || next_change < cursor_) {
    settle_cursor();
    cursor_ = next_change;
  }
  reading_.emplace(watcher.id, &watcher);
}

// Before the cursor goes back: who has seen what is theirs to know.
void WatchHub::settle_cursor() {
  if (!std::exchange(has_cursor_moved_, false)) return;
  for (auto& [id, watcher] : reading_) {
    watcher->next_change = std::max(watcher->next_change, cursor_);
  }
}

void WatchHub::make_ready(Watcher& watcher) {
  if (std::exchange(watcher.is_ready, true)) return;
  ready_.push_back(watcher.id);
}

std::vector<WatchId> WatchHub::take_ready() {
  for (WatchId id : ready_) {
    auto found = watchers_.find(id);
    if (found != watchers_.end()) found->second->is_ready = false;
  }
  return std::exchange(ready_, {});
}

bool WatchHub::wants(const Watcher& watcher, const KeyChange& change) {
  return (change.now->is_deletion() ? watcher.options.deletes : watcher.options.puts) &&
         change.now->fields().modified >= watcher.options.from;
}

void WatchHub::push(Watcher& watcher, const KeyChange& change) {
  const bool keeps_before =
      watcher.options.wants_previous && change.before && !change.before->is_deletion();
  watcher.queue_bytes += change.now->size() + (keeps_before ? change.before->size() : 0);
  watcher.queue.push_back({change.now, keeps_before ? change.before : RecordRef()});
}

bool WatchHub::is_full(const Watcher& watcher) {
  return watcher.queue.size() > watcher.options.queue_events_max ||
         watcher.queue_bytes > watcher.options.queue_bytes_max;
}

// Its queue was not empty before this revision and is too long with it: it goes as far as the
// revision before.
void WatchHub::drop_as_slow(Watcher& watcher, Revision revision) {
  while (!watcher.queue.empty() && watcher.queue.back().now->fields().modified == revision) {
    watcher.queue.pop_back();
  }
  ++ended_as_slow_;
  end(watcher,
      {Errc::overloaded, std::to_string(watcher.queue.size()) +
                             " events waited to be taken; watch again from revision " +
                             std::to_string(revision.value())},
      revision);
}

void WatchHub::on_applied(const KeysState& state, const KeysApplied& applied) {
  seen_ = applied.end_change;
  if (applied.first_change == applied.end_change || up_to_date_.size() == 0) return;
  matched_.clear();
  Revision revision;
  for (std::uint64_t i = applied.first_change; i < applied.end_change; ++i) {
    const KeyChange& change = state.history().at(i);
    const KeyRecord& now = *change.now;
    revision = now.fields().modified;
    up_to_date_.each_holding(now.fields().space, now.key(), [&](Watcher* watcher) {
      if (!wants(*watcher, change)) return;
      push(*watcher, change);
      if (matched_.empty() || matched_.back() != watcher) matched_.push_back(watcher);
    });
  }
  for (Watcher* watcher : matched_) {
    if (watcher->end) continue;  // Met before in this revision.
    const bool had_room = watcher->queue.front().now->fields().modified == revision;
    if (is_full(*watcher) && !had_room) {
      drop_as_slow(*watcher, revision);
    } else {
      make_ready(*watcher);
    }
  }
}

void WatchHub::on_restored(const KeysState& state) {
  const KeyHistory& history = state.history();
  settle_cursor();
  for (auto& [id, one] : watchers_) {
    Watcher& watcher = *one;
    if (watcher.end) continue;
    const std::uint64_t next = watcher.is_behind ? watcher.next_change : seen_;
    if (next >= history.end() && !watcher.is_behind) continue;
    leave_index(watcher);
    if (next < history.first() && watcher.options.from <= state.compacted()) {
      watcher.is_behind = false;
      end_truncated(watcher, state);
    } else {
      fall_behind(watcher, std::max(next, history.first()));
    }
  }
  seen_ = history.end();
}

bool WatchHub::catch_up(const KeysState& state, std::uint64_t changes_max) {
  const KeyHistory& history = state.history();
  if (reading_.empty()) return false;
  if (cursor_ < history.first()) {
    // Compaction was faster.
    std::vector<Watcher*> late;
    for (auto& [id, watcher] : reading_) {
      if (watcher->next_change < history.first()) late.push_back(watcher);
    }
    for (Watcher* watcher : late) {
      leave_index(*watcher);
      end_truncated(*watcher, state);
    }
    cursor_ = history.first();
  }
  const std::uint64_t stop = std::min(history.end(), cursor_ + changes_max);
  while (cursor_ < stop && !reading_.empty()) {
    const Revision revision = history.at(cursor_).now->fields().modified;
    std::uint64_t end = cursor_ + 1;
    while (end < history.end() && history.at(end).now->fields().modified == revision) ++end;
    read_revision(state, end);
    cursor_ = end;
    has_cursor_moved_ = true;
  }
  if (cursor_ == history.end()) finish_catch_up(state);
  return !reading_.empty();
}

// Changes [cursor_, end) are one revision.
void WatchHub::read_revision(const KeysState& state, std::uint64_t end) {
  matched_.clear();
  for (std::uint64_t i = cursor_; i < end; ++i) {
    const KeyChange& change = state.history().at(i);
    behind_.each_holding(change.now->fields().space, change.now->key(), [&](Watcher* watcher) {
      if (watcher->is_stalled || watcher->next_change > i || !wants(*watcher, change)) return;
      push(*watcher, change);
      if (matched_.empty() || matched_.back() != watcher) matched_.push_back(watcher);
    });
  }
  for (Watcher* watcher : matched_) {
    make_ready(*watcher);
    if (!is_full(*watcher) || watcher->is_stalled) continue;
    watcher->is_stalled = true;
    watcher->next_change = end;
    reading_.erase(watcher->id);
  }
}

// Whoever is read for has seen everything.
void WatchHub::finish_catch_up(const KeysState&) {
  for (auto& [id, watcher] : std::exchange(reading_, {})) {
    behind_.erase(*watcher);
    watcher->is_behind = false;
    up_to_date_.insert(*watcher);
  }
}

void WatchHub::tell_progress(const KeysState& state) {
  for (auto& [id, one] : watchers_) {
    Watcher& watcher = *one;
    if (watcher.end) continue;
    const KeySpace* space = state.find_space(watcher.space);
    if (!space || space->is_removed) {
      end(watcher, {Errc::not_found, "the namespace was removed"}, state.revision().next());
    } else if (watcher.options.wants_progress && !watcher.is_behind && watcher.queue.empty() &&
               watcher.told < state.revision()) {
      watcher.wants_notice = true;
      make_ready(watcher);
    }
  }
}

Revision WatchHub::told(WatchId id) const {
  auto found = watchers_.find(id);
  return found == watchers_.end() ? Revision() : found->second->told;
}

void WatchHub::fill(Watcher& watcher, const KeysState& state, std::size_t events_max,
                    WatchBatch& batch) {
  Revision last;
  while (!watcher.queue.empty()) {
    Queued& next = watcher.queue.front();
    const Revision revision = next.now->fields().modified;
    if (batch.events.size() >= events_max && revision != last) break;
    last = revision;
    KeyEvent event{.kind = next.now->is_deletion() ? KeyEvent::Kind::deleted : KeyEvent::Kind::put,
                   .now = next.now->to_key_value()};
    watcher.queue_bytes -= next.now->size();
    if (next.before) {
      event.before = next.before->to_key_value();
      watcher.queue_bytes -= next.before->size();
    }
    batch.events.push_back(std::move(event));
    watcher.queue.pop_front();
  }
  if (last) watcher.told = std::max(watcher.told, last);
  const bool is_notice = std::exchange(watcher.wants_notice, false);
  batch.is_progress = batch.events.empty() && is_notice;
  // All before a watcher's end has been told; and all that there is to one that is up to date. A
  // batch of nothing is not handed on: who was not told must still be told.
  const bool tells = !batch.events.empty() || batch.is_progress;
  if (tells && watcher.queue.empty() && !watcher.end && !watcher.is_behind) {
    watcher.told = std::max(watcher.told, state.revision());
  }
  batch.upto = watcher.told;
}

WatchBatch WatchHub::finish(WatchId id, const KeysState& state) {
  WatchBatch last;
  auto found = watchers_.find(id);
  if (found == watchers_.end()) return last;
  found->second->wants_notice = true;
  fill(*found->second, state, std::numeric_limits<std::size_t>::max(), last);
  cancel(id);
  return last;
}

WatchHub::Taken WatchHub::take(WatchId id, const KeysState& state, std::size_t events_max) {
  auto found = watchers_.find(id);
  if (found == watchers_.end()) {
    return {.batch = {}, .end = WatchEnd{.error = {Errc::closed, "the watch was cancelled"}}};
  }
  Watcher& watcher = *found->second;
  Taken taken;
  fill(watcher, state, events_max, taken.batch);
  if (!watcher.queue.empty()) {
    make_ready(watcher);
  } else if (watcher.end) {
    taken.end = std::move(watcher.end);
    watchers_.erase(found);
    return taken;
  }
  if (!watcher.end && watcher.is_stalled &&
      watcher.queue.size() <= watcher.options.queue_events_max / 2) {
    behind_.erase(watcher);
    fall_behind(watcher, watcher.next_change);
  }
  return taken;
}

}  // namespace cluster::registry
