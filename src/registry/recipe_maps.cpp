// Counters, lists of who serves, and configuration: keys that are read, written or followed.
#include <charconv>
#include <mutex>

#include "cluster/recipes.hpp"
#include "registry/key_registry_core.hpp"

namespace cluster {
namespace {

template <class T>
void drop(Op<T> op) {
  std::move(op).then([](const Result<T>&) {});
}

bool is_passing(const Error& error) {
  return error.code == Errc::timed_out || error.code == Errc::no_leader ||
         error.code == Errc::unreachable || error.code == Errc::fenced;
}

Result<std::int64_t> number_of(const std::string& key, const std::optional<KeyValue>& found) {
  if (!found) return std::int64_t{0};
  const ByteView text = found->value.view();
  std::int64_t number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size()) {
    return Error{Errc::invalid_argument, "the value of \"" + key + "\" is no number"};
  }
  return number;
}

}  // namespace

// Counters.

namespace {

// Reads, and puts where nobody was faster.
void add_soon(std::shared_ptr<Registry> registry, std::string key, std::int64_t delta,
              KeyCallOptions options, Promise<std::int64_t> promise) {
  auto read = registry->get(key, options);
  std::move(read).then([registry = std::move(registry), key = std::move(key), delta,
                        options = std::move(options), promise = std::move(promise)](
                           Result<std::optional<KeyValue>> found) mutable {
    if (!found) return promise.complete(std::move(found).error());
    auto number = number_of(key, *found);
    if (!number) return promise.complete(std::move(number).error());
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*number, delta, &sum)) {
      return promise.complete(
          Error{Errc::invalid_argument, "\"" + key + "\" would be more than 64 bits hold"});
    }
    Transaction put{
        .when = {Compare::to_modified(key, Compare::Is::equal,
                                      *found ? (*found)->modified : Revision())},
        .then = {PutKey{.key = key, .value = Bytes(std::to_string(sum)), .keeps_lease = true}},
        .otherwise = {}};
    auto done = registry->transact(std::move(put), options);
    std::move(done).then([registry = std::move(registry), key = std::move(key), delta,
                          options = std::move(options), promise = std::move(promise),
                          sum](Result<TransactionResult> result) mutable {
      if (!result) return promise.complete(std::move(result).error());
      if (result->succeeded) return promise.complete(sum);
      add_soon(std::move(registry), std::move(key), delta, std::move(options), std::move(promise));
    });
  });
}

}  // namespace

Op<std::int64_t> Counter::add(std::int64_t delta, const KeyCallOptions& options) {
  Promise<std::int64_t> promise(registry::RegistryAccess::host(*registry_).delivery());
  auto op = promise.op();
  add_soon(registry::RegistryAccess::alias(*registry_), key_, delta, options, std::move(promise));
  return op;
}

Op<std::int64_t> Counter::get(const KeyCallOptions& options) {
  Promise<std::int64_t> promise(registry::RegistryAccess::host(*registry_).delivery());
  auto op = promise.op();
  registry_->get(key_, options)
      .then([key = key_,
             promise = std::move(promise)](Result<std::optional<KeyValue>> found) mutable {
        if (!found) return promise.complete(std::move(found).error());
        promise.complete(number_of(key, *found));
      });
  return op;
}

namespace registry {

// Services that are announced.

class Announcement : public std::enable_shared_from_this<Announcement> {
 public:
  Announcement(Registry& registry, std::string key, Bytes about, RecipeOptions options)
      : registry_(registry::RegistryAccess::alias(registry)),
        key_(std::move(key)),
        about_(std::move(about)),
        options_(std::move(options)) {}

  // `told` hears of the first time.
  void announce(std::function<void(Result<void>)> told) {
    registry_->grant_lease(options_.ttl)
        .then([self = shared_from_this(), told = std::move(told)](Result<LeaseInfo> lease) mutable {
          if (!lease) return self->failed(std::move(lease).error(), told);
          self->put(lease->id, std::move(told));
        });
  }

  void end() {
    LeaseId lease;
    {
      std::lock_guard lock(mutex_);
      is_over_ = true;
      lease = std::exchange(lease_, {});
    }
    if (lease) drop(registry_->revoke_lease(lease));
  }

 private:
  bool is_over() const {
    std::lock_guard lock(mutex_);
    return is_over_;
  }

  void put(LeaseId lease, std::function<void(Result<void>)> told) {
    registry_->put(PutKey{.key = key_, .value = about_, .lease = lease}, {.space = options_.space})
        .then([self = shared_from_this(), lease,
               told = std::move(told)](Result<Revision> done) mutable {
          if (!done) {
            drop(self->registry_->revoke_lease(lease));
            return self->failed(std::move(done).error(), told);
          }
          self->stay(lease);
          if (told) told({});
        });
  }

