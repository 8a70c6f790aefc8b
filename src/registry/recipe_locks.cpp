// Locks, elections and barriers. Everything that a waiting one does is done where the runtime
// delivers.
#include <algorithm>
#include <set>

#include "cluster/recipes.hpp"
#include "registry/key_registry_core.hpp"
#include "registry/patience.hpp"
#include "registry/recipe_places.hpp"

namespace cluster {
namespace {

using registry::exclusive_mark;
using registry::is_place;
using registry::place_of;
using registry::shared_mark;

Error given_up(Errc why, const std::string& what) {
  return {why, why == Errc::cancelled ? "the caller gave up waiting for " + what
                                      : "the time to wait for " + what + " is over"};
}

template <class T>
void drop(Op<T> op) {
  std::move(op).then([](const Result<T>&) {});
}

}  // namespace

struct Lock::Held {
  Held(std::shared_ptr<Registry> its_registry, LeaseId its_lease, Revision its_token)
      : registry(std::move(its_registry)), lease(its_lease), token(its_token) {}
  ~Held() {
    if (!is_released) drop(registry->revoke_lease(lease));
  }

  std::shared_ptr<Registry> registry;
  LeaseId lease;
  Revision token;
  bool is_released = false;
};

// A place in a queue, from the asking on to its turn. Its callbacks hold it.
class Turn : public std::enable_shared_from_this<Turn> {
 public:
  Turn(Registry& registry, std::string prefix, Lock::Kind kind, Bytes value, RecipeOptions options,
       Promise<Lock> promise)
      : registry_(registry::RegistryAccess::alias(registry)),
        host_(registry::RegistryAccess::host(registry)),
        prefix_(std::move(prefix)),
        kind_(kind),
        value_(std::move(value)),
        options_(std::move(options)),
        promise_(std::move(promise)) {}

  void begin() {
    if (options_.cancel.stop_requested()) return give_up(given_up(Errc::cancelled, prefix_));
    patience_.emplace(host_, options_.patience, options_.cancel,
                      [weak = weak_from_this()](Errc why) {
                        if (auto turn = weak.lock()) turn->give_up(given_up(why, turn->prefix_));
                      });
    registry_->grant_lease(options_.ttl)
        .then([self = shared_from_this()](const Result<LeaseInfo>& lease) {
          if (!lease) return self->give_up(lease.error());
          self->lease_ = lease->id;
          if (!self->promise_.is_open()) return self->leave();
          self->take_place();
        });
  }

 private:
  // The key, and who was there before it, by one command.
  void take_place() {
    const char mark = kind_ == Lock::Kind::exclusive ? exclusive_mark : shared_mark;
    key_ = prefix_ + place_of(mark, lease_);
    Transaction take{.when = {Compare::missing(key_)},
                     .then = {PutKey{.key = key_, .value = value_, .lease = lease_},
                              ReadKeys{.range = KeyRange::prefix(prefix_),
                                       .options = {.bytes_max = 4 << 20, .keys_only = true}}},
                     .otherwise = {}};
    registry_->transact(std::move(take), {.space = options_.space})
        .then([self = shared_from_this()](Result<TransactionResult> done) {
          if (!done) return self->give_up(std::move(done).error());
          self->token_ = done->revision;
          self->see(std::get<RangeResult>(done->results.at(1)));
        });
  }

  void see(const RangeResult& range) {
    if (!promise_.is_open()) return;
    if (range.has_more) {
      return give_up({Errc::overloaded, "too many wait for " + prefix_});
    }
    const bool is_there = std::any_of(range.keys.begin(), range.keys.end(),
                                      [this](const KeyValue& one) { return one.key == key_; });
    const char mark = kind_ == Lock::Kind::exclusive ? exclusive_mark : shared_mark;
    before_ = registry::places_before(range.keys, prefix_, mark, token_);
    if (!is_there) return give_up(lease_ended());
    if (before_.empty()) return win();
    watch(range.revision.next());
  }

  void watch(Revision from) {
    auto watch = registry_->watch(KeyRange::prefix(prefix_), {.from = from, .puts = false},
                                  {.space = options_.space});
    if (!watch) return give_up(std::move(watch).error());
    watch_.emplace(*std::move(watch));
    next();
  }

  void next() {
    watch_->next().then([self = shared_from_this()](Result<WatchBatch> batch) {
      if (self->promise_.is_open()) self->on_batch(std::move(batch));
    });
  }

  void on_batch(Result<WatchBatch> batch) {
    if (!batch) {
      auto end = watch_->ended();
      const bool can_go_on =
          end && (batch.error().code == Errc::truncated || batch.error().code == Errc::overloaded);
      if (!can_go_on) return give_up(std::move(batch).error());
      return look_again();
    }
    for (const KeyEvent& event : batch->events) {
      if (event.now.key == key_) return give_up(lease_ended());
      before_.erase(event.now.key);
    }
    if (before_.empty()) return win();
    next();
  }

