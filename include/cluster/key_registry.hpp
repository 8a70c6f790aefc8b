// The registry that applications embed: users' keys (cluster/keys.hpp) on a replicated log.
//
//   auto registry = Registry::open(runtime, {.log = options}).value();
//   registry.put("config/limit", Bytes(ByteView("8"))).get().value();
//   auto limit = registry.get("config/limit").get().value();
//
// Any member takes any call. Reads are linearizable unless they say otherwise: what was written
// before the call, anywhere, is seen; followers serve them as the leader does. Watches are served
// by the member that is asked, from its own state.
//
// A write that fails with `Outcome::maybe` may have been applied. One made through a `Session` is
// tried again until its time is over, and is applied once whatever happened on the way.
//
// Threads: every method may be called from any thread and returns at once with an `Op`. Destroying
// the registry completes what is open with `Errc::closed`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/call.hpp"
#include "cluster/keys.hpp"
#include "cluster/log.hpp"
#include "cluster/op.hpp"
#include "cluster/result.hpp"
#include "cluster/runtime.hpp"

namespace cluster {

namespace registry {
struct RegistryAccess;  // Inside the library only.
}

struct RegistryOptions {
  LogOptions log;  // Its `state_machine` is the registry's own.
  // How often watches that want it are told how far all is told, where nothing happens.
  Duration progress_interval = std::chrono::seconds(5);
};

struct KeyCallOptions {
  std::string space;      // The namespace.
  bool is_local = false;  // Of reads: what this member knows, without asking; it may be old.
  CallOptions call;
};
inline const KeyCallOptions default_key_call{};

struct LeaseLoss {
  LeaseId lease;
  bool has_ended = false;  // False: it may live on, but nobody here can be sure of it.

  friend bool operator==(const LeaseLoss&, const LeaseLoss&) = default;
};

class Registry {
 public:
  class Session;
  class Watch;

  // As `Log::open`. A replica that meets an entry of a newer version stops at it: its calls fail
  // with `unsupported` until it is started with that version.
  static Result<Registry> open(Runtime&, RegistryOptions);

  Registry(Registry&&) noexcept;
  Registry& operator=(Registry&&) noexcept;
  ~Registry();

  Log& log();
  // What this member has applied.
  Revision revision() const;
  Revision compacted() const;

  Op<std::optional<KeyValue>> get(std::string key,
                                  const KeyCallOptions& options = default_key_call);
  Op<RangeResult> range(KeyRange range, RangeOptions what = {},
                        const KeyCallOptions& options = default_key_call);

  // Yields the revision of the change.
  Op<Revision> put(std::string key, Bytes value, const KeyCallOptions& options = default_key_call);
  Op<Revision> put(PutKey put, const KeyCallOptions& options = default_key_call);
  Op<DeleteResult> erase(KeyRange range, const KeyCallOptions& options = default_key_call);
  // One that only reads is not written to the log.
  Op<TransactionResult> transact(Transaction transaction,
                                 const KeyCallOptions& options = default_key_call);

  // Changes from `what.from` on, or from the next. Nothing waits for a watch that is not taken
  // from: see `WatchOptions::queue_events_max`.
  Result<Watch> watch(KeyRange range, WatchOptions what = {},
                      const KeyCallOptions& options = default_key_call);

  // A lease under a number drawn here. With `is_kept` this registry renews it, all that it keeps in
  // one command, until it is revoked or the registry is destroyed.
  Op<LeaseInfo> grant_lease(Duration ttl, bool is_kept = true,
                            const CallOptions& options = default_call);
  // Yields those of `leases` that have ended.
  Op<std::vector<LeaseId>> keep_alive(std::vector<LeaseId> leases,
                                      const CallOptions& options = default_call);
  // Its keys are deleted.
  Op<Revision> revoke_lease(LeaseId lease, const CallOptions& options = default_call);
  // As this member knows it.
  std::optional<LeaseInfo> lease(LeaseId lease) const;
  // Ends when a lease that this registry keeps has ended, or when it could have: its time to live
  // has nearly passed, by this clock, since the last renewal that was answered was sent. Whoever
  // acts by a lease stops then. "Nearly" is `LogOptions::clock_drift_permille_max`. `not_found` of
  // a lease that is not kept here.
  Op<LeaseLoss> lease_loss(LeaseId lease);

  // Begins a session, on a lease of its own that this registry keeps.
  Op<Session> open_session(Duration ttl, const CallOptions& options = default_call);

  Op<Revision> compact(Revision upto, const CallOptions& options = default_call);
  Op<Revision> set_history_policy(HistoryPolicy policy, const CallOptions& options = default_call);
  Op<Revision> set_namespace(std::string name, KeyQuota quota,
                             const CallOptions& options = default_call);
  Op<Revision> remove_namespace(std::string name, const CallOptions& options = default_call);
  std::vector<NamespaceInfo> namespaces() const;  // As this member knows them.

 private:
  friend struct registry::RegistryAccess;
  struct Core;
  explicit Registry(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

// Writes that are applied once. At most `KeyLimits::session_answers_max` may be open at a time:
// more fail with `overloaded`. Where the session's lease has ended they fail with `not_found`; then
// what was open may have been applied before, and what comes later is not.
class Registry::Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();  // Its lease is kept no longer, and ends in its time.

  LeaseId lease() const;
  Op<Revision> put(PutKey put, const KeyCallOptions& options = default_key_call);
  Op<DeleteResult> erase(KeyRange range, const KeyCallOptions& options = default_key_call);
  Op<TransactionResult> transact(Transaction transaction,
                                 const KeyCallOptions& options = default_key_call);
  // Ends the lease, and its keys, now.
  Op<Revision> close(const CallOptions& options = default_call);

 private:
  friend class Registry;
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Registry::Watch {
 public:
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;
  ~Watch();

  // The next events, once there are any; one `next` at a time. After an error the watch is over:
  // `ended` says why and from where another one goes on.
  Op<WatchBatch> next();
  std::optional<WatchEnd> ended() const;

 private:
  friend class Registry;
  struct Impl;
  explicit Watch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cluster
