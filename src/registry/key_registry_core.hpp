// What a `Registry` is made of: the state machine under its log, who waits for answers, and what
// the leader does in time.
//
// The log applies where the runtime delivers; calls come from any thread; time comes by an alarm of
// the node thread. One mutex guards what they share, and nobody is called back under it.
//
// How a call ends. A command: by the entry being applied here; else by the log's error; else, where
// a snapshot from elsewhere went past it, this replica stopped, or its time is over between its
// being chosen and its being applied, by what looks after it. A read: by the barrier that it shares
// with all that waited when the last one ended; else by the same look. A watch's `next`: by events,
// progress, its end, or that of the registry.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "cluster/key_registry.hpp"
#include "cluster/state_machine.hpp"
#include "registry/key_log.hpp"
#include "registry/keys_state.hpp"
#include "registry/lease_timer.hpp"
#include "registry/watch_hub.hpp"
#include "runtime/host.hpp"

namespace cluster {

namespace registry {

// Whoever waits for the answer to one command.
class Waiter {
 public:
  virtual ~Waiter() = default;
  virtual void answer(Result<KeyAnswer>) = 0;
  // The state's own answer, by which the command is settled; other ones are the log's errors.
  virtual void decide(Result<KeyAnswer> answered) { answer(std::move(answered)); }
};

template <class T, class Make>
class WaiterOf final : public Waiter {
 public:
  WaiterOf(Promise<T> promise, Make make) : promise_(std::move(promise)), make_(std::move(make)) {}
  void answer(Result<KeyAnswer> result) override {
    if (!result) return promise_.complete(std::move(result).error());
    promise_.complete(make_(*std::move(result)));
  }

 private:
  Promise<T> promise_;
  Make make_;
};

// Whoever waits to look at the state. `look` comes once, with the mutex held, or not at all; then
// `answer` without it, or `fail`.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual void look(const KeysState&) = 0;
  virtual void answer() = 0;
  virtual void fail(Error) = 0;
};

template <class T, class Read>
class ReaderOf final : public Reader {
 public:
  ReaderOf(Promise<T> promise, Read read) : promise_(std::move(promise)), read_(std::move(read)) {}
  void look(const KeysState& state) override { result_ = read_(state); }
  void answer() override { promise_.complete(*std::move(result_)); }
  void fail(Error error) override { promise_.complete(std::move(error)); }

 private:
  Promise<T> promise_;
  Read read_;
  std::optional<Result<T>> result_;
};

// A session's numbers. Guarded by the core's mutex.
struct SessionBook {
  LeaseId lease;
  std::uint64_t next_sequence = 1;
  std::set<std::uint64_t> open;  // Whose answers have not come.
};

}  // namespace registry

struct registry::RegistryAccess {
  using Core = Registry::Core;
  static Registry make(std::shared_ptr<Core> core) { return Registry(std::move(core)); }
  static runtime::Host& host(Registry&);
  // The same registry, for what goes on after its owner's call. It may be used when the owner has
  // destroyed the other: then its calls fail with `closed`.
  static std::shared_ptr<Registry> alias(Registry& of) {
    auto forget = [](Registry* alias) {
      alias->core_.reset();
      delete alias;
    };
    return std::shared_ptr<Registry>(new Registry(of.core_), forget);
  }
};

struct Registry::Core final : StateMachine, std::enable_shared_from_this<Core> {
  Core(runtime::Host& its_host, RegistryOptions its_options);

  // The log's side: where the runtime delivers.
  void apply(const std::vector<Entry>& entries) override;
  Result<SnapshotJob> begin_snapshot() override;
  Result<void> restore(SnapshotReader&) override;
  // The state that a snapshot had.
  void become(registry::KeysState);
  // `look(const KeysState&)`, as this member knows it now.
  template <class Look>
  auto look(Look look) const {
    std::lock_guard lock(mutex);
    return look(state);
  }
  // The last command; none: there never was one.
  Position applied() const {
    return look([](const registry::KeysState& now) { return now.applied(); });
  }

