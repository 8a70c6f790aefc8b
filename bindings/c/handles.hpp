// What the handles of cluster/c.h stand for, and what all of its calls share.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bindings/c/queue.hpp"
#include "cluster/c.h"
#include "cluster/key_registry.hpp"
#include "cluster/log.hpp"
#include "cluster/recipes.hpp"
#include "cluster/runtime.hpp"

namespace cluster::c {

class Machine;

// Keeps the error for cluster_error_text, of this thread; its code.
std::int32_t refuse(Error);
const std::string& error_text();
std::int32_t refuse(Errc code, std::string context);

inline ByteView view(cluster_slice slice) {
  return {static_cast<const char*>(slice.data), slice.data == nullptr ? 0 : slice.size};
}
inline std::string text(const char* given) { return given == nullptr ? "" : given; }
inline cluster_slice slice(ByteView bytes) { return {bytes.data(), bytes.size()}; }

// A struct that the caller filled, as this version knows it: fields that it does not have are those
// of `defaults`; fields that we do not have must be 0.
template <class T>
Result<T> taken(const T* given, const T& defaults, const char* name) {
  if (given == nullptr) return defaults;
  std::size_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (size < sizeof size || size > 65536) {
    return Error{Errc::invalid_argument, std::string(name) + ".size is " + std::to_string(size) +
                                             "; set the struct up with its _INIT"};
  }
  T known = defaults;
  std::memcpy(&known, given, std::min(size, sizeof(T)));
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] == 0) continue;
    return Error{Errc::unsupported, std::string(name) + " has a field that this version of the " +
                                        "library (ABI " + std::to_string(CLUSTER_ABI_VERSION) +
                                        ") does not know: install a newer one"};
  }
  return known;
}

Result<KeyCallOptions> taken_call(const cluster_call*);

Pending failure(std::uint64_t tag, const Error&, std::int32_t kind = CLUSTER_EVENT_DONE);
Pending event_of(std::uint64_t tag, std::int32_t kind, std::uint64_t a = 0, std::uint64_t b = 0);
// Its items are copies, or views into `kept`.
template <class Kept, class Item>
void set_items(Pending& pending, std::shared_ptr<Kept> kept, const std::vector<Item>& items) {
  pending.event.items = items.data();
  pending.event.item_count = items.size();
  pending.event.item_size = sizeof(Item);
  pending.items = std::move(kept);
}
void set_text(Pending&, std::string text);
Pending entries_event(std::uint64_t tag, std::int32_t kind, std::vector<Entry> entries);
Pending leadership_event(std::uint64_t tag, const Leadership&);
cluster_key_value row_of(const KeyValue&);

inline std::uint64_t number(Position at) { return at.value(); }
inline std::uint64_t number(Revision at) { return at.value(); }
inline std::uint64_t number(const DeleteResult& done) { return done.deleted; }

// The call ends as one event: what `make` makes of its value, or its error.
template <class T, class Make>
std::int32_t answer(const std::shared_ptr<Queue>& queue, std::uint64_t tag, std::int32_t kind,
                    Op<T> op, Make make) {
  op.then([queue, tag, kind, make](Result<T> result) mutable {
    queue->push(result ? make(*std::move(result)) : failure(tag, result.error(), kind));
  });
  return CLUSTER_OK;
}
template <class T>
std::int32_t answer_number(const std::shared_ptr<Queue>& queue, std::uint64_t tag, Op<T> op) {
  return answer(queue, tag, CLUSTER_EVENT_DONE, std::move(op),
                [tag](const T& value) { return event_of(tag, CLUSTER_EVENT_DONE, number(value)); });
}

// Why a call may not go on with the handle, kept for cluster_error_text; 0 when it may.
template <class Handle>
std::int32_t refusal_of(const Handle* handle) {
  if (handle == nullptr) return refuse(Errc::invalid_argument, "a handle is NULL");
  if (!handle->queue->is_forked()) return CLUSTER_OK;
  return refuse(Errc::unsupported,
                "this process is a fork of the one that opened this: it has none of its threads; "
                "open your own here");
}
template <class Handle>
bool is_usable(const Handle* handle) {
  return refusal_of(handle) == CLUSTER_OK;
}

}  // namespace cluster::c

struct cluster_queue {
  std::shared_ptr<cluster::c::Queue> queue;
};

struct cluster_runtime {
  std::shared_ptr<cluster::c::Queue> queue;
  cluster::Runtime runtime;
};

struct cluster_log {
  // Calls that wait for entries to come. The end of what has been seen grows by a follower of ours.
  struct Waits {
    std::mutex mutex;
    bool is_following = false;
    std::multimap<std::uint64_t, std::uint64_t> tags;  // By the position that is waited for.
  };

  std::shared_ptr<cluster::c::Queue> queue;
  std::shared_ptr<Waits> waits = std::make_shared<Waits>();
  std::shared_ptr<std::atomic<bool>> is_closing = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<cluster::c::Machine> machine;
  std::optional<cluster::Log> own;  // None: a registry's.
  cluster::Log* log = nullptr;

  ~cluster_log();
};

struct cluster_writer {
  std::shared_ptr<cluster::c::Queue> queue;
  cluster::Log::Writer writer;
};

struct cluster_registry {
  std::shared_ptr<cluster::c::Queue> queue;
  // Of what waits for its turn, by tag.
  struct Turns {
    std::mutex mutex;
    std::multimap<std::uint64_t, std::stop_source> stops;
  };
  std::shared_ptr<Turns> turns = std::make_shared<Turns>();
  std::optional<cluster::Registry> registry;
  cluster_log log;
};

struct cluster_lock {
  std::shared_ptr<cluster::c::Queue> queue;
  std::variant<cluster::Lock, cluster::Election> held;
};
