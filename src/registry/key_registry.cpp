#include "cluster/key_registry.hpp"

#include "registry/key_registry_core.hpp"

namespace cluster {

using registry::KeyAnswer;
using registry::KeyCommand;

namespace {

using Book = std::shared_ptr<registry::SessionBook>;

Result<Revision> revision_of(KeyAnswer answer) { return answer.revision; }

Result<DeleteResult> deletion_of(KeyAnswer answer) {
  if (answer.is_trimmed) {
    return Error{Errc::too_large, "it was done, and its answer was too large to keep for a retry",
                 Outcome::maybe};
  }
  return std::get<DeleteResult>(std::move(answer.results.front()));
}

Result<TransactionResult> transaction_of(KeyAnswer answer) {
  if (answer.is_trimmed) {
    return Error{Errc::too_large, "it was done, and its answer was too large to keep for a retry",
                 Outcome::maybe};
  }
  return TransactionResult{.revision = answer.revision,
                           .succeeded = answer.succeeded,
                           .results = std::move(answer.results)};
}

KeyCommand command_of(const KeyCallOptions& options, registry::KeyCommandBody body) {
  return {.space = options.space, .body = std::move(body)};
}

template <class Core>
Op<DeleteResult> erase_by(Core& core, KeyRange range, const KeyCallOptions& options,
                          const Book& book = nullptr) {
  return core.template ask<DeleteResult>(command_of(options, DeleteKeys{.range = std::move(range)}),
                                         options.call, deletion_of, book);
}

}  // namespace

Result<Registry> Registry::open(Runtime& runtime, RegistryOptions options) {
  if (runtime.host().is_forked()) return runtime::forked_error();
  auto core = std::make_shared<Core>(runtime.host(), options);
  options.log.state_machine = core.get();
  auto log = Log::open(runtime, std::move(options.log));
  if (!log) return std::move(log).error();
  core->start(*std::move(log));
  return Registry(std::move(core));
}

Registry::Registry(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Registry::Registry(Registry&&) noexcept = default;
Registry& Registry::operator=(Registry&& other) noexcept {
  std::swap(core_, other.core_);
  return *this;
}
Registry::~Registry() {
  if (!core_) return;
  if (core_->host.is_forked()) {
    runtime::leave_to_parent(std::move(core_));
    return;
  }
  core_->stop();
}

Log& Registry::log() { return *core_->own_log; }

Revision Registry::revision() const {
  std::lock_guard lock(core_->mutex);
  return core_->state.revision();
}

Revision Registry::compacted() const {
  std::lock_guard lock(core_->mutex);
  return core_->state.compacted();
}

// Reads.

Op<std::optional<KeyValue>> Registry::get(std::string key, const KeyCallOptions& options) {
  using Found = std::optional<KeyValue>;
  return core_->ask_state<Found>(
      options, [space = options.space, key = std::move(key)](const auto& state) -> Result<Found> {
        auto found = state.range(space, KeyRange::key(key), {});
        if (!found) return std::move(found).error();
        if (found->keys.empty()) return Found();
        return Found(std::move(found->keys.front()));
      });
}

Op<RangeResult> Registry::range(KeyRange range, RangeOptions what, const KeyCallOptions& options) {
  return core_->ask_state<RangeResult>(
      options, [space = options.space, range = std::move(range), what](const auto& state) {
        return state.range(space, range, what);
      });
}

// Writes.

Op<Revision> Registry::put(std::string key, Bytes value, const KeyCallOptions& options) {
  return put(PutKey{.key = std::move(key), .value = std::move(value)}, options);
}

Op<Revision> Registry::put(PutKey put, const KeyCallOptions& options) {
  return core_->ask<Revision>(command_of(options, std::move(put)), options.call, revision_of);
}

Op<DeleteResult> Registry::erase(KeyRange range, const KeyCallOptions& options) {
  return erase_by(*core_, std::move(range), options);
}

Op<TransactionResult> Registry::transact(Transaction transaction, const KeyCallOptions& options) {
  if (registry::KeysState::is_read_only(transaction)) {
    return core_->ask_state<TransactionResult>(
        options,
        [space = options.space,
         transaction = std::move(transaction)](const auto& state) -> Result<TransactionResult> {
          auto answer = state.read(space, transaction);
          if (!answer) return std::move(answer).error();
          return transaction_of(*std::move(answer));
        });
  }
  return core_->ask<TransactionResult>(command_of(options, std::move(transaction)), options.call,
                                       transaction_of);
}

// Leases.

Op<LeaseInfo> Registry::grant_lease(Duration ttl, bool is_kept, const CallOptions& options) {
  const LeaseId lease = core_->draw_lease();
  auto weak = std::weak_ptr<Core>(core_);
  auto granted = [weak, lease, ttl, is_kept,
                  sent_at = core_->host.now()](const KeyAnswer&) -> Result<LeaseInfo> {
    auto core = weak.lock();
    if (is_kept && core) core->keep(lease, ttl, sent_at);
    return LeaseInfo{.id = lease, .ttl = ttl};
  };
  return core_->ask<LeaseInfo>({.body = registry::GrantLease{lease, ttl}}, options, granted);
}

Op<std::vector<LeaseId>> Registry::keep_alive(std::vector<LeaseId> leases,
                                              const CallOptions& options) {
  using Ended = std::vector<LeaseId>;
  return core_->ask<Ended>({.body = registry::KeepAlive{std::move(leases)}}, options,
                           [](KeyAnswer answer) -> Result<Ended> { return answer.ended; });
}

Op<Revision> Registry::revoke_lease(LeaseId lease, const CallOptions& options) {
  core_->keep_no_longer(lease);
  return core_->ask<Revision>({.body = registry::RevokeLease{lease}}, options, revision_of);
}

std::optional<LeaseInfo> Registry::lease(LeaseId id) const {
  std::lock_guard lock(core_->mutex);
  const registry::KeyLease* lease = core_->state.find_lease(id);
  if (!lease) return std::nullopt;
  return LeaseInfo{.id = id, .ttl = lease->ttl, .keys = lease->keys.size()};
}

Op<LeaseLoss> Registry::lease_loss(LeaseId lease) { return core_->lease_loss(lease); }

// The rest.

Op<Revision> Registry::compact(Revision upto, const CallOptions& options) {
  return core_->ask<Revision>({.body = registry::Compact{upto}}, options, revision_of);
}

Op<Revision> Registry::set_history_policy(HistoryPolicy policy, const CallOptions& options) {
  return core_->ask<Revision>({.body = registry::SetHistoryPolicy{policy}}, options, revision_of);
}

Op<Revision> Registry::set_namespace(std::string name, KeyQuota quota, const CallOptions& options) {
  return core_->ask<Revision>({.body = registry::SetNamespace{std::move(name), quota}}, options,
                              revision_of);
}

Op<Revision> Registry::remove_namespace(std::string name, const CallOptions& options) {
  return core_->ask<Revision>({.body = registry::RemoveNamespace{std::move(name)}}, options,
                              revision_of);
}

std::vector<NamespaceInfo> Registry::namespaces() const {
  std::lock_guard lock(core_->mutex);
  return core_->state.namespaces();
}

// Sessions.

struct Registry::Session::Impl {
  ~Impl() {
    if (auto held = core.lock()) held->keep_no_longer(book->lease);
  }

  // `f(Core&)`, or what a call on a registry that is gone gives.
  template <class T, class F>
  Op<T> with_core(F f) {
    auto held = core.lock();
    if (!held) return Op<T>::ready(Error{Errc::closed, "the registry was closed"});
    return f(*held);
  }

  std::weak_ptr<Core> core;
  Book book;
};

Op<Registry::Session> Registry::open_session(Duration ttl, const CallOptions& options) {
  Promise<Session> promise(core_->host.delivery());
  auto op = promise.op();
  grant_lease(ttl, true, options)
      .then([weak = std::weak_ptr<Core>(core_),
             promise = std::move(promise)](Result<LeaseInfo> lease) mutable {
        if (!lease) return promise.complete(std::move(lease).error());
        auto impl = std::make_unique<Session::Impl>();
        impl->core = weak;
        impl->book = std::make_shared<registry::SessionBook>();
        impl->book->lease = lease->id;
        promise.complete(Session(std::move(impl)));
      });
  return op;
}

Registry::Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Registry::Session::Session(Session&&) noexcept = default;
Registry::Session& Registry::Session::operator=(Session&&) noexcept = default;
Registry::Session::~Session() = default;

LeaseId Registry::Session::lease() const { return impl_->book->lease; }

Op<Revision> Registry::Session::put(PutKey put, const KeyCallOptions& options) {
  return impl_->with_core<Revision>([&](Core& core) {
    return core.ask<Revision>(command_of(options, std::move(put)), options.call, revision_of,
                              impl_->book);
  });
}

Op<DeleteResult> Registry::Session::erase(KeyRange range, const KeyCallOptions& options) {
  return impl_->with_core<DeleteResult>(
      [&](Core& core) { return erase_by(core, std::move(range), options, impl_->book); });
}

Op<TransactionResult> Registry::Session::transact(Transaction transaction,
                                                  const KeyCallOptions& options) {
  return impl_->with_core<TransactionResult>([&](Core& core) {
    return core.ask<TransactionResult>(command_of(options, std::move(transaction)), options.call,
                                       transaction_of, impl_->book);
  });
}

Op<Revision> Registry::Session::close(const CallOptions& options) {
  return impl_->with_core<Revision>([&](Core& core) {
    core.keep_no_longer(impl_->book->lease);
    return core.ask<Revision>({.body = registry::RevokeLease{impl_->book->lease}}, options,
                              revision_of);
  });
}

// Watches.

struct Registry::Watch::Impl {
  ~Impl() {
    if (auto held = core.lock()) held->cancel(id);
  }

  std::weak_ptr<Core> core;
  registry::WatchId id;
  std::shared_ptr<std::optional<WatchEnd>> end = std::make_shared<std::optional<WatchEnd>>();
};

Result<Registry::Watch> Registry::watch(KeyRange range, WatchOptions what,
                                        const KeyCallOptions& options) {
  auto impl = std::make_unique<Watch::Impl>();
  auto id = core_->watch(options.space, range, what);
  if (!id) return std::move(id).error();
  impl->core = core_;
  impl->id = *id;
  return Watch(std::move(impl));
}

Registry::Watch::Watch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Registry::Watch::Watch(Watch&&) noexcept = default;
Registry::Watch& Registry::Watch::operator=(Watch&&) noexcept = default;
Registry::Watch::~Watch() = default;

Op<WatchBatch> Registry::Watch::next() {
  auto core = impl_->core.lock();
  if (!core) return Op<WatchBatch>::ready(Error{Errc::closed, "the registry was closed"});
  return core->next(impl_->id, impl_->end);
}

std::optional<WatchEnd> Registry::Watch::ended() const {
  auto core = impl_->core.lock();
  if (!core) return *impl_->end;
  std::lock_guard lock(core->mutex);
  return *impl_->end;
}

}  // namespace cluster
