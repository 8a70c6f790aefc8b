// What programs build on shared keys again and again: elections, locks, barriers, counters, lists
// of who serves, and configuration that is reloaded as it changes. Each is a few keys of a
// `Registry`.
//
//   auto lock = Lock::acquire(registry, "nightly-report").get().value();
//   storage.write(report, lock.token());   // which refuses tokens older than it has seen
//
// A lock and an election are a place in a queue: a key with a lease, behind those that were there
// before. Whoever holds them acts by a lease, so it must stop when `lost()` completes; and since a
// process may stand still just before it acts, what it acts on should be given the token: tokens
// grow from holder to holder.
//
// Threads: any method from any thread. Observers are called where the runtime delivers, one call at
// a time, and not after their object's destructor has returned on that thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cluster/call.hpp"
#include "cluster/key_registry.hpp"
#include "cluster/keys.hpp"
#include "cluster/op.hpp"
#include "cluster/types.hpp"

namespace cluster {

struct RecipeOptions {
  std::string space;                        // The namespace of its keys.
  Duration ttl = std::chrono::seconds(10);  // Of its lease: what others wait when a holder dies.
  Duration patience{};                      // Of waiting for one's turn; 0: as long as it takes.
  std::stop_token cancel;                   // The same, from any thread.
};

// Held by one process, or by any number that share it. Keys: "lock/NAME/x-LEASE", or "s-".
class Lock {
 public:
  enum class Kind : std::uint8_t { exclusive = 0, shared = 1 };

  // Yields the lock once it is held. `timed_out` and `cancelled`: it is not, and will not be. In
  // the order of asking: an exclusive one waits for all before it, a shared one for the exclusive
  // ones.
  static Op<Lock> acquire(Registry&, const std::string& name, Kind kind = Kind::exclusive,
                          const RecipeOptions& options = {});

  Lock(Lock&&) noexcept;
  Lock& operator=(Lock&&) noexcept;
  ~Lock();  // Gives it up, and does not wait.

  Revision token() const;
  LeaseId lease() const;  // Of further keys that are to go with it.
  // Completes when this process must stop acting by the lock: it was given up, or its lease has
  // ended or could have.
  Op<LeaseLoss> lost();
  Op<Revision> release();

 private:
  friend class Turn;
  friend class Election;
  struct Held;
  explicit Lock(std::unique_ptr<Held>);
  std::unique_ptr<Held> held_;
};

// One of the candidates leads; when it resigns or is gone, the one that has waited longest. Keys:
// "election/NAME/x-LEASE", whose values are the candidates'.
class Election {
 public:
  struct Leader {
    Bytes value;
    Revision token;

    friend bool operator==(const Leader&, const Leader&) = default;
  };

  // Yields once this candidate leads.
  static Op<Election> win(Registry&, const std::string& name, Bytes value,
                          const RecipeOptions& options = {});
  // Who leads now; nobody, where there is no candidate.
  static Op<std::optional<Leader>> leader(Registry&, const std::string& name,
                                          const KeyCallOptions& options = default_key_call);

  Revision token() const { return lock_.token(); }
  LeaseId lease() const { return lock_.lease(); }
  Op<LeaseLoss> lost() { return lock_.lost(); }
  Op<Revision> resign() { return lock_.release(); }

 private:
  explicit Election(Lock lock) : lock_(std::move(lock)) {}
  Lock lock_;
};

// Opens for all once `count` have come; it stays open then. Keys: "barrier/NAME/...".
class Barrier {
 public:
  // Yields the revision at which it opened. One that stops waiting counts no longer.
  static Op<Revision> enter(Registry&, const std::string& name, std::uint64_t count,
                            const RecipeOptions& options = {});
  // Closes it, for the next who come.
  static Op<DeleteResult> reset(Registry&, const std::string& name,
                                const KeyCallOptions& options = default_key_call);
};

// A number, under a key of the caller's; missing is 0.
class Counter {
 public:
  // The registry must outlive it.
  Counter(Registry& registry, std::string key) : registry_(&registry), key_(std::move(key)) {}

  // Yields what it comes to. An error with `Outcome::maybe`: it may have been added.
  Op<std::int64_t> add(std::int64_t delta, const KeyCallOptions& options = default_key_call);
  Op<std::int64_t> get(const KeyCallOptions& options = default_key_call);

 private:
  Registry* registry_;
  std::string key_;
};

namespace registry {
class Mirror;  // Inside the library only.
class Announcement;
}  // namespace registry

// One that is announced under a service's name for as long as this object, and its process, live.
// Where its lease was lost (it was cut off for long) it is announced again. Keys:
// "service/NAME/MEMBER".
class ServiceEntry {
 public:
  static Op<ServiceEntry> announce(Registry&, const std::string& service, const std::string& member,
                                   Bytes about, const RecipeOptions& options = {});
  ServiceEntry(ServiceEntry&&) noexcept;
  ServiceEntry& operator=(ServiceEntry&&) noexcept;
  ~ServiceEntry();  // It is announced no longer; does not wait.

 private:
  explicit ServiceEntry(std::shared_ptr<registry::Announcement>);
  std::shared_ptr<registry::Announcement> announcement_;
};

// What is under a name, followed: reads cost nothing, and are as old as the news on their way.
class KeyMap {
 public:
  using Values = std::map<std::string, Bytes>;
  using Observer = std::function<void(const Values&)>;

  KeyMap(KeyMap&&) noexcept;
  KeyMap& operator=(KeyMap&&) noexcept;
  ~KeyMap();

  std::optional<Bytes> get(const std::string& key) const;
  Values all() const;
  // All before it is known here. None once it follows no more: `error` says why.
  Revision revision() const;
  std::optional<Error> error() const;

 protected:
  explicit KeyMap(std::shared_ptr<registry::Mirror>);
  static Op<std::shared_ptr<registry::Mirror>> follow(Registry&, std::string prefix,
                                                      std::string space, Observer);
  std::shared_ptr<registry::Mirror> mirror_;
};

// Who serves, by name.
class Services : public KeyMap {
 public:
  // Yields it with all members that are announced now. The observer is called with them first, and
  // then after each change.
  static Op<Services> watch(Registry&, const std::string& service, Observer observer = {},
                            const RecipeOptions& options = {});

 private:
  using KeyMap::KeyMap;
};

// A configuration that all copies of a program share, and that is reloaded as it changes. Keys:
// "config/NAME/KEY".
class ConfigMap : public KeyMap {
 public:
  // The registry must outlive it.
  static Op<ConfigMap> open(Registry&, const std::string& name, Observer observer = {},
                            const RecipeOptions& options = {});

  // Seen by `get` of this object once it is known here, which may be after the call has ended.
  Op<Revision> set(const std::string& key, Bytes value, const CallOptions& options = default_call);
  Op<DeleteResult> erase(const std::string& key, const CallOptions& options = default_call);

 private:
  ConfigMap(Registry&, std::shared_ptr<registry::Mirror>, std::string prefix, std::string space);
  Registry* registry_;
  std::string prefix_;
  std::string space_;
};

}  // namespace cluster
