#include "bindings/c/handles.hpp"
#include "bindings/c/machine.hpp"
#include "bindings/c/options.hpp"

using namespace cluster;
using namespace cluster::c;

struct cluster_watch {
  std::shared_ptr<Queue> queue;
  std::shared_ptr<Registry::Watch> watch;
};

namespace {

std::string text_of(cluster_slice slice) { return std::string(view(slice)); }

Result<KeyRange> range_of(const cluster_key_range& range) {
  switch (range.kind) {
    case CLUSTER_RANGE_BETWEEN: return KeyRange::between(text_of(range.begin), text_of(range.end));
    case CLUSTER_RANGE_KEY: return KeyRange::key(text_of(range.begin));
    case CLUSTER_RANGE_PREFIX: return KeyRange::prefix(view(range.begin));
    case CLUSTER_RANGE_FROM: return KeyRange::from(text_of(range.begin));
    default:
      return Error{Errc::invalid_argument, "there is no kind of range " +
                                               std::to_string(range.kind) +
                                               "; take one of CLUSTER_RANGE_*"};
  }
}

Result<Compare> compare_of(const cluster_compare& given) {
  if (given.target < 0 || given.target > CLUSTER_COMPARE_EXISTS || given.is < 0 ||
      given.is > CLUSTER_GREATER) {
    return Error{Errc::invalid_argument, "a comparison's target is " +
                                             std::to_string(given.target) + " and its relation " +
                                             std::to_string(given.is) +
                                             "; take those of CLUSTER_COMPARE_* and CLUSTER_EQUAL "
                                             "to CLUSTER_GREATER"};
  }
  return Compare{text_of(given.key), static_cast<Compare::Target>(given.target),
                 static_cast<Compare::Is>(given.is), given.number, Bytes(view(given.value))};
}

Result<KeyOperation> operation_of(const cluster_operation& given) {
  const bool wants_previous = (given.flags & CLUSTER_WANTS_PREVIOUS) != 0;
  if (given.kind == CLUSTER_PUT) {
    return KeyOperation(PutKey{text_of(given.range.begin), Bytes(view(given.value)),
                               LeaseId(given.lease), (given.flags & CLUSTER_KEEPS_LEASE) != 0,
                               wants_previous});
  }
  auto range = range_of(given.range);
  if (!range) return std::move(range).error();
  if (given.kind == CLUSTER_DELETE) {
    return KeyOperation(DeleteKeys{*std::move(range), wants_previous});
  }
  if (given.kind == CLUSTER_READ) {
    RangeOptions options;
    options.limit = given.limit;
    options.keys_only = (given.flags & CLUSTER_KEYS_ONLY) != 0;
    return KeyOperation(ReadKeys{*std::move(range), options});
  }
  return Error{Errc::invalid_argument, "there is no kind of operation " +
                                           std::to_string(given.kind) +
                                           "; take CLUSTER_PUT, _DELETE or _READ"};
}

template <class Given, class Made>
Result<std::vector<Made>> all_of(const Given* given, std::size_t count,
                                 Result<Made> (*make)(const Given&)) {
  std::vector<Made> made;
  if (given == nullptr && count > 0) {
    return Error{Errc::invalid_argument, "a list of a transaction is NULL"};
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto one = make(given[i]);
    if (!one) return std::move(one).error();
    made.push_back(*std::move(one));
  }
  return made;
}

Pending keys_event(std::uint64_t tag, RangeResult range) {
  struct Kept {
    RangeResult range;
    std::vector<cluster_key_value> rows;
  };
  auto kept = std::make_shared<Kept>();
  kept->range = std::move(range);
  for (const KeyValue& key : kept->range.keys) kept->rows.push_back(row_of(key));
  Pending pending =
      event_of(tag, CLUSTER_EVENT_KEYS, kept->range.revision.value(), kept->range.count);
  if (kept->range.has_more) pending.event.flags = CLUSTER_FLAG_MORE;
  set_items(pending, kept, kept->rows);
  return pending;
}

Pending transaction_event(std::uint64_t tag, TransactionResult result) {
  struct Kept {
    TransactionResult result;
    std::vector<std::vector<cluster_key_value>> keys;
    std::vector<cluster_operation_result> rows;
  };
  auto kept = std::make_shared<Kept>();
  kept->result = std::move(result);
  for (const OperationResult& one : kept->result.results) {
    cluster_operation_result row{};
    auto& keys = kept->keys.emplace_back();
    if (const auto* put = std::get_if<PutResult>(&one)) {
      row.kind = CLUSTER_PUT;
      if (put->previous) keys.push_back(row_of(*put->previous));
    } else if (const auto* erased = std::get_if<DeleteResult>(&one)) {
      row.kind = CLUSTER_DELETE;
      row.count = erased->deleted;
      for (const KeyValue& key : erased->previous) keys.push_back(row_of(key));
    } else if (const auto* read = std::get_if<RangeResult>(&one)) {
      row.kind = CLUSTER_READ;
      row.count = read->count;
      if (read->has_more) row.flags = CLUSTER_FLAG_MORE;
      for (const KeyValue& key : read->keys) keys.push_back(row_of(key));
    }
    row.keys = keys.data();
    row.key_count = keys.size();
    kept->rows.push_back(row);
  }
  Pending pending = event_of(tag, CLUSTER_EVENT_TRANSACTION, kept->result.revision.value());
  if (kept->result.succeeded) pending.event.flags = CLUSTER_FLAG_SUCCEEDED;
  set_items(pending, kept, kept->rows);
  return pending;
}

Pending changes_event(std::uint64_t tag, WatchBatch batch) {
  struct Kept {
    WatchBatch batch;
    std::vector<cluster_change> rows;
  };
  auto kept = std::make_shared<Kept>();
  kept->batch = std::move(batch);
  for (const KeyEvent& event : kept->batch.events) {
    cluster_change row{};
    row.is_deleted = event.kind == KeyEvent::Kind::deleted;
    row.has_before = event.before.has_value();
    row.now = row_of(event.now);
    if (event.before) row.before = row_of(*event.before);
    kept->rows.push_back(row);
  }
  Pending pending = event_of(tag, CLUSTER_EVENT_CHANGES, kept->batch.upto.value());
  if (kept->batch.is_progress) pending.event.flags = CLUSTER_FLAG_PROGRESS;
  set_items(pending, kept, kept->rows);
  return pending;
}

Result<RecipeOptions> recipe_of(const cluster_lock_options& given) {
  if (given.ttl_ms < 0 || given.patience_ms < 0) {
    return Error{Errc::invalid_argument, "a time in cluster_lock_options is below 0"};
  }
  RecipeOptions options;
  options.space = text_of(given.space);
  if (given.ttl_ms > 0) options.ttl = std::chrono::milliseconds(given.ttl_ms);
  options.patience = std::chrono::milliseconds(given.patience_ms);
  return options;
}

// Waits for a turn that cluster_registry_cancel can end.
template <class Ask>
std::int32_t wait_for_turn(cluster_registry* registry, const cluster_lock_options& given,
                           std::uint64_t tag, Ask ask) {
  auto options = recipe_of(given);
  if (!options) return refuse(options.error());
  std::stop_source stop;
  options->cancel = stop.get_token();
  auto turns = registry->turns;
  {
    std::lock_guard lock(turns->mutex);
    turns->stops.emplace(tag, stop);
  }
  ask(*options).then([turns, tag, stop, queue = registry->queue](auto held) {
    {
      std::lock_guard lock(turns->mutex);
      auto [at, end] = turns->stops.equal_range(tag);
      while (at != end && !(at->second == stop)) ++at;
      if (at != end) turns->stops.erase(at);
    }
    if (!held) return queue->push(failure(tag, held.error(), CLUSTER_EVENT_LOCK));
    Pending pending =
        event_of(tag, CLUSTER_EVENT_LOCK, held->token().value(), held->lease().value());
    pending.event.handle = new cluster_lock{queue, *std::move(held)};
    pending.discard = [](void* handle) { delete static_cast<cluster_lock*>(handle); };
    queue->push(std::move(pending));
  });
  return CLUSTER_OK;
}

Pending loss_event(std::uint64_t tag, const LeaseLoss& loss) {
  Pending pending = event_of(tag, CLUSTER_EVENT_LEASE_LOST, loss.lease.value());
  if (loss.has_ended) pending.event.flags = CLUSTER_FLAG_ENDED;
  return pending;
}

}  // namespace

