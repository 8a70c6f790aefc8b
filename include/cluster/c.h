/* The C face of libcluster, for C and for every language that speaks C.
 *
 *   cluster_queue* queue;
 *   cluster_queue_open(NULL, &queue);
 *   cluster_runtime_options how = CLUSTER_RUNTIME_OPTIONS_INIT;
 *   how.queue = queue;
 *   how.insecure = 1;
 *   cluster_runtime* runtime;
 *   if (cluster_runtime_open(&how, &runtime) != 0) puts(cluster_error_text());
 *   ...
 *   cluster_log_append(log, (cluster_slice){"hello", 5}, NULL, 7);
 *   cluster_event events[64];
 *   int n = cluster_queue_next(queue, events, sizeof events[0], 64, 1000);   // One has tag 7.
 *
 * Nothing here ever calls you. A call that takes time is given a `tag` of your choice, returns at
 * once, and ends as exactly one event with that tag in the queue of its runtime. Entries to apply,
 * watched changes and losses of leases arrive there too, in order. The queue has a descriptor to
 * poll; take its events in batches.
 *
 * Return values: 0, or one of CLUSTER_E_*; then `cluster_error_text` has a sentence for a person
 * and no event follows. Enumerations are int32_t; take values that you do not know for failures.
 *
 * Structs that you fill begin with `size`, their sizeof: set them up with their _INIT, which also
 * sets the defaults. What is added later comes at their end. Arrays that you are given say how
 * large their items are (`item_size`): step by that. Functions are only ever added.
 *
 * Memory: what you pass is copied before the call returns. What an event points to is yours until
 * the next cluster_queue_next on that queue.
 *
 * Handles: open gives one, close ends it and waits for what is under way; open calls then end as
 * events with CLUSTER_E_CLOSED. Close the parts before their runtime, the runtime before its queue.
 *
 * Threads: any call from any thread; but one thread at a time takes from a queue, and nobody uses a
 * handle while or after it is closed.
 *
 * fork: a child has none of the threads. Calls in it return CLUSTER_E_UNSUPPORTED; closing does
 * nothing there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CLUSTER_API __attribute__((visibility("default")))
#else
#define CLUSTER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Grows by one with what is added. A binding compares it with the one it was made for. */
#define CLUSTER_ABI_VERSION 1
CLUSTER_API uint32_t cluster_abi_version(void);

/* ---- Errors: as cluster::Errc; never renumbered ---- */

enum {
  CLUSTER_OK = 0,
  CLUSTER_E_INVALID_ARGUMENT = 1,
  CLUSTER_E_NOT_FOUND = 2,
  CLUSTER_E_ALREADY_EXISTS = 3,
  CLUSTER_E_FENCED = 4,
  CLUSTER_E_NO_LEADER = 5,
  CLUSTER_E_TIMED_OUT = 6,
  CLUSTER_E_CLOSED = 7,
  CLUSTER_E_OVERLOADED = 8,
  CLUSTER_E_TOO_LARGE = 9,
  CLUSTER_E_TRUNCATED = 10,
  CLUSTER_E_CORRUPT = 11,
  CLUSTER_E_STORAGE = 12,
  CLUSTER_E_UNREACHABLE = 13,
  CLUSTER_E_PROTOCOL = 14,
  CLUSTER_E_WRONG_CLUSTER = 15,
  CLUSTER_E_UNSUPPORTED = 16,
  CLUSTER_E_PERMISSION = 17,
  CLUSTER_E_ADDRESS_IN_USE = 18,
  CLUSTER_E_WOULD_DEADLOCK = 19,
  CLUSTER_E_INSUFFICIENT = 20,
  CLUSTER_E_FAILED = 21,
  CLUSTER_E_CANCELLED = 22,
  CLUSTER_E_DISK_FULL = 23,
  CLUSTER_E_READ_ONLY = 24
};

