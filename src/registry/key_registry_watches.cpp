// A registry's watches: who waits for events, and history read a part at a time.
#include "registry/key_registry_core.hpp"

namespace cluster {

using registry::WatchHub;
using registry::WatchId;

Result<WatchBatch> Registry::Core::to_batch(WatchHub::Taken taken, std::optional<WatchEnd>& end) {
  if (!taken.end) return std::move(taken.batch);
  end = *std::move(taken.end);
  // What came before the end is taken first.
  if (!taken.batch.events.empty()) return std::move(taken.batch);
  return end->error;
}

void Registry::Core::pump_watches(News& news) {
  for (WatchId id : hub_.take_ready()) {
    auto taker = takers_.find(id);
    if (taker == takers_.end()) continue;  // It takes when it asks.
    auto taken = hub_.take(id, state);
    if (taken.batch.events.empty() && !taken.batch.is_progress && !taken.end) continue;
    auto batch = to_batch(std::move(taken), *taker->second.end);
    news.batches.emplace_back(std::move(taker->second.promise), std::move(batch));
    takers_.erase(taker);
  }
  if (hub_.is_reading()) read_history_soon();
}

// A part of the history at a time, and others in between.
void Registry::Core::read_history_soon() {
  if (is_reading_history_ || stopped) return;
  is_reading_history_ = true;
  host.delivery()->execute([weak = weak_from_this()] {
    auto core = weak.lock();
    if (!core) return;
    News news;
    {
      std::lock_guard lock(core->mutex);
      core->is_reading_history_ = false;
      const bool has_more = core->hub_.catch_up(core->state);
      core->pump_watches(news);
      if (has_more) core->read_history_soon();
    }
    news.tell();
  });
}

Op<WatchBatch> Registry::Core::next(WatchId id,
                                    const std::shared_ptr<std::optional<WatchEnd>>& end) {
  if (host.is_forked()) return Op<WatchBatch>::ready(runtime::forked_error());
  Promise<WatchBatch> promise(host.delivery());
  Op<WatchBatch> op = promise.op();
  std::optional<Result<WatchBatch>> result;
  {
    std::lock_guard lock(mutex);
    if (*end) {
      result = Result<WatchBatch>((*end)->error);
    } else if (stopped) {
      *end = WatchEnd{.error = *stopped, .resume_from = hub_.told(id).next()};
      result = Result<WatchBatch>(*stopped);
    } else if (takers_.contains(id)) {
      result = Result<WatchBatch>(Errc::invalid_argument, "one next() of a watch at a time");
    } else {
      auto taken = hub_.take(id, state);
      if (!taken.batch.events.empty() || taken.batch.is_progress || taken.end) {
        result = to_batch(std::move(taken), *end);
      } else {
        takers_.emplace(id, Taker{std::move(promise), end});
      }
      if (hub_.is_reading()) read_history_soon();
    }
  }
  if (result) promise.complete(*std::move(result));
  return op;
}

WatchBatch Registry::Core::finish(WatchId id) {
  WatchBatch last;
  {
    std::lock_guard lock(mutex);
    last = hub_.finish(id, state);
  }
  cancel(id);
  return last;
}

void Registry::Core::cancel(WatchId id) {
  News news;
  {
    std::lock_guard lock(mutex);
    hub_.cancel(id);
    auto taker = takers_.find(id);
    if (taker == takers_.end()) return;
    news.batches.emplace_back(std::move(taker->second.promise),
                              Error{Errc::closed, "the watch was cancelled"});
    takers_.erase(taker);
  }
  news.tell();
}

}  // namespace cluster