int32_t cluster_registry_open(cluster_runtime* runtime, const cluster_log_options* given,
                              cluster_registry** out) {
  if (out == nullptr) return refuse(Errc::invalid_argument, "`out` is NULL");
  if (auto code = refusal_of(runtime)) return code;
  auto options = taken_log_options(given);
  if (!options) return refuse(options.error());
  if (given->has_state_machine != 0) {
    return refuse(Errc::invalid_argument,
                  "a registry's log has the registry as its state machine; "
                  "leave has_state_machine 0");
  }
  auto registry = Registry::open(runtime->runtime, {.log = *std::move(options)});
  if (!registry) return refuse(registry.error());
  auto handle = std::make_unique<cluster_registry>();
  handle->queue = runtime->queue;
  handle->registry = *std::move(registry);
  handle->log.queue = runtime->queue;
  handle->log.log = &handle->registry->log();
  *out = handle.release();
  return CLUSTER_OK;
}

void cluster_registry_close(cluster_registry* registry) {
  if (!is_usable(registry)) return;
  registry->registry.reset();
  delete registry;
}

cluster_log* cluster_registry_log(cluster_registry* registry) {
  return is_usable(registry) ? &registry->log : nullptr;
}

int32_t cluster_registry_get(cluster_registry* registry, cluster_slice key,
                             const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(registry->queue, tag, CLUSTER_EVENT_KEYS,
                registry->registry->range(KeyRange::key(text_of(key)), {}, *call),
                [tag](RangeResult range) { return keys_event(tag, std::move(range)); });
}