  void stay(LeaseId lease) {
    {
      std::lock_guard lock(mutex_);
      if (!is_over_) lease_ = lease;
    }
    if (is_over()) return drop(registry_->revoke_lease(lease));
    registry_->lease_loss(lease).then(
        [self = shared_from_this(), lease](const Result<LeaseLoss>& loss) {
          const bool is_closed = !loss && loss.error().code != Errc::not_found;
          if (is_closed || self->is_over()) return;
          // It may live on, and is renewed still; what it held would be in the way of nobody.
          if (loss && !loss->has_ended) drop(self->registry_->revoke_lease(lease));
          self->announce({});
        });
  }

  void failed(Error why, const std::function<void(Result<void>)>& told) {
    if (told) return told(std::move(why));
    // It was announced once and is to be again. Each attempt waits for as long as a call does.
    if (is_passing(why) && !is_over()) announce({});
  }

  const std::shared_ptr<Registry> registry_;
  const std::string key_;
  const Bytes about_;
  const RecipeOptions options_;
  mutable std::mutex mutex_;
  bool is_over_ = false;  // Guarded, as the rest.
  LeaseId lease_;
};

// Keys that are followed.

class Mirror : public std::enable_shared_from_this<Mirror> {
 public:
  Mirror(Registry& registry, std::string prefix, std::string space, KeyMap::Observer observer)
      : registry_(registry::RegistryAccess::alias(registry)),
        prefix_(std::move(prefix)),
        space_(std::move(space)),
        observer_(std::move(observer)) {}

  void begin(std::function<void(Result<void>)> told) {
    told_ = std::move(told);
    read(KeyRange::prefix(prefix_), Revision());
  }
  void end() {
    std::lock_guard lock(mutex_);
    is_over_ = true;
    watch_.reset();
  }

