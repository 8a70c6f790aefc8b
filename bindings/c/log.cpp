#include "bindings/c/handles.hpp"
#include "bindings/c/machine.hpp"
#include "bindings/c/options.hpp"

using namespace cluster;
using namespace cluster::c;

namespace {

MemberRole role_of(std::int32_t role) { return static_cast<MemberRole>(role); }

Pending members_event(std::uint64_t tag, Members members) {
  struct Kept {
    Members members;
    std::vector<cluster_member> rows;
  };
  auto kept = std::make_shared<Kept>();
  kept->members = std::move(members);
  for (const MemberInfo& member : kept->members.members) {
    cluster_member row{};
    row.id = member.id.value();
    row.host = member.endpoint.host.c_str();
    row.port = member.endpoint.port;
    row.role = static_cast<std::uint8_t>(member.role);
    row.has_joined = member.has_joined;
    row.is_heard = member.is_heard;
    row.chosen_end = member.chosen_end.value();
    kept->rows.push_back(row);
  }
  Pending pending = event_of(tag, CLUSTER_EVENT_MEMBERS, kept->members.since.value());
  set_items(pending, kept, kept->rows);
  return pending;
}

std::int32_t change(cluster_log* log, MemberEdit edit, const cluster_call* given,
                    std::uint64_t tag) {
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(log->queue, tag, CLUSTER_EVENT_MEMBERS,
                log->log->change_members({edit}, call->call),
                [tag](Members members) { return members_event(tag, std::move(members)); });
}

bool is_role(std::int32_t role) { return role >= CLUSTER_VOTER && role <= CLUSTER_LEARNER; }

std::int32_t refuse_role(std::int32_t role) {
  return refuse(Errc::invalid_argument, "there is no role " + std::to_string(role) +
                                            "; take CLUSTER_VOTER, _WITNESS or _LEARNER");
}

}  // namespace

cluster_log::~cluster_log() = default;

int32_t cluster_log_open(cluster_runtime* runtime, const cluster_log_options* given,
                         cluster_log** out) {
  if (out == nullptr) return refuse(Errc::invalid_argument, "`out` is NULL");
  if (auto code = refusal_of(runtime)) return code;
  auto options = taken_log_options(given);
  if (!options) return refuse(options.error());
  auto handle = std::make_unique<cluster_log>();
  handle->queue = runtime->queue;
  if (given->has_state_machine != 0) {
    handle->machine =
        std::make_unique<Machine>(runtime->queue, given->machine_tag, handle->is_closing);
    options->state_machine = handle->machine.get();
  }
  auto log = Log::open(runtime->runtime, *std::move(options));
  if (!log) return refuse(log.error());
  handle->own.emplace(*std::move(log));
  handle->log = &*handle->own;
  *out = handle.release();
  return CLUSTER_OK;
}

void cluster_log_close(cluster_log* log) {
  if (!is_usable(log) || !log->own) return;
  *log->is_closing = true;
  log->queue->wake_sources();
  if (log->machine) log->machine->close();
  log->own.reset();
  const Error closed{Errc::closed, "the log was closed"};
  for (auto [from, tag] : log->waits->tags) log->queue->push(failure(tag, closed));
  delete log;
}

int32_t cluster_log_append(cluster_log* log, cluster_slice data, const cluster_call* given,
                           uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer_number(log->queue, tag, log->log->append(Bytes(view(data)), call->call));
}

int32_t cluster_log_append_all(cluster_log* log, const cluster_slice* entries, size_t count,
                               const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  if (entries == nullptr && count > 0) return refuse(Errc::invalid_argument, "`entries` is NULL");
  std::vector<Bytes> copies;
  copies.reserve(count);
  for (std::size_t i = 0; i < count; ++i) copies.emplace_back(view(entries[i]));
  return answer(log->queue, tag, CLUSTER_EVENT_POSITIONS,
                log->log->append(std::move(copies), call->call),
                [tag](const std::vector<Position>& positions) {
                  auto kept = std::make_shared<std::vector<std::uint64_t>>();
                  for (Position at : positions) kept->push_back(at.value());
                  Pending pending = event_of(tag, CLUSTER_EVENT_POSITIONS);
                  set_items(pending, kept, *kept);
                  return pending;
                });
}