int32_t cluster_registry_range(cluster_registry* registry, const cluster_key_range* range,
                               const cluster_read_options* given_options, const cluster_call* given,
                               uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  if (range == nullptr) return refuse(Errc::invalid_argument, "`range` is NULL");
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  auto what =
      taken(given_options, cluster_read_options CLUSTER_READ_OPTIONS_INIT, "cluster_read_options");
  if (!what) return refuse(what.error());
  auto keys = range_of(*range);
  if (!keys) return refuse(keys.error());
  RangeOptions options;
  options.at = Revision(what->at);
  options.limit = what->limit;
  options.bytes_max = what->bytes_max;
  options.keys_only = what->keys_only != 0;
  options.count_only = what->count_only != 0;
  return answer(registry->queue, tag, CLUSTER_EVENT_KEYS,
                registry->registry->range(*std::move(keys), options, *call),
                [tag](RangeResult found) { return keys_event(tag, std::move(found)); });
}

int32_t cluster_registry_put(cluster_registry* registry, cluster_slice key, cluster_slice value,
                             uint64_t lease, const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  PutKey put{.key = text_of(key), .value = Bytes(view(value)), .lease = LeaseId(lease)};
  return answer_number(registry->queue, tag, registry->registry->put(std::move(put), *call));
}

int32_t cluster_registry_erase(cluster_registry* registry, const cluster_key_range* range,
                               const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  if (range == nullptr) return refuse(Errc::invalid_argument, "`range` is NULL");
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  auto keys = range_of(*range);
  if (!keys) return refuse(keys.error());
  return answer_number(registry->queue, tag, registry->registry->erase(*std::move(keys), *call));
}