/* "timed out" for CLUSTER_E_TIMED_OUT; for an unknown code "unknown error". */
CLUSTER_API const char* cluster_error_name(int32_t error);
/* Of the last call of this thread that returned an error: what was wrong, and what would be right.
 */
CLUSTER_API const char* cluster_error_text(void);

/* ---- Bytes ---- */

typedef struct cluster_slice {
  const void* data;
  size_t size;
} cluster_slice;

/* ---- The queue ---- */

typedef struct cluster_queue cluster_queue;
typedef struct cluster_runtime cluster_runtime;
typedef struct cluster_log cluster_log;
typedef struct cluster_writer cluster_writer;
typedef struct cluster_registry cluster_registry;
typedef struct cluster_watch cluster_watch;
typedef struct cluster_lock cluster_lock;

/* What an event is, and what its fields mean then. With an error all of them are 0, and `items` is
 * the error's text, of `item_count` bytes. */
enum {
  CLUSTER_EVENT_DONE = 1,       /* a: the position, revision, or number that the call yields */
  CLUSTER_EVENT_POSITIONS = 2,  /* items: uint64_t, as the entries were given */
  CLUSTER_EVENT_ENTRIES = 3,    /* items: cluster_entry. Of a read, or of a follower */
  CLUSTER_EVENT_RANGE = 4,      /* a, b: the range's first position and its end */
  CLUSTER_EVENT_MEMBERS = 5,    /* items: cluster_member */
  CLUSTER_EVENT_TOKEN = 6,      /* items: text of item_count bytes */
  CLUSTER_EVENT_WRITER = 7,     /* handle: cluster_writer; a: its term */
  CLUSTER_EVENT_LEADERSHIP = 8, /* a: the term, b: the leader or 0, flags: CLUSTER_FLAG_SELF */
  CLUSTER_EVENT_HEALTH = 9,     /* flags: CLUSTER_FLAG_LIVE, _READY; items: the reason's text */

  CLUSTER_EVENT_APPLY = 16,    /* items: cluster_entry */
  CLUSTER_EVENT_SNAPSHOT = 17, /* a: the number to answer with; see cluster_snapshot_write */
  CLUSTER_EVENT_RESTORE =
      18, /* items: the snapshot's next bytes; flags: CLUSTER_FLAG_FIRST, _LAST */

  CLUSTER_EVENT_KEYS = 32, /* items: cluster_key_value; a: the revision, b: keys in the range;
                              flags: CLUSTER_FLAG_MORE */
  CLUSTER_EVENT_TRANSACTION = 33, /* items: cluster_operation_result; a: the revision; flags:
                                     CLUSTER_FLAG_SUCCEEDED */
  CLUSTER_EVENT_CHANGES = 34,     /* items: cluster_change; a: told up to this revision; flags:
                                     CLUSTER_FLAG_PROGRESS */
  CLUSTER_EVENT_WATCH_END = 35,   /* error, its text, and b: the revision to watch on from */
  CLUSTER_EVENT_LEASE = 36,       /* a: the lease, b: its time to live, milliseconds */
  CLUSTER_EVENT_LEASE_LOST = 37,  /* a: the lease; flags: CLUSTER_FLAG_ENDED */
  CLUSTER_EVENT_LOCK = 38         /* handle: cluster_lock; a: the fencing token, b: its lease */
};

enum {
  CLUSTER_FLAG_SELF = 1,
  CLUSTER_FLAG_LIVE = 2,
  CLUSTER_FLAG_READY = 4,
  CLUSTER_FLAG_FIRST = 8,
  CLUSTER_FLAG_LAST = 16,
  CLUSTER_FLAG_MORE = 32,
  CLUSTER_FLAG_SUCCEEDED = 64,
  CLUSTER_FLAG_PROGRESS = 128,
  CLUSTER_FLAG_ENDED = 256
};

/* Whether what failed may have taken effect. */
enum { CLUSTER_NOT_APPLIED = 0, CLUSTER_MAYBE = 1 };

