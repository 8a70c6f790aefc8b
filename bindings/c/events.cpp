#include "bindings/c/handles.hpp"

namespace cluster::c {
namespace {

thread_local std::string last_error;

}  // namespace

std::int32_t refuse(Error error) {
  last_error = std::move(error.context);
  return static_cast<std::int32_t>(error.code);
}

std::int32_t refuse(Errc code, std::string context) {
  return refuse(Error{code, std::move(context)});
}

const std::string& error_text() { return last_error; }

Result<KeyCallOptions> taken_call(const cluster_call* given) {
  auto call = taken(given, cluster_call CLUSTER_CALL_INIT, "cluster_call");
  if (!call) return std::move(call).error();
  if (call->timeout_ms < 0) {
    return Error{Errc::invalid_argument, "cluster_call.timeout_ms is " +
                                             std::to_string(call->timeout_ms) +
                                             "; give a time, or 0 for the default"};
  }
  KeyCallOptions options;
  options.space = std::string(view(call->space));
  options.is_local = call->is_local != 0;
  options.call.timeout = std::chrono::milliseconds(call->timeout_ms);
  return options;
}

Pending event_of(std::uint64_t tag, std::int32_t kind, std::uint64_t a, std::uint64_t b) {
  Pending pending;
  pending.event.tag = tag;
  pending.event.kind = kind;
  pending.event.a = a;
  pending.event.b = b;
  return pending;
}

void set_text(Pending& pending, std::string text) {
  auto kept = std::make_shared<std::string>(std::move(text));
  pending.event.items = kept->c_str();
  pending.event.item_count = kept->size();
  pending.event.item_size = 1;
  pending.items = kept;
}

Pending failure(std::uint64_t tag, const Error& error, std::int32_t kind) {
  Pending pending = event_of(tag, kind);
  pending.event.error = static_cast<std::int32_t>(error.code);
  pending.event.outcome = static_cast<std::int32_t>(error.outcome);
  set_text(pending, error.context);
  return pending;
}

Pending entries_event(std::uint64_t tag, std::int32_t kind, std::vector<Entry> entries) {
  struct Kept {
    std::vector<Entry> entries;
    std::vector<cluster_entry> rows;
  };
  auto kept = std::make_shared<Kept>();
  kept->entries = std::move(entries);
  kept->rows.reserve(kept->entries.size());
  Pending pending = event_of(tag, kind);
  for (const Entry& entry : kept->entries) {
    kept->rows.push_back({entry.position.value(), slice(entry.data.view())});
    pending.bytes += entry.data.size() + sizeof(cluster_entry);
  }
  set_items(pending, kept, kept->rows);
  return pending;
}

Pending leadership_event(std::uint64_t tag, const Leadership& leadership) {
  Pending pending =
      event_of(tag, CLUSTER_EVENT_LEADERSHIP, leadership.term, leadership.leader.value());
  if (leadership.is_self) pending.event.flags = CLUSTER_FLAG_SELF;
  return pending;
}

cluster_key_value row_of(const KeyValue& key) {
  return {slice(key.key), slice(key.value.view()), key.created.value(), key.modified.value(),
          key.version,    key.lease.value()};
}

}  // namespace cluster::c