int32_t cluster_registry_transact(cluster_registry* registry, const cluster_transaction* given,
                                  const cluster_call* given_call, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  if (given == nullptr) return refuse(Errc::invalid_argument, "`transaction` is NULL");
  auto call = taken_call(given_call);
  if (!call) return refuse(call.error());
  auto known = taken(given, cluster_transaction CLUSTER_TRANSACTION_INIT, "cluster_transaction");
  if (!known) return refuse(known.error());
  auto when = all_of(known->when, known->when_count, compare_of);
  if (!when) return refuse(when.error());
  auto then = all_of(known->then, known->then_count, operation_of);
  if (!then) return refuse(then.error());
  auto otherwise = all_of(known->otherwise, known->otherwise_count, operation_of);
  if (!otherwise) return refuse(otherwise.error());
  Transaction transaction{*std::move(when), *std::move(then), *std::move(otherwise)};
  return answer(
      registry->queue, tag, CLUSTER_EVENT_TRANSACTION,
      registry->registry->transact(std::move(transaction), *call),
      [tag](TransactionResult result) { return transaction_event(tag, std::move(result)); });
}

int32_t cluster_registry_watch(cluster_registry* registry, const cluster_key_range* range,
                               const cluster_watch_options* given_options,
                               const cluster_call* given, cluster_watch** out) {
  if (auto code = refusal_of(registry)) return code;
  if (range == nullptr || out == nullptr) {
    return refuse(Errc::invalid_argument, "`range` or `out` is NULL");
  }
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  auto what = taken(given_options, cluster_watch_options CLUSTER_WATCH_OPTIONS_INIT,
                    "cluster_watch_options");
  if (!what) return refuse(what.error());
  auto keys = range_of(*range);
  if (!keys) return refuse(keys.error());
  WatchOptions options;
  options.from = Revision(what->from);
  options.puts = what->no_puts == 0;
  options.deletes = what->no_deletes == 0;
  options.wants_previous = what->wants_previous != 0;
  options.wants_progress = what->wants_progress != 0;
  auto watch = registry->registry->watch(*std::move(keys), options, *call);
  if (!watch) return refuse(watch.error());
  *out = new cluster_watch{registry->queue, std::make_shared<Registry::Watch>(*std::move(watch))};
  return CLUSTER_OK;
}

int32_t cluster_watch_next(cluster_watch* watch, uint64_t tag) {
  if (auto code = refusal_of(watch)) return code;
  watch->watch->next().then(
      [queue = watch->queue, ended = std::weak_ptr(watch->watch), tag](Result<WatchBatch> batch) {
        if (batch) return queue->push(changes_event(tag, *std::move(batch)));
        Pending pending = failure(tag, batch.error(), CLUSTER_EVENT_WATCH_END);
        auto over = ended.lock();
        if (auto why = over ? over->ended() : std::nullopt) {
          pending = failure(tag, why->error, CLUSTER_EVENT_WATCH_END);
          pending.event.b = why->resume_from.value();
        }
        queue->push(std::move(pending));
      });
  return CLUSTER_OK;
}

void cluster_watch_close(cluster_watch* watch) {
  if (is_usable(watch)) delete watch;
}

int32_t cluster_registry_grant_lease(cluster_registry* registry, int64_t ttl_ms, int32_t is_kept,
                                     const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(
      registry->queue, tag, CLUSTER_EVENT_LEASE,
      registry->registry->grant_lease(std::chrono::milliseconds(ttl_ms), is_kept != 0, call->call),
      [tag](const LeaseInfo& lease) {
        auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(lease.ttl);
        return event_of(tag, CLUSTER_EVENT_LEASE, lease.id.value(),
                        static_cast<std::uint64_t>(ms.count()));
      });
}

int32_t cluster_registry_renew_lease(cluster_registry* registry, uint64_t lease,
                                     const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(
      registry->queue, tag, CLUSTER_EVENT_DONE,
      registry->registry->keep_alive({LeaseId(lease)}, call->call),
      [tag, lease](const std::vector<LeaseId>& ended) {
        if (ended.empty()) return event_of(tag, CLUSTER_EVENT_DONE, lease);
        return failure(tag, {Errc::not_found, "lease " + std::to_string(lease) + " has ended"});
      });
}

int32_t cluster_registry_revoke_lease(cluster_registry* registry, uint64_t lease,
                                      const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer_number(registry->queue, tag,
                       registry->registry->revoke_lease(LeaseId(lease), call->call));
}