typedef struct cluster_event {
  uint64_t tag;
  int32_t kind;    /* CLUSTER_EVENT_* */
  int32_t error;   /* 0 or CLUSTER_E_* */
  int32_t outcome; /* of an error: CLUSTER_MAYBE or CLUSTER_NOT_APPLIED */
  uint32_t flags;
  uint64_t a;
  uint64_t b;
  void* handle;
  const void* items;
  size_t item_count;
  size_t item_size;
} cluster_event;

typedef struct cluster_queue_options {
  size_t size;
  /* Applied, followed and watched bytes that may wait here. Beyond it their sources wait, and the
   * host's calls do not. */
  size_t bytes_max;
} cluster_queue_options;
#define CLUSTER_QUEUE_OPTIONS_INIT \
  { sizeof(cluster_queue_options), (size_t)64 << 20 }

/* NULL options: the defaults. */
CLUSTER_API int32_t cluster_queue_open(const cluster_queue_options*, cluster_queue** out);
CLUSTER_API void cluster_queue_close(cluster_queue*);
/* Readable while events wait. Yours to poll, not to read from or to close. */
CLUSTER_API int cluster_queue_descriptor(cluster_queue*);
/* Takes up to `capacity` events, each of `event_size` = sizeof(cluster_event) bytes; waits for the
 * first for `timeout_ms`, with -1 for ever and with 0 not at all. Returns how many, 0 when the time
 * is over, or -1 with cluster_error_text. */
CLUSTER_API int cluster_queue_next(cluster_queue*, cluster_event* events, size_t event_size,
                                   size_t capacity, int64_t timeout_ms);

/* ---- The runtime: threads, network, certificates ---- */

typedef struct cluster_runtime_options {
  size_t size;
  cluster_queue* queue;    /* Where its events go. */
  const char* certificate; /* PEM files, read again when they change: */
  const char* key;
  const char* authorities;
  int32_t insecure; /* 1, and no files: plain text. */
} cluster_runtime_options;
#define CLUSTER_RUNTIME_OPTIONS_INIT \
  { sizeof(cluster_runtime_options), NULL, NULL, NULL, NULL, 0 }

CLUSTER_API int32_t cluster_runtime_open(const cluster_runtime_options*, cluster_runtime** out);
CLUSTER_API void cluster_runtime_close(cluster_runtime*);

/* ---- Calls ---- */

/* NULL: the defaults. */
typedef struct cluster_call {
  size_t size;
  int64_t timeout_ms; /* 0: the log's request timeout. */
  int32_t is_local;   /* Of reads of keys: what this member knows, without asking; it may be old. */
  int32_t reserved;
  cluster_slice space; /* Of keys: the namespace. */
} cluster_call;
#define CLUSTER_CALL_INIT                      \
  {                                            \
    sizeof(cluster_call), 0, 0, 0, { NULL, 0 } \
  }

/* ---- The log: see cluster/log.hpp for what each call guarantees ---- */

typedef struct cluster_member {
  uint64_t id;
  const char* host;
  uint16_t port;
  uint8_t role; /* CLUSTER_VOTER, _WITNESS, _LEARNER */
  uint8_t has_joined;
  uint8_t is_heard;
  uint8_t reserved[3];
  uint64_t chosen_end; /* It has everything before this; 0: not known. */
} cluster_member;
enum { CLUSTER_VOTER = 0, CLUSTER_WITNESS = 1, CLUSTER_LEARNER = 2 };

typedef struct cluster_entry {
  uint64_t position;
  cluster_slice data;
} cluster_entry;