  void look_again() {
    registry_
        ->range(KeyRange::prefix(prefix_), {.bytes_max = 4 << 20, .keys_only = true},
                {.space = options_.space})
        .then([self = shared_from_this()](const Result<RangeResult>& range) {
          if (!range) return self->give_up(range.error());
          self->see(*range);
        });
  }

  Error lease_ended() const {
    return {Errc::not_found, "the lease of the place in " + prefix_ +
                                 " ended while it waited: this process was cut off for too long"};
  }

  void win() {
    patience_.reset();
    watch_.reset();
    promise_.complete(Lock(std::make_unique<Lock::Held>(registry_, lease_, token_)));
  }

  void give_up(Error why) {
    if (!promise_.is_open()) return;
    patience_.reset();
    watch_.reset();
    leave();
    promise_.complete(std::move(why));
  }
  void leave() {
    if (lease_) drop(registry_->revoke_lease(lease_));
  }

  const std::shared_ptr<Registry> registry_;
  runtime::Host& host_;
  const std::string prefix_;
  const Lock::Kind kind_;
  const Bytes value_;
  const RecipeOptions options_;
  Promise<Lock> promise_;
  LeaseId lease_;
  std::string key_;
  Revision token_;
  std::set<std::string> before_;
  std::optional<Registry::Watch> watch_;
  std::optional<registry::Patience> patience_;
};

namespace {

Op<Lock> take_turn(Registry& registry, std::string prefix, Lock::Kind kind, Bytes value,
                   const RecipeOptions& options) {
  runtime::Host& host = registry::RegistryAccess::host(registry);
  if (host.is_forked()) return Op<Lock>::ready(runtime::forked_error());
  Promise<Lock> promise(host.delivery());
  auto op = promise.op();
  auto turn = std::make_shared<Turn>(registry, std::move(prefix), kind, std::move(value), options,
                                     std::move(promise));
  host.delivery()->execute([turn] { turn->begin(); });
  return op;
}

}  // namespace

// Locks.

Op<Lock> Lock::acquire(Registry& registry, const std::string& name, Kind kind,
                       const RecipeOptions& options) {
  return take_turn(registry, registry::lock_prefix(name), kind, Bytes(), options);
}

Lock::Lock(std::unique_ptr<Held> held) : held_(std::move(held)) {}
Lock::Lock(Lock&&) noexcept = default;
Lock& Lock::operator=(Lock&&) noexcept = default;
Lock::~Lock() = default;

Revision Lock::token() const { return held_->token; }
LeaseId Lock::lease() const { return held_->lease; }

Op<LeaseLoss> Lock::lost() {
  Promise<LeaseLoss> promise(registry::RegistryAccess::host(*held_->registry).delivery());
  auto op = promise.op();
  held_->registry->lease_loss(held_->lease)
      .then([promise = std::move(promise), lease = held_->lease](Result<LeaseLoss> loss) mutable {
        // One that is kept no longer was lost before this was asked.
        const bool is_gone = !loss && loss.error().code == Errc::not_found;
        if (is_gone) return promise.complete(LeaseLoss{.lease = lease, .has_ended = true});
        promise.complete(std::move(loss));
      });
  return op;
}

Op<Revision> Lock::release() {
  held_->is_released = true;
  return held_->registry->revoke_lease(held_->lease);
}

// Elections.

Op<Election> Election::win(Registry& registry, const std::string& name, Bytes value,
                           const RecipeOptions& options) {
  Promise<Election> promise(registry::RegistryAccess::host(registry).delivery());
  auto op = promise.op();
  take_turn(registry, registry::election_prefix(name), Lock::Kind::exclusive, std::move(value),
            options)
      .then([promise = std::move(promise)](Result<Lock> lock) mutable {
        if (!lock) return promise.complete(std::move(lock).error());
        promise.complete(Election(*std::move(lock)));
      });
  return op;
}

Op<std::optional<Election::Leader>> Election::leader(Registry& registry, const std::string& name,
                                                     const KeyCallOptions& options) {
  using Found = std::optional<Leader>;
  Promise<Found> promise(registry::RegistryAccess::host(registry).delivery());
  auto op = promise.op();
  const std::string prefix = registry::election_prefix(name);
  registry.range(KeyRange::prefix(prefix), {.bytes_max = 4 << 20}, options)
      .then([promise = std::move(promise), prefix](Result<RangeResult> range) mutable {
        if (!range) return promise.complete(std::move(range).error());
        Found first;
        for (const KeyValue& one : range->keys) {
          const bool is_first = !first || one.created < first->token;
          if (is_place(one.key, prefix.size()) && is_first) first = Leader{one.value, one.created};
        }
        promise.complete(std::move(first));
      });
  return op;
}

// Barriers.

namespace {

// One that has come and waits for the rest. It counts as long as its key is there.
class Entrance : public std::enable_shared_from_this<Entrance> {
 public:
  Entrance(Registry& registry, std::string prefix, std::uint64_t count, RecipeOptions options,
           Promise<Revision> promise)
      : registry_(registry::RegistryAccess::alias(registry)),
        prefix_(std::move(prefix)),
        count_(count),
        options_(std::move(options)),
        promise_(std::move(promise)) {}