int32_t cluster_registry_lease_loss(cluster_registry* registry, uint64_t lease, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  return answer(registry->queue, tag, CLUSTER_EVENT_LEASE_LOST,
                registry->registry->lease_loss(LeaseId(lease)),
                [tag](const LeaseLoss& loss) { return loss_event(tag, loss); });
}

int32_t cluster_registry_compact(cluster_registry* registry, uint64_t revision,
                                 const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer_number(registry->queue, tag,
                       registry->registry->compact(Revision(revision), call->call));
}

int32_t cluster_registry_set_namespace(cluster_registry* registry, cluster_slice name,
                                       uint64_t keys_max, uint64_t bytes_max,
                                       const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer_number(
      registry->queue, tag,
      registry->registry->set_namespace(text_of(name), {keys_max, bytes_max}, call->call));
}

int32_t cluster_registry_lock(cluster_registry* registry, const char* name,
                              const cluster_lock_options* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto options =
      taken(given, cluster_lock_options CLUSTER_LOCK_OPTIONS_INIT, "cluster_lock_options");
  if (!options) return refuse(options.error());
  const auto kind = options->is_shared != 0 ? Lock::Kind::shared : Lock::Kind::exclusive;
  return wait_for_turn(registry, *options, tag, [&](const RecipeOptions& how) {
    return Lock::acquire(*registry->registry, text(name), kind, how);
  });
}

int32_t cluster_registry_elect(cluster_registry* registry, const char* name, cluster_slice value,
                               const cluster_lock_options* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto options =
      taken(given, cluster_lock_options CLUSTER_LOCK_OPTIONS_INIT, "cluster_lock_options");
  if (!options) return refuse(options.error());
  return wait_for_turn(registry, *options, tag, [&](const RecipeOptions& how) {
    return Election::win(*registry->registry, text(name), Bytes(view(value)), how);
  });
}

int32_t cluster_registry_cancel(cluster_registry* registry, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  std::vector<std::stop_source> stops;
  {
    std::lock_guard lock(registry->turns->mutex);
    auto [at, end] = registry->turns->stops.equal_range(tag);
    for (; at != end; ++at) stops.push_back(at->second);
  }
  if (stops.empty()) {
    return refuse(Errc::not_found, "nothing waits for its turn with tag " + std::to_string(tag));
  }
  for (std::stop_source& stop : stops) stop.request_stop();
  return CLUSTER_OK;
}

int32_t cluster_registry_leader(cluster_registry* registry, const char* name,
                                const cluster_call* given, uint64_t tag) {
  if (auto code = refusal_of(registry)) return code;
  auto call = taken_call(given);
  if (!call) return refuse(call.error());
  return answer(
      registry->queue, tag, CLUSTER_EVENT_KEYS,
      Election::leader(*registry->registry, text(name), *call),
      [tag, key = text(name)](std::optional<Election::Leader> leader) {
        RangeResult range;
        if (leader) {
          range.keys.push_back({.key = key, .value = leader->value, .modified = leader->token});
          range.count = 1;
        }
        return keys_event(tag, std::move(range));
      });
}

int32_t cluster_lock_loss(cluster_lock* lock, uint64_t tag) {
  if (auto code = refusal_of(lock)) return code;
  return answer(lock->queue, tag, CLUSTER_EVENT_LEASE_LOST,
                std::visit([](auto& held) { return held.lost(); }, lock->held),
                [tag](const LeaseLoss& loss) { return loss_event(tag, loss); });
}

int32_t cluster_lock_release(cluster_lock* lock, uint64_t tag) {
  if (auto code = refusal_of(lock)) return code;
  if (auto* election = std::get_if<Election>(&lock->held)) {
    return answer_number(lock->queue, tag, election->resign());
  }
  return answer_number(lock->queue, tag, std::get<Lock>(lock->held).release());
}

void cluster_lock_close(cluster_lock* lock) {
  if (is_usable(lock)) delete lock;
}
