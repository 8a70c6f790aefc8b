// What Go calls of cluster/c.h. Each call brings its error's text along, since the text is kept for
// a thread, and a goroutine may go on in another; and takes plain arguments, since Go may not give
// C a pointer to memory that holds pointers.
#pragma once

#include <cluster/c.h>
#include <stdlib.h>
#include <string.h>

typedef struct told {
  int32_t code;
  char* text;  // Of an error: to be freed.
} told;

typedef struct asked {
  int64_t timeout_ms;
  int32_t is_local;
  const void* space;
  size_t space_size;
} asked;

static inline told tell(int32_t code) {
  told result = {code, NULL};
  if (code != CLUSTER_OK) result.text = strdup(cluster_error_text());
  return result;
}

static inline cluster_slice slice_of(const void* data, size_t size) {
  cluster_slice slice = {data, size};
  return slice;
}

static inline cluster_call call_of(asked how) {
  cluster_call call = CLUSTER_CALL_INIT;
  call.timeout_ms = how.timeout_ms;
  call.is_local = how.is_local;
  call.space = slice_of(how.space, how.space_size);
  return call;
}

static inline cluster_key_range range_of(int32_t kind, const void* begin, size_t begin_size,
                                         const void* end, size_t end_size) {
  cluster_key_range range = {kind, 0, {begin, begin_size}, {end, end_size}};
  return range;
}

// ---- The queue and the runtime ----

static inline told shim_queue_open(cluster_queue** out) {
  return tell(cluster_queue_open(NULL, out));
}
static inline told shim_runtime_open(cluster_queue* queue, const char* certificate, const char* key,
                                     const char* authorities, int32_t insecure,
                                     cluster_runtime** out) {
  cluster_runtime_options options = CLUSTER_RUNTIME_OPTIONS_INIT;
  options.queue = queue;
  options.certificate = certificate;
  options.key = key;
  options.authorities = authorities;
  options.insecure = insecure;
  return tell(cluster_runtime_open(&options, out));
}

// ---- The log ----

static inline void shim_log_options_init(cluster_log_options* options) {
  const cluster_log_options defaults = CLUSTER_LOG_OPTIONS_INIT;
  *options = defaults;
}
static inline told shim_log_open(cluster_runtime* runtime, const cluster_log_options* options,
                                 cluster_log** out) {
  return tell(cluster_log_open(runtime, options, out));
}
static inline told shim_log_append(cluster_log* log, const void* data, size_t size, asked how,
                                   uint64_t tag) {
  if (how.timeout_ms == 0) return tell(cluster_log_append(log, slice_of(data, size), NULL, tag));
  const cluster_call call = call_of(how);
  return tell(cluster_log_append(log, slice_of(data, size), &call, tag));
}
static inline told shim_log_append_all(cluster_log* log, const cluster_slice* entries, size_t count,
                                       asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_append_all(log, entries, count, &call, tag));
}
static inline told shim_log_read(cluster_log* log, uint64_t from, uint64_t to, size_t bytes_max,
                                 asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_read(log, from, to, bytes_max, &call, tag));
}
static inline told shim_log_catch_up(cluster_log* log, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_catch_up(log, &call, tag));
}
static inline told shim_log_wait(cluster_log* log, uint64_t from, uint64_t tag) {
  return tell(cluster_log_wait(log, from, tag));
}
static inline told shim_log_watch_leadership(cluster_log* log, uint64_t tag) {
  return tell(cluster_log_watch_leadership(log, tag));
}
static inline told shim_log_watch_health(cluster_log* log, uint64_t tag) {
  return tell(cluster_log_watch_health(log, tag));
}
static inline told shim_log_truncate(cluster_log* log, uint64_t to, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_truncate(log, to, &call, tag));
}
static inline told shim_log_take_snapshot(cluster_log* log, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_take_snapshot(log, &call, tag));
}
static inline told shim_log_read_barrier(cluster_log* log, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_read_barrier(log, &call, tag));
}
static inline told shim_log_members(cluster_log* log, uint64_t tag) {
  return tell(cluster_log_members(log, tag));
}
static inline told shim_log_add_member(cluster_log* log, const char* host, uint16_t port,
                                       int32_t role, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_add_member(log, host, port, role, &call, tag));
}
static inline told shim_log_set_role(cluster_log* log, uint64_t member, int32_t role, asked how,
                                     uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_set_role(log, member, role, &call, tag));
}
static inline told shim_log_remove_member(cluster_log* log, uint64_t member, asked how,
                                          uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_remove_member(log, member, &call, tag));
}
static inline told shim_log_transfer(cluster_log* log, uint64_t member, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_transfer(log, member, &call, tag));
}
static inline told shim_log_start_writer(cluster_log* log, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_log_start_writer(log, &call, tag));
}
static inline told shim_writer_append(cluster_writer* writer, const void* data, size_t size,
                                      asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_writer_append(writer, slice_of(data, size), &call, tag));
}
static inline told shim_log_read_status(cluster_log* log, cluster_log_status* status) {
  status->size = sizeof *status;
  return tell(cluster_log_read_status(log, status));
}
static inline told shim_snapshot_write(cluster_log* log, uint64_t snapshot, const void* data,
                                       size_t size) {
  return tell(cluster_snapshot_write(log, snapshot, slice_of(data, size)));
}
static inline told shim_snapshot_end(cluster_log* log, uint64_t snapshot, int32_t error) {
  return tell(cluster_snapshot_end(log, snapshot, error));
}