int32_t cluster_log_read(cluster_log* log, uint64_t from, uint64_t to, size_t bytes_max,
                         const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(log->queue, tag, CLUSTER_EVENT_ENTRIES,
                log->log->read(Position(from), Position(to), bytes_max, call->call),
                [tag](std::vector<Entry> entries) {
                  return entries_event(tag, CLUSTER_EVENT_ENTRIES, std::move(entries));
                });
}

int32_t cluster_log_catch_up(cluster_log* log, const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(log->queue, tag, CLUSTER_EVENT_RANGE, log->log->catch_up(call->call),
                [tag](const LogRange& range) {
                  return event_of(tag, CLUSTER_EVENT_RANGE, range.first.value(), range.end.value());
                });
}

int32_t cluster_log_follow(cluster_log* log, uint64_t from, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  if (log->machine || !log->own) {
    return refuse(Errc::unsupported,
                  "a log with a state machine is not followed: its entries are "
                  "that state machine's");
  }
  log->log->follow(Position(from), [queue = log->queue, is_closing = log->is_closing,
                                    tag](const std::vector<Entry>& entries) {
    queue->push_when_room(entries_event(tag, CLUSTER_EVENT_ENTRIES, entries), *is_closing);
  });
  return CLUSTER_OK;
}

int32_t cluster_log_wait(cluster_log* log, uint64_t from, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  if (log->machine || !log->own) {
    return refuse(Errc::unsupported,
                  "a log with a state machine has no followers: its entries are "
                  "that state machine's");
  }
  auto waits = log->waits;
  std::unique_lock lock(waits->mutex);
  const std::uint64_t end = log->log->range().end.value();
  if (from < end) {
    lock.unlock();
    log->queue->push(event_of(tag, CLUSTER_EVENT_DONE, end));
    return CLUSTER_OK;
  }
  waits->tags.emplace(from, tag);
  if (std::exchange(waits->is_following, true)) return CLUSTER_OK;
  lock.unlock();
  log->log->follow(Position(end), [waits, queue = log->queue](const std::vector<Entry>& entries) {
    if (entries.empty()) return;
    const std::uint64_t seen = entries.back().position.value() + 1;
    std::lock_guard inner(waits->mutex);
    auto reached = waits->tags.lower_bound(seen);
    for (auto at = waits->tags.begin(); at != reached; ++at) {
      queue->push(event_of(at->second, CLUSTER_EVENT_DONE, seen));
    }
    waits->tags.erase(waits->tags.begin(), reached);
  });
  return CLUSTER_OK;
}

int32_t cluster_log_watch_leadership(cluster_log* log, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  log->log->watch_leadership([queue = log->queue, tag](const Leadership& leadership) {
    queue->push(leadership_event(tag, leadership));
  });
  return CLUSTER_OK;
}

int32_t cluster_log_watch_health(cluster_log* log, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  log->log->watch_health([queue = log->queue, tag](const Health& health) {
    Pending pending = event_of(tag, CLUSTER_EVENT_HEALTH);
    if (health.is_live) pending.event.flags |= CLUSTER_FLAG_LIVE;
    if (health.is_ready) pending.event.flags |= CLUSTER_FLAG_READY;
    set_text(pending, health.reason);
    queue->push(std::move(pending));
  });
  return CLUSTER_OK;
}

int32_t cluster_log_truncate(cluster_log* log, uint64_t to, const cluster_call* given,
                             uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer_number(log->queue, tag, log->log->truncate(Position(to), call->call));
}

int32_t cluster_log_take_snapshot(cluster_log* log, const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer_number(log->queue, tag, log->log->take_snapshot(call->call));
}

int32_t cluster_log_read_barrier(cluster_log* log, const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer_number(log->queue, tag, log->log->read_barrier(call->call));
}

int32_t cluster_log_members(cluster_log* log, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  log->queue->push(members_event(tag, log->log->members()));
  return CLUSTER_OK;
}