typedef struct cluster_log_options {
  size_t size;
  const char* directory;
  /* An empty directory becomes a founder's with these three, the same `cluster` and `members` at
   * every founder; or a newcomer's with `join`, a token. A directory that is a member needs none.
   */
  uint64_t cluster;
  uint64_t self;
  const cluster_member* members; /* id, host, port count */
  size_t member_count;
  const char* join;
  const char* listen_host; /* NULL: the endpoint that the members know. */
  uint16_t listen_port;
  uint8_t has_state_machine; /* 1: entries come as CLUSTER_EVENT_APPLY with `machine_tag`. */
  uint8_t lease_reads;
  uint8_t reserved[4];
  uint64_t machine_tag;
  int64_t request_timeout_ms; /* Here and below 0: the default. */
  int64_t election_timeout_ms;
  int64_t heartbeat_interval_ms;
  uint64_t entry_size_max;
  uint64_t queue_bytes_max;
  uint64_t store_bytes_max;
  uint64_t snapshot_after_bytes;
  uint64_t snapshot_after_entries;
} cluster_log_options;
#define CLUSTER_LOG_OPTIONS_INIT                                                                  \
  {                                                                                               \
    sizeof(cluster_log_options), NULL, 0, 0, NULL, 0, NULL, NULL, 0, 0, 0, {0, 0, 0, 0}, 0, 0, 0, \
        0, 0, 0, 0, 0, 0                                                                          \
  }

CLUSTER_API int32_t cluster_log_open(cluster_runtime*, const cluster_log_options*,
                                     cluster_log** out);
CLUSTER_API void cluster_log_close(cluster_log*);

/* CLUSTER_EVENT_DONE with the position. */
CLUSTER_API int32_t cluster_log_append(cluster_log*, cluster_slice data, const cluster_call*,
                                       uint64_t tag);