  std::optional<Bytes> get(const std::string& key) const {
    std::lock_guard lock(mutex_);
    auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }
  KeyMap::Values all() const {
    std::lock_guard lock(mutex_);
    return values_;
  }
  Revision revision() const {
    std::lock_guard lock(mutex_);
    return error_ ? Revision() : upto_;
  }
  std::optional<Error> error() const {
    std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  // All of one revision, in parts.
  void read(KeyRange range, Revision at) {
    auto part = registry_->range(range, {.at = at, .bytes_max = 4 << 20}, {.space = space_});
    std::move(part).then([self = shared_from_this(), range](Result<RangeResult> found) {
      self->on_read(range, std::move(found));
    });
  }

  void on_read(const KeyRange& range, Result<RangeResult> found) {
    if (is_over()) return;
    const bool is_first = told_ != nullptr;
    if (!found &&
        (found.error().code == Errc::truncated || (!is_first && is_passing(found.error())))) {
      coming_.clear();
      return read(KeyRange::prefix(prefix_), Revision());
    }
    if (!found) return fail(std::move(found).error());
    for (KeyValue& one : found->keys) {
      coming_[one.key.substr(prefix_.size())] = std::move(one.value);
    }
    if (found->has_more) return read(range.after(found->keys.back().key), found->revision);
    {
      std::lock_guard lock(mutex_);
      values_ = std::exchange(coming_, {});
      upto_ = found->revision;
    }
    if (observer_) observer_(values_);
    watch(upto_.next());
    if (told_) std::exchange(told_, nullptr)({});
  }

  void watch(Revision from) {
    auto watch = registry_->watch(KeyRange::prefix(prefix_), {.from = from, .wants_progress = true},
                                  {.space = space_});
    if (!watch) return fail(std::move(watch).error());
    {
      std::lock_guard lock(mutex_);
      if (is_over_) return;
      watch_.emplace(*std::move(watch));
    }
    next();
  }

  void next() {
    std::unique_lock lock(mutex_);
    if (is_over_) return;
    auto op = watch_->next();
    lock.unlock();
    std::move(op).then([self = shared_from_this()](Result<WatchBatch> batch) {
      self->on_batch(std::move(batch));
    });
  }

  void on_batch(Result<WatchBatch> batch) {
    if (is_over()) return;
    if (!batch) {
      std::optional<WatchEnd> end;
      {
        std::lock_guard lock(mutex_);
        if (is_over_) return;  // Meanwhile, on another thread.
        end = watch_->ended();
        watch_.reset();
      }
      if (end && end->error.code == Errc::overloaded) return watch(end->resume_from);
      const bool is_forgotten = end && end->error.code == Errc::truncated;
      if (is_forgotten) return read(KeyRange::prefix(prefix_), Revision());
      return fail(std::move(batch).error());
    }
    {
      std::lock_guard lock(mutex_);
      for (KeyEvent& event : batch->events) {
        const std::string key = event.now.key.substr(prefix_.size());
        if (event.kind == KeyEvent::Kind::put) {
          values_[key] = std::move(event.now.value);
        } else {
          values_.erase(key);
        }
      }
      upto_ = batch->upto;
    }
    // Changed on this thread only.
    if (observer_ && !batch->events.empty()) observer_(values_);
    next();
  }

  void fail(Error why) {
    {
      std::lock_guard lock(mutex_);
      error_ = why;
    }
    if (told_) std::exchange(told_, nullptr)(std::move(why));
  }
  bool is_over() const {
    std::lock_guard lock(mutex_);
    return is_over_;
  }

  const std::shared_ptr<Registry> registry_;
  const std::string prefix_;
  const std::string space_;
  const KeyMap::Observer observer_;
  std::function<void(Result<void>)> told_;
  KeyMap::Values coming_;
  mutable std::mutex mutex_;
  bool is_over_ = false;  // Guarded, as the rest.
  KeyMap::Values values_;
  Revision upto_;
  std::optional<Error> error_;
  std::optional<Registry::Watch> watch_;
};

}  // namespace registry

Op<ServiceEntry> ServiceEntry::announce(Registry& registry, const std::string& service,
                                        const std::string& member, Bytes about,
                                        const RecipeOptions& options) {
  auto promise =
      std::make_shared<Promise<ServiceEntry>>(registry::RegistryAccess::host(registry).delivery());
  auto op = promise->op();
  auto announcement = std::make_shared<registry::Announcement>(
      registry, "service/" + service + "/" + member, std::move(about), options);
  announcement->announce([promise, announcement](Result<void> told) {
    if (!told) return promise->complete(std::move(told).error());
    promise->complete(ServiceEntry(announcement));
  });
  return op;
}

ServiceEntry::ServiceEntry(std::shared_ptr<registry::Announcement> announcement)
    : announcement_(std::move(announcement)) {}
ServiceEntry::ServiceEntry(ServiceEntry&&) noexcept = default;
ServiceEntry& ServiceEntry::operator=(ServiceEntry&& other) noexcept {
  std::swap(announcement_, other.announcement_);
  return *this;
}
ServiceEntry::~ServiceEntry() {
  if (announcement_) announcement_->end();
}

// Maps.

KeyMap::KeyMap(std::shared_ptr<registry::Mirror> mirror) : mirror_(std::move(mirror)) {}
KeyMap::KeyMap(KeyMap&&) noexcept = default;
KeyMap& KeyMap::operator=(KeyMap&& other) noexcept {
  std::swap(mirror_, other.mirror_);
  return *this;
}
KeyMap::~KeyMap() {
  if (mirror_) mirror_->end();
}

std::optional<Bytes> KeyMap::get(const std::string& key) const { return mirror_->get(key); }
KeyMap::Values KeyMap::all() const { return mirror_->all(); }
Revision KeyMap::revision() const { return mirror_->revision(); }
std::optional<Error> KeyMap::error() const { return mirror_->error(); }

Op<std::shared_ptr<registry::Mirror>> KeyMap::follow(Registry& registry, std::string prefix,
                                                     std::string space, Observer observer) {
  using Made = std::shared_ptr<registry::Mirror>;
  auto promise =
      std::make_shared<Promise<Made>>(registry::RegistryAccess::host(registry).delivery());
  auto op = promise->op();
  auto mirror = std::make_shared<registry::Mirror>(registry, std::move(prefix), std::move(space),
                                                   std::move(observer));
  mirror->begin([promise, mirror](Result<void> told) {
    if (!told) return promise->complete(std::move(told).error());
    promise->complete(mirror);
  });
  return op;
}

Op<Services> Services::watch(Registry& registry, const std::string& service, Observer observer,
                             const RecipeOptions& options) {
  Promise<Services> promise(registry::RegistryAccess::host(registry).delivery());
  auto op = promise.op();
  follow(registry, "service/" + service + "/", options.space, std::move(observer))
      .then(
          [promise = std::move(promise)](Result<std::shared_ptr<registry::Mirror>> mirror) mutable {
            if (!mirror) return promise.complete(std::move(mirror).error());
            promise.complete(Services(*std::move(mirror)));
          });
  return op;
}

ConfigMap::ConfigMap(Registry& registry, std::shared_ptr<registry::Mirror> mirror,
                     std::string prefix, std::string space)
    : KeyMap(std::move(mirror)),
      registry_(&registry),
      prefix_(std::move(prefix)),
      space_(std::move(space)) {}

Op<ConfigMap> ConfigMap::open(Registry& registry, const std::string& name, Observer observer,
                              const RecipeOptions& options) {
  Promise<ConfigMap> promise(registry::RegistryAccess::host(registry).delivery());
  auto op = promise.op();
  const std::string prefix = "config/" + name + "/";
  follow(registry, prefix, options.space, std::move(observer))
      .then([&registry, prefix, space = options.space, promise = std::move(promise)](
                Result<std::shared_ptr<registry::Mirror>> mirror) mutable {
        if (!mirror) return promise.complete(std::move(mirror).error());
        promise.complete(ConfigMap(registry, *std::move(mirror), prefix, space));
      });
  return op;
}

Op<Revision> ConfigMap::set(const std::string& key, Bytes value, const CallOptions& options) {
  return registry_->put(prefix_ + key, std::move(value), {.space = space_, .call = options});
}

Op<DeleteResult> ConfigMap::erase(const std::string& key, const CallOptions& options) {
  return registry_->erase(KeyRange::key(prefix_ + key), {.space = space_, .call = options});
}

}  // namespace cluster