  void begin() {
    patience_.emplace(registry::RegistryAccess::host(*registry_), options_.patience,
                      options_.cancel, [weak = weak_from_this()](Errc why) {
                        auto self = weak.lock();
                        if (self) self->end(given_up(why, self->prefix_));
                      });
    registry_->grant_lease(options_.ttl)
        .then([self = shared_from_this()](const Result<LeaseInfo>& lease) {
          if (!lease) return self->end(lease.error());
          self->lease_ = lease->id;
          if (!self->promise_.is_open()) return self->leave();
          self->come();
        });
  }

 private:
  std::string opened() const { return prefix_ + "open"; }

  void come() {
    Transaction come{
        .when = {},
        .then = {PutKey{
            .key = prefix_ + place_of(shared_mark, lease_), .value = {}, .lease = lease_}},
        .otherwise = {}};
    registry_->transact(std::move(come), {.space = options_.space})
        .then([self = shared_from_this()](const Result<TransactionResult>& done) {
          if (!done) return self->end(done.error());
          self->look();
        });
  }

  void look() {
    if (!promise_.is_open()) return;
    registry_
        ->range(KeyRange::prefix(prefix_), {.bytes_max = 4 << 20, .keys_only = true},
                {.space = options_.space})
        .then([self = shared_from_this()](const Result<RangeResult>& range) {
          if (!range) return self->end(range.error());
          self->see(*range);
        });
  }

  void see(const RangeResult& range) {
    std::uint64_t there = 0;
    for (const KeyValue& one : range.keys) {
      if (one.key == opened()) return end(one.created);
      if (is_place(one.key, prefix_.size())) ++there;
    }
    if (there >= count_) return open();
    auto watch = registry_->watch(KeyRange::prefix(prefix_), {.from = range.revision.next()},
                                  {.space = options_.space});
    if (!watch) return end(std::move(watch).error());
    watch_.emplace(*std::move(watch));
    watch_->next().then([self = shared_from_this()](const Result<WatchBatch>& batch) {
      const bool is_over = !batch && !self->watch_;
      if (is_over || !self->promise_.is_open()) return;
      const bool can_go_on =
          batch || batch.error().code == Errc::truncated || batch.error().code == Errc::overloaded;
      if (!can_go_on) return self->end(batch.error());
      self->look();
    });
  }

  // Whoever is first; the others find it open.
  void open() {
    Transaction open{.when = {Compare::missing(opened())},
                     .then = {PutKey{.key = opened(), .value = {}}},
                     .otherwise = {}};
    registry_->transact(std::move(open), {.space = options_.space})
        .then([self = shared_from_this()](const Result<TransactionResult>& done) {
          if (!done) return self->end(done.error());
          self->look();
        });
  }

  void end(Result<Revision> result) {
    if (!promise_.is_open()) return;
    patience_.reset();
    watch_.reset();
    leave();
    promise_.complete(std::move(result));
  }
  void leave() {
    if (lease_) drop(registry_->revoke_lease(lease_));
  }

  const std::shared_ptr<Registry> registry_;
  const std::string prefix_;
  const std::uint64_t count_;
  const RecipeOptions options_;
  Promise<Revision> promise_;
  LeaseId lease_;
  std::optional<Registry::Watch> watch_;
  std::optional<registry::Patience> patience_;
};

}  // namespace

Op<Revision> Barrier::enter(Registry& registry, const std::string& name, std::uint64_t count,
                            const RecipeOptions& options) {
  runtime::Host& host = registry::RegistryAccess::host(registry);
  if (host.is_forked()) return Op<Revision>::ready(runtime::forked_error());
  Promise<Revision> promise(host.delivery());
  auto op = promise.op();
  auto entrance = std::make_shared<Entrance>(registry, "barrier/" + name + "/", count, options,
                                             std::move(promise));
  host.delivery()->execute([entrance] { entrance->begin(); });
  return op;
}

Op<DeleteResult> Barrier::reset(Registry& registry, const std::string& name,
                                const KeyCallOptions& options) {
  return registry.erase(KeyRange::prefix("barrier/" + name + "/"), options);
}

}  // namespace cluster