/* CLUSTER_EVENT_POSITIONS. */
CLUSTER_API int32_t cluster_log_append_all(cluster_log*, const cluster_slice* entries, size_t count,
                                           const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_ENTRIES: at most `bytes_max`, but one entry where there is one. */
CLUSTER_API int32_t cluster_log_read(cluster_log*, uint64_t from, uint64_t to, size_t bytes_max,
                                     const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_RANGE. */
CLUSTER_API int32_t cluster_log_catch_up(cluster_log*, const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_ENTRIES again and again, from `from` on, until the log is closed. */
CLUSTER_API int32_t cluster_log_follow(cluster_log*, uint64_t from, uint64_t tag);
/* CLUSTER_EVENT_DONE with `range().end` once there may be an entry at `from` or after it: with
 * cluster_log_read a follower at its own pace. */
CLUSTER_API int32_t cluster_log_wait(cluster_log*, uint64_t from, uint64_t tag);
/* CLUSTER_EVENT_LEADERSHIP, CLUSTER_EVENT_HEALTH: now and with each change. */
CLUSTER_API int32_t cluster_log_watch_leadership(cluster_log*, uint64_t tag);
CLUSTER_API int32_t cluster_log_watch_health(cluster_log*, uint64_t tag);
/* CLUSTER_EVENT_DONE with the first position that is kept. */
CLUSTER_API int32_t cluster_log_truncate(cluster_log*, uint64_t to, const cluster_call*,
                                         uint64_t tag);
/* With a state machine. CLUSTER_EVENT_DONE with the position it reaches to; a barrier's event comes
 * after the CLUSTER_EVENT_APPLY of all that it waited for. */
CLUSTER_API int32_t cluster_log_take_snapshot(cluster_log*, const cluster_call*, uint64_t tag);
CLUSTER_API int32_t cluster_log_read_barrier(cluster_log*, const cluster_call*, uint64_t tag);

/* CLUSTER_EVENT_MEMBERS. */
CLUSTER_API int32_t cluster_log_members(cluster_log*, uint64_t tag);
/* CLUSTER_EVENT_TOKEN: adds a learner or witness, and yields what to start it with. */
CLUSTER_API int32_t cluster_log_add_member(cluster_log*, const char* host, uint16_t port,
                                           int32_t role, const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_MEMBERS. */
CLUSTER_API int32_t cluster_log_set_role(cluster_log*, uint64_t member, int32_t role,
                                         const cluster_call*, uint64_t tag);
CLUSTER_API int32_t cluster_log_remove_member(cluster_log*, uint64_t member, const cluster_call*,
                                              uint64_t tag);
/* CLUSTER_EVENT_LEADERSHIP. */
CLUSTER_API int32_t cluster_log_transfer(cluster_log*, uint64_t member, const cluster_call*,
                                         uint64_t tag);

/* CLUSTER_EVENT_WRITER: the only writer from here on; older ones fail with CLUSTER_E_FENCED. */
CLUSTER_API int32_t cluster_log_start_writer(cluster_log*, const cluster_call*, uint64_t tag);
CLUSTER_API int32_t cluster_writer_append(cluster_writer*, cluster_slice data, const cluster_call*,
                                          uint64_t tag);
CLUSTER_API void cluster_writer_close(cluster_writer*); /* Before its log. */

typedef struct cluster_log_status {
  size_t size;
  uint64_t self;
  uint64_t first; /* Positions [first, end) can be read here. */
  uint64_t end;
  uint64_t term;
  uint64_t leader; /* 0: none is known. */
  int32_t is_leader;
  int32_t is_live;
  int32_t is_ready;
  int32_t reserved;
  char reason[256]; /* Why it is not ready, cut off where it is longer; "" when it is. */
} cluster_log_status;
/* Never waits. `status->size` is set by you. */
CLUSTER_API int32_t cluster_log_read_status(cluster_log*, cluster_log_status* status);

/* A state machine's answers. A snapshot is of the state that the events before
 * CLUSTER_EVENT_SNAPSHOT have made; write it in any number of parts, now or later, from any thread,
 * then end it, with an error where there will be none. */
CLUSTER_API int32_t cluster_snapshot_write(cluster_log*, uint64_t snapshot, cluster_slice data);
CLUSTER_API int32_t cluster_snapshot_end(cluster_log*, uint64_t snapshot, int32_t error);

/* Prometheus' text of what is counted. Copies up to `capacity` bytes, a closing 0 among them where
 * there is room; returns the text's length. */
CLUSTER_API size_t cluster_log_metrics(cluster_log*, char* to, size_t capacity);

/* ---- The registry: keys, transactions, watches, leases; see cluster/key_registry.hpp ---- */

typedef struct cluster_key_value {
  cluster_slice key;
  cluster_slice value;
  uint64_t created;
  uint64_t modified;
  uint64_t version;
  uint64_t lease;
} cluster_key_value;

typedef struct cluster_change {
  int32_t is_deleted; /* Then `now` has the key's name and the revision of its deletion. */
  int32_t has_before;
  cluster_key_value now;
  cluster_key_value before;
} cluster_change;

/* [begin, end). CLUSTER_RANGE_*: begin alone, all that starts with begin, all from begin on. */
typedef struct cluster_key_range {
  int32_t kind;
  int32_t reserved;
  cluster_slice begin;
  cluster_slice end;
} cluster_key_range;
enum {
  CLUSTER_RANGE_BETWEEN = 0,
  CLUSTER_RANGE_KEY = 1,
  CLUSTER_RANGE_PREFIX = 2,
  CLUSTER_RANGE_FROM = 3
};

typedef struct cluster_compare {
  cluster_slice key;
  int32_t target; /* CLUSTER_COMPARE_* */
  int32_t is;     /* CLUSTER_EQUAL ... */
  uint64_t number;
  cluster_slice value;
} cluster_compare;
enum {
  CLUSTER_COMPARE_VALUE = 0,
  CLUSTER_COMPARE_VERSION = 1,
  CLUSTER_COMPARE_CREATED = 2,
  CLUSTER_COMPARE_MODIFIED = 3,
  CLUSTER_COMPARE_LEASE = 4,
  CLUSTER_COMPARE_EXISTS = 5 /* number 1: is there; 0: is not */
};
enum { CLUSTER_EQUAL = 0, CLUSTER_NOT_EQUAL = 1, CLUSTER_LESS = 2, CLUSTER_GREATER = 3 };

typedef struct cluster_operation {
  int32_t kind; /* CLUSTER_PUT, _DELETE, _READ */
  uint32_t flags;
  cluster_key_range range; /* Of a put: its `begin` is the key. */
  cluster_slice value;
  uint64_t lease;
  uint64_t limit; /* Of a read: keys; 0: no limit. */
} cluster_operation;
enum { CLUSTER_PUT = 0, CLUSTER_DELETE = 1, CLUSTER_READ = 2 };
enum { CLUSTER_WANTS_PREVIOUS = 1, CLUSTER_KEEPS_LEASE = 2, CLUSTER_KEYS_ONLY = 4 };

typedef struct cluster_operation_result {
  int32_t kind;
  uint32_t flags;                /* Of a read: CLUSTER_FLAG_MORE. */
  uint64_t count;                /* Keys that were deleted; keys in the range that was read. */
  const cluster_key_value* keys; /* Previous ones where wanted; those read. */
  size_t key_count;
} cluster_operation_result;

typedef struct cluster_transaction {
  size_t size;
  const cluster_compare* when; /* All hold: `then`, else `otherwise`. */
  size_t when_count;
  const cluster_operation* then;
  size_t then_count;
  const cluster_operation* otherwise;
  size_t otherwise_count;
} cluster_transaction;
#define CLUSTER_TRANSACTION_INIT \
  { sizeof(cluster_transaction), NULL, 0, NULL, 0, NULL, 0 }

typedef struct cluster_read_options {
  size_t size;
  uint64_t at;    /* Revision; 0: the newest. */
  uint64_t limit; /* Keys; 0: no limit. */
  uint64_t bytes_max;
  int32_t keys_only;
  int32_t count_only;
} cluster_read_options;
#define CLUSTER_READ_OPTIONS_INIT \
  { sizeof(cluster_read_options), 0, 0, 1 << 20, 0, 0 }

typedef struct cluster_watch_options {
  size_t size;
  uint64_t from; /* Revision; 0: the next one. */
  int32_t no_puts;
  int32_t no_deletes;
  int32_t wants_previous;
  int32_t wants_progress;
} cluster_watch_options;
#define CLUSTER_WATCH_OPTIONS_INIT \
  { sizeof(cluster_watch_options), 0, 0, 0, 0, 0 }

/* Without a state machine. */
CLUSTER_API int32_t cluster_registry_open(cluster_runtime*, const cluster_log_options*,
                                          cluster_registry** out);
CLUSTER_API void cluster_registry_close(cluster_registry*); /* Its watches and locks before it. */
/* The log under it: of the registry, not to be closed; members, status, leadership, metrics. */
CLUSTER_API cluster_log* cluster_registry_log(cluster_registry*);

/* CLUSTER_EVENT_KEYS: one, or none. */
CLUSTER_API int32_t cluster_registry_get(cluster_registry*, cluster_slice key, const cluster_call*,
                                         uint64_t tag);
/* CLUSTER_EVENT_KEYS. NULL options: the defaults. */
CLUSTER_API int32_t cluster_registry_range(cluster_registry*, const cluster_key_range*,
                                           const cluster_read_options*, const cluster_call*,
                                           uint64_t tag);
/* CLUSTER_EVENT_DONE with the revision. */
CLUSTER_API int32_t cluster_registry_put(cluster_registry*, cluster_slice key, cluster_slice value,
                                         uint64_t lease, const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_DONE with how many were deleted. */
CLUSTER_API int32_t cluster_registry_erase(cluster_registry*, const cluster_key_range*,
                                           const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_TRANSACTION. */
CLUSTER_API int32_t cluster_registry_transact(cluster_registry*, const cluster_transaction*,
                                              const cluster_call*, uint64_t tag);

CLUSTER_API int32_t cluster_registry_watch(cluster_registry*, const cluster_key_range*,
                                           const cluster_watch_options*, const cluster_call*,
                                           cluster_watch** out);
/* CLUSTER_EVENT_CHANGES with the next ones, once there are any; one such call at a time. At last
 * CLUSTER_EVENT_WATCH_END. */
CLUSTER_API int32_t cluster_watch_next(cluster_watch*, uint64_t tag);
CLUSTER_API void cluster_watch_close(cluster_watch*);

/* CLUSTER_EVENT_LEASE. With `is_kept` it is renewed here until it is revoked or the registry is
 * closed. */
CLUSTER_API int32_t cluster_registry_grant_lease(cluster_registry*, int64_t ttl_ms, int32_t is_kept,
                                                 const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_DONE, or CLUSTER_E_NOT_FOUND where it has ended. */
CLUSTER_API int32_t cluster_registry_renew_lease(cluster_registry*, uint64_t lease,
                                                 const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_DONE with the revision. */
CLUSTER_API int32_t cluster_registry_revoke_lease(cluster_registry*, uint64_t lease,
                                                  const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_LEASE_LOST, once, of a lease that is kept here: stop acting by it. */
CLUSTER_API int32_t cluster_registry_lease_loss(cluster_registry*, uint64_t lease, uint64_t tag);

CLUSTER_API int32_t cluster_registry_compact(cluster_registry*, uint64_t revision,
                                             const cluster_call*, uint64_t tag);
/* Makes or changes a namespace; 0: no limit. CLUSTER_EVENT_DONE with the revision. */
CLUSTER_API int32_t cluster_registry_set_namespace(cluster_registry*, cluster_slice name,
                                                   uint64_t keys_max, uint64_t bytes_max,
                                                   const cluster_call*, uint64_t tag);

/* Locks and elections: see cluster/recipes.hpp. CLUSTER_EVENT_LOCK once it is held or won. */
typedef struct cluster_lock_options {
  size_t size;
  int64_t ttl_ms;      /* What others wait for when a holder dies; 0: 10,000. */
  int64_t patience_ms; /* Of waiting for one's turn; 0: as long as it takes. */
  int32_t is_shared;
  int32_t reserved;
  cluster_slice space;
} cluster_lock_options;
#define CLUSTER_LOCK_OPTIONS_INIT                         \
  {                                                       \
    sizeof(cluster_lock_options), 0, 0, 0, 0, { NULL, 0 } \
  }

CLUSTER_API int32_t cluster_registry_lock(cluster_registry*, const char* name,
                                          const cluster_lock_options*, uint64_t tag);
CLUSTER_API int32_t cluster_registry_elect(cluster_registry*, const char* name, cluster_slice value,
                                           const cluster_lock_options*, uint64_t tag);
/* Gives up waiting for the lock or election that was asked for with `tag`; its event has
 * CLUSTER_E_CANCELLED, unless it had been won. */
CLUSTER_API int32_t cluster_registry_cancel(cluster_registry*, uint64_t tag);
/* CLUSTER_EVENT_KEYS: the leader's value, with its token as `modified`; none where nobody leads. */
CLUSTER_API int32_t cluster_registry_leader(cluster_registry*, const char* name,
                                            const cluster_call*, uint64_t tag);
/* CLUSTER_EVENT_LEASE_LOST: stop acting by the lock. Once. */
CLUSTER_API int32_t cluster_lock_loss(cluster_lock*, uint64_t tag);
/* CLUSTER_EVENT_DONE with the revision. The handle is closed afterwards all the same. */
CLUSTER_API int32_t cluster_lock_release(cluster_lock*, uint64_t tag);
/* Gives it up where it is still held, and does not wait. */
CLUSTER_API void cluster_lock_close(cluster_lock*);

#ifdef __cplusplus
}
#endif