int32_t cluster_log_add_member(cluster_log* log, const char* host, uint16_t port, int32_t role,
                               const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  if (!is_role(role)) return refuse_role(role);
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(log->queue, tag, CLUSTER_EVENT_TOKEN,
                log->log->add_member({{text(host), port}, role_of(role)}, call->call),
                [tag](const JoinToken& token) {
                  Pending pending = event_of(tag, CLUSTER_EVENT_TOKEN);
                  set_text(pending, to_string(token));
                  return pending;
                });
}

int32_t cluster_log_set_role(cluster_log* log, uint64_t member, int32_t role,
                             const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  if (!is_role(role)) return refuse_role(role);
  return change(log, SetMemberRole{NodeId(member), role_of(role)}, given, tag);
}

int32_t cluster_log_remove_member(cluster_log* log, uint64_t member, const cluster_call* given,
                                  uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  return change(log, RemoveMember{NodeId(member)}, given, tag);
}

int32_t cluster_log_transfer(cluster_log* log, uint64_t member, const cluster_call* given,
                             uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(log->queue, tag, CLUSTER_EVENT_LEADERSHIP,
                log->log->transfer_leadership(NodeId(member), call->call),
                [tag](const Leadership& leadership) { return leadership_event(tag, leadership); });
}

int32_t cluster_log_start_writer(cluster_log* log, const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(log)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(log->queue, tag, CLUSTER_EVENT_WRITER, log->log->start_writer(call->call),
                [tag, queue = log->queue](Log::Writer writer) {
                  Pending pending = event_of(tag, CLUSTER_EVENT_WRITER, writer.term());
                  pending.event.handle = new cluster_writer{queue, std::move(writer)};
                  pending.discard = [](void* handle) {
                    delete static_cast<cluster_writer*>(handle);
                  };
                  return pending;
                });
}

int32_t cluster_writer_append(cluster_writer* writer, cluster_slice data, const cluster_call* given,
                              uint64_t tag) {
  if (auto code = refusal_of(writer)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer_number(writer->queue, tag, writer->writer.append(Bytes(view(data)), call->call));
}

void cluster_writer_close(cluster_writer* writer) {
  if (is_usable(writer)) delete writer;
}

int32_t cluster_log_read_status(cluster_log* log, cluster_log_status* out) {
  if (auto code = refusal_of(log)) return code;
  if (out == nullptr || out->size < sizeof out->size) {
    return refuse(Errc::invalid_argument, "`status` is NULL, or its size is not set");
  }
  const Leadership leadership = log->log->leadership();
  const LogRange range = log->log->range();
  const Health health = log->log->health();
  cluster_log_status status{};
  status.size = out->size;
  status.self = log->log->self().value();
  status.first = range.first.value();
  status.end = range.end.value();
  status.term = leadership.term;
  status.leader = leadership.leader.value();
  status.is_leader = leadership.is_self;
  status.is_live = health.is_live;
  status.is_ready = health.is_ready;
  health.reason.copy(status.reason, sizeof status.reason - 1);
  std::memcpy(out, &status, std::min(out->size, sizeof status));
  return CLUSTER_OK;
}

int32_t cluster_snapshot_write(cluster_log* log, uint64_t snapshot, cluster_slice data) {
  if (auto code = refusal_of(log)) return code;
  if (!log->machine) return refuse(Errc::unsupported, "this log has no state machine");
  auto written = log->machine->write_snapshot(snapshot, view(data));
  return written ? CLUSTER_OK : refuse(written.error());
}

int32_t cluster_snapshot_end(cluster_log* log, uint64_t snapshot, int32_t error) {
  if (auto code = refusal_of(log)) return code;
  if (!log->machine) return refuse(Errc::unsupported, "this log has no state machine");
  const bool is_known = error >= 0 && error <= static_cast<std::int32_t>(errc_last);
  auto ended =
      log->machine->end_snapshot(snapshot, is_known ? static_cast<Errc>(error) : Errc::failed);
  return ended ? CLUSTER_OK : refuse(ended.error());
}

size_t cluster_log_metrics(cluster_log* log, char* to, size_t capacity) {
  if (!is_usable(log)) return 0;
  const std::string all = to_prometheus(log->log->metrics());
  if (to == nullptr || capacity == 0) return all.size();
  const std::size_t size = all.copy(to, capacity - 1);
  to[size] = '\0';
  return all.size();
}