// ---- The registry ----

static inline told shim_registry_open(cluster_runtime* runtime, const cluster_log_options* options,
                                      cluster_registry** out) {
  return tell(cluster_registry_open(runtime, options, out));
}
static inline told shim_registry_get(cluster_registry* registry, const void* key, size_t key_size,
                                     asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_get(registry, slice_of(key, key_size), &call, tag));
}
static inline told shim_registry_range(cluster_registry* registry, int32_t kind, const void* begin,
                                       size_t begin_size, const void* end, size_t end_size,
                                       cluster_read_options what, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  const cluster_key_range range = range_of(kind, begin, begin_size, end, end_size);
  what.size = sizeof what;
  return tell(cluster_registry_range(registry, &range, &what, &call, tag));
}
static inline told shim_registry_put(cluster_registry* registry, const void* key, size_t key_size,
                                     const void* value, size_t value_size, uint64_t lease,
                                     asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_put(registry, slice_of(key, key_size), slice_of(value, value_size),
                                   lease, &call, tag));
}
static inline told shim_registry_erase(cluster_registry* registry, int32_t kind, const void* begin,
                                       size_t begin_size, const void* end, size_t end_size,
                                       asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  const cluster_key_range range = range_of(kind, begin, begin_size, end, end_size);
  return tell(cluster_registry_erase(registry, &range, &call, tag));
}
static inline told shim_registry_transact(cluster_registry* registry,
                                          const cluster_transaction* transaction, asked how,
                                          uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_transact(registry, transaction, &call, tag));
}
// A field of C that is a word of Go.
static inline void shim_set_from(cluster_watch_options* what, uint64_t from) { what->from = from; }
static inline told shim_registry_watch(cluster_registry* registry, int32_t kind, const void* begin,
                                       size_t begin_size, const void* end, size_t end_size,
                                       cluster_watch_options what, asked how, cluster_watch** out) {
  const cluster_call call = call_of(how);
  const cluster_key_range range = range_of(kind, begin, begin_size, end, end_size);
  what.size = sizeof what;
  return tell(cluster_registry_watch(registry, &range, &what, &call, out));
}
static inline told shim_watch_next(cluster_watch* watch, uint64_t tag) {
  return tell(cluster_watch_next(watch, tag));
}
static inline told shim_registry_grant_lease(cluster_registry* registry, int64_t ttl_ms,
                                             int32_t is_kept, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_grant_lease(registry, ttl_ms, is_kept, &call, tag));
}
static inline told shim_registry_renew_lease(cluster_registry* registry, uint64_t lease, asked how,
                                             uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_renew_lease(registry, lease, &call, tag));
}
static inline told shim_registry_revoke_lease(cluster_registry* registry, uint64_t lease, asked how,
                                              uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_revoke_lease(registry, lease, &call, tag));
}
static inline told shim_registry_lease_loss(cluster_registry* registry, uint64_t lease,
                                            uint64_t tag) {
  return tell(cluster_registry_lease_loss(registry, lease, tag));
}
static inline told shim_registry_compact(cluster_registry* registry, uint64_t revision, asked how,
                                         uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_compact(registry, revision, &call, tag));
}
static inline told shim_registry_set_namespace(cluster_registry* registry, const void* name,
                                               size_t name_size, uint64_t keys_max,
                                               uint64_t bytes_max, asked how, uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_set_namespace(registry, slice_of(name, name_size), keys_max,
                                             bytes_max, &call, tag));
}

// ---- Locks and elections ----

static inline cluster_lock_options turn_of(int64_t ttl_ms, int64_t patience_ms, int32_t is_shared,
                                           asked how) {
  cluster_lock_options options = CLUSTER_LOCK_OPTIONS_INIT;
  options.ttl_ms = ttl_ms;
  options.patience_ms = patience_ms;
  options.is_shared = is_shared;
  options.space = slice_of(how.space, how.space_size);
  return options;
}
static inline told shim_registry_lock(cluster_registry* registry, const char* name, int64_t ttl_ms,
                                      int64_t patience_ms, int32_t is_shared, asked how,
                                      uint64_t tag) {
  const cluster_lock_options options = turn_of(ttl_ms, patience_ms, is_shared, how);
  return tell(cluster_registry_lock(registry, name, &options, tag));
}
static inline told shim_registry_elect(cluster_registry* registry, const char* name,
                                       const void* value, size_t value_size, int64_t ttl_ms,
                                       int64_t patience_ms, asked how, uint64_t tag) {
  const cluster_lock_options options = turn_of(ttl_ms, patience_ms, 0, how);
  return tell(cluster_registry_elect(registry, name, slice_of(value, value_size), &options, tag));
}
static inline told shim_registry_cancel(cluster_registry* registry, uint64_t tag) {
  return tell(cluster_registry_cancel(registry, tag));
}
static inline told shim_registry_leader(cluster_registry* registry, const char* name, asked how,
                                        uint64_t tag) {
  const cluster_call call = call_of(how);
  return tell(cluster_registry_leader(registry, name, &call, tag));
}
static inline told shim_lock_loss(cluster_lock* lock, uint64_t tag) {
  return tell(cluster_lock_loss(lock, tag));
}
static inline told shim_lock_release(cluster_lock* lock, uint64_t tag) {
  return tell(cluster_lock_release(lock, tag));
}
