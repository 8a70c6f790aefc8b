#include "bindings/c/machine.hpp"

#include "bindings/c/handles.hpp"

namespace cluster::c {
namespace {

constexpr std::size_t restore_part_bytes = 1 << 20;

}  // namespace

void Machine::apply(const std::vector<Entry>& entries) {
  queue_->push_when_room(entries_event(tag_, CLUSTER_EVENT_APPLY, entries), *is_closing_);
}

Result<SnapshotJob> Machine::begin_snapshot() {
  auto channel = std::make_shared<Channel>();
  std::uint64_t snapshot = 0;
  {
    std::lock_guard lock(mutex_);
    if (*is_closing_) return Error{Errc::closed, "the log is being closed"};
    snapshot = ++snapshots_;
    channels_.emplace(snapshot, channel);
  }
  queue_->push(event_of(tag_, CLUSTER_EVENT_SNAPSHOT, snapshot));
  return SnapshotJob([channel](SnapshotWriter& writer) -> Result<void> {
    for (;;) {
      std::string part;
      {
        std::unique_lock lock(channel->mutex);
        channel->changed.wait(lock, [&] { return channel->is_over || !channel->parts.empty(); });
        if (channel->error != Errc::ok) {
          return Error{channel->error, "the state machine gave up its snapshot"};
        }
        if (channel->parts.empty()) return {};
        part = std::move(channel->parts.front());
        channel->parts.pop_front();
      }
      if (auto written = writer.write(part); !written) return written;
    }
  });
}

// Not held to the queue's limit: the host may be inside `cluster_log_open`, and take nothing.
Result<void> Machine::restore(SnapshotReader& reader) {
  std::uint32_t place = CLUSTER_FLAG_FIRST;
  auto part = reader.read(restore_part_bytes);
  for (;;) {
    if (!part) return std::move(part).error();
    auto next = part->empty() ? Result<Bytes>(Bytes()) : reader.read(restore_part_bytes);
    const bool is_last = next && next->empty();
    auto kept = std::make_shared<Bytes>(*part);
    Pending pending = event_of(tag_, CLUSTER_EVENT_RESTORE);
    pending.event.flags = place;
    if (is_last) pending.event.flags |= CLUSTER_FLAG_LAST;
    pending.event.items = kept->data();
    pending.event.item_count = kept->size();
    pending.event.item_size = 1;
    pending.bytes = kept->size();
    pending.items = kept;
    queue_->push(std::move(pending));
    if (is_last) return {};
    place = 0;
    part = std::move(next);
  }
}

Result<std::shared_ptr<Machine::Channel>> Machine::channel(std::uint64_t snapshot, bool is_last) {
  std::lock_guard lock(mutex_);
  auto at = channels_.find(snapshot);
  if (at == channels_.end()) {
    return Error{Errc::not_found,
                 "no snapshot " + std::to_string(snapshot) + " was asked for, or it has ended"};
  }
  auto found = at->second;
  if (is_last) channels_.erase(at);
  return found;
}

Result<void> Machine::write_snapshot(std::uint64_t snapshot, ByteView bytes) {
  auto to = channel(snapshot, false);
  if (!to) return std::move(to).error();
  if (bytes.empty()) return {};
  std::lock_guard lock((*to)->mutex);
  (*to)->parts.emplace_back(bytes);
  (*to)->changed.notify_all();
  return {};
}

Result<void> Machine::end_snapshot(std::uint64_t snapshot, Errc error) {
  auto to = channel(snapshot, true);
  if (!to) return std::move(to).error();
  std::lock_guard lock((*to)->mutex);
  (*to)->is_over = true;
  (*to)->error = error;
  (*to)->changed.notify_all();
  return {};
}

void Machine::close() {
  std::map<std::uint64_t, std::shared_ptr<Channel>> channels;
  {
    std::lock_guard lock(mutex_);
    channels.swap(channels_);
  }
  for (auto& [snapshot, channel] : channels) {
    std::lock_guard lock(channel->mutex);
    channel->is_over = true;
    channel->error = Errc::closed;
    channel->changed.notify_all();
  }
}

}  // namespace cluster::c