  // On a log of its own, or on one that is another's, outlives `stop`, and is watched by whoever
  // calls this.
  void start(Log its_log);
  void start_on(registry::KeyLog& its_log);
  void on_leadership(const Leadership&);
  void on_health(const Health&);
  void stop();

  // Proposes a command and answers `waiter`, always. With a session it is tried again.
  void submit(registry::KeyCommand command, const CallOptions& call,
              std::unique_ptr<registry::Waiter> waiter,
              const std::shared_ptr<registry::SessionBook>& session = nullptr);
  template <class T, class Make>
  Op<T> ask(registry::KeyCommand command, const CallOptions& call, Make make,
            const std::shared_ptr<registry::SessionBook>& session = nullptr) {
    if (host.is_forked()) return Op<T>::ready(runtime::forked_error());
    Promise<T> promise(host.delivery());
    Op<T> op = promise.op();
    submit(std::move(command), call,
           std::make_unique<registry::WaiterOf<T, Make>>(std::move(promise), std::move(make)),
           session);
    return op;
  }
  // `read(const KeysState&)`, once this member has everything where that is wanted.
  template <class T, class Read>
  Op<T> ask_state(const KeyCallOptions& options, Read read);
  void submit(std::unique_ptr<registry::Reader>, const CallOptions& call);

  LeaseId draw_lease() {
    std::lock_guard lock(mutex);
    return LeaseId(random_.next() | 1);
  }
  // Renews it from now on. It was granted by a command that was sent at `sent_at`.
  void keep(LeaseId, Duration ttl, Time sent_at);
  void keep_no_longer(LeaseId);
  Op<LeaseLoss> lease_loss(LeaseId);
  void on_renewed(const std::vector<LeaseId>&, Time sent_at);

  // Watches.
  Result<registry::WatchId> watch(const std::string& space, const KeyRange& range,
                                  const WatchOptions& what) {
    std::lock_guard lock(mutex);
    if (stopped) return *stopped;
    auto id = hub_.watch(state, space, range, what);
    if (hub_.is_reading()) read_history_soon();
    arm();
    return id;
  }
  Op<WatchBatch> next(registry::WatchId, const std::shared_ptr<std::optional<WatchEnd>>&);
  void cancel(registry::WatchId);
  // Ends it, with what there is, and how far all has been told.
  WatchBatch finish(registry::WatchId);

  runtime::Host& host;
  Logger logger;
  RegistryOptions options;
  std::optional<Log> own_log;  // Set before calls come, gone after the last.
  std::unique_ptr<registry::KeyLog> own_key_log;

  mutable std::mutex mutex;
  registry::KeysState state;     // All below is guarded.
  std::optional<Error> stopped;  // It met what it cannot read, or was closed.

 private:
  friend class Registry;
  struct Pending {
    std::unique_ptr<registry::Waiter> waiter;
    std::shared_ptr<registry::SessionBook> session;
    Bytes entry;  // To try again; of sessions only.
    std::uint64_t sequence = 0;
    Time deadline;
    CallOptions call;
    Position at;  // Once it is known.
    Time retry_at = time_never;
  };
  struct OpenRead {
    std::unique_ptr<registry::Reader> reader;
    Time deadline;
    std::stop_token cancel;
  };
  struct Retry {
    std::uint64_t number;
    Bytes entry;
    CallOptions call;
  };
  struct Kept {
    Duration ttl;
    Time next;
    Time sure_until;  // It lives until then, whatever happens.
    std::vector<Promise<LeaseLoss>> asked;

    Duration interval() const { return ttl / 3; }
  };
  struct Taker {
    Promise<WatchBatch> promise;
    std::shared_ptr<std::optional<WatchEnd>> end;
  };
  using Answers =
      std::vector<std::pair<std::unique_ptr<registry::Waiter>, Result<registry::KeyAnswer>>>;
  using Batches = std::vector<std::pair<Promise<WatchBatch>, Result<WatchBatch>>>;
  // What is told once the mutex is free.
  struct News {
    Answers answers;
    Answers decided;
    Batches batches;
    std::vector<std::unique_ptr<registry::Reader>> read;
    std::vector<std::pair<std::unique_ptr<registry::Reader>, Error>> unread;
    std::vector<std::pair<Promise<LeaseLoss>, Result<LeaseLoss>>> losses;
    void tell();
  };

  static Result<WatchBatch> to_batch(registry::WatchHub::Taken, std::optional<WatchEnd>&);
  void apply_entry(const Entry&, Time now, News&);
  void append(std::uint64_t number, Bytes entry, const CallOptions& call);
  void on_appended(std::uint64_t number, Result<Position> at);
  std::unique_ptr<registry::Waiter> settle(std::uint64_t number);
  Duration patience_of(const CallOptions&) const;
  void begin_barrier();
  void on_barrier(const Result<Position>&);
  // Nothing is applied any more: all that is open ends with `why`.
  void end_all(const Error& why, News&);
  // Ends those whose time is over while nobody else would; gives those that are to be tried again.
  std::vector<Retry> look_after_calls(Time now, News&);
  void look_at(Time deadline) { next_look_ = std::min(next_look_, deadline); }
  void pump_watches(News&);
  void read_history_soon();
  // Proposes, and asks for no answer.
  void propose(std::vector<registry::KeyCommandBody>);
  void wake();
  Time next_wake() const;
  void arm();
  std::vector<registry::KeyCommandBody> due(Time now);
  std::vector<LeaseId> leases_to_renew(Time now);
  void renew(std::vector<LeaseId>, Time now);
  Time sure_until(Time sent_at, Duration ttl) const;
  void lose_overdue_leases(Time now, News&);
  void lose_ended_leases(const registry::KeyCommandBody&, News&);
  static void lose(LeaseId, Kept&, bool has_ended, News&);
  void note_age(Time now, std::vector<registry::KeyCommandBody>&);

  const std::uint64_t process_;
  std::uint64_t requests_ = 0;
  Random random_;
  std::unordered_map<std::uint64_t, Pending> pending_;
  std::vector<OpenRead> reads_;          // For the next barrier.
  std::vector<OpenRead> barrier_reads_;  // For the one that is under way.
  bool has_barrier_ = false;
  Time next_look_ = time_never;  // After open calls.
  registry::LeaseTimer timer_;
  registry::WatchHub hub_;
  std::map<registry::WatchId, Taker> takers_;
  bool is_reading_history_ = false;
  std::map<LeaseId, Kept> kept_;
  Time next_renewal_ = time_never;  // Of the first of them.
  Time next_loss_ = time_never;     // Of those whose loss is asked for.
  bool is_leading_ = false;
  std::uint64_t term_ = 0;
  std::deque<std::pair<Time, Revision>> ages_;  // What was the newest when, on this leader.
  Time next_progress_{};
  Time armed_ = time_never;
  std::unique_ptr<runtime::Alarm> alarm_;  // Node thread.

  // Held shared while the log is called, alone when it goes. Never waited for under `mutex`.
  std::shared_mutex log_mutex_;
  registry::KeyLog* log_ = nullptr;
};

inline runtime::Host& registry::RegistryAccess::host(Registry& of) { return of.core_->host; }

template <class T, class Read>
Op<T> Registry::Core::ask_state(const KeyCallOptions& options_of_call, Read read) {
  if (host.is_forked()) return Op<T>::ready(runtime::forked_error());
  if (options_of_call.is_local) {
    std::lock_guard lock(mutex);
    if (stopped) return Op<T>::ready(*stopped);
    return Op<T>::ready(read(state));
  }
  Promise<T> promise(host.delivery());
  Op<T> op = promise.op();
  submit(std::make_unique<registry::ReaderOf<T, Read>>(std::move(promise), std::move(read)),
         options_of_call.call);
  return op;
}

}  // namespace cluster
