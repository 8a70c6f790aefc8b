// The public face: carries calls from any thread to the driver on the node thread.
#include "cluster/log.hpp"

#include <mutex>
#include <utility>

#include "base/compression.hpp"
#include "base/endpoint.hpp"
#include "replog/client_service.hpp"
#include "replog/disks.hpp"
#include "replog/driver.hpp"
#include "replog/founding.hpp"
#include "replog/open.hpp"
#include "replog/shared_logs.hpp"
#include "replog/stores.hpp"

namespace cluster {
namespace {

constexpr std::size_t recover_window_bytes = 4u << 20;
// There may be thousands of them.
constexpr std::size_t shared_window_bytes = 256u << 10;

// Completes what a join token says.
Result<void> check_options(LogOptions& options) {
  if (auto checked = replog::complete_founding(options); !checked) return checked;
  auto wrong = [](std::string what) { return Error{Errc::invalid_argument, std::move(what)}; };
  if (options.heartbeat_interval * 3 > options.election_timeout) {
    return wrong("election_timeout must be at least three heartbeat_intervals");
  }
  if (options.entry_size_max == 0 || options.entry_size_max > replog::entry_size_limit) {
    return wrong("entry_size_max must be from 1 to " + std::to_string(replog::entry_size_limit));
  }
  if (options.heartbeat_interval <= Duration::zero())
    return wrong("heartbeat_interval is not positive");
  return {};
}

}  // namespace

namespace replog {
namespace {

// What a directory holds, before anything runs on it.
struct Opened {
  std::shared_ptr<Store> store;
  Recovered recovered;
  DriverSnapshots snapshots;
};

Result<std::unique_ptr<SnapshotFiles>> open_snapshots(runtime::Host& host,
                                                      const std::string& directory) {
  if (Disks* disks = host.disks()) return disks->open_snapshots(directory);
  return open_snapshot_files(directory);
}

Result<DriverSnapshots> recover_snapshots(runtime::Host& host, const LogOptions& options,
                                          NodeId self, const Recovered& recovered) {
  DriverSnapshots snapshots;
  if (options.state_machine == nullptr) return snapshots;
  auto files = open_snapshots(host, options.directory + "/snapshots");
  if (!files) return std::move(files).error();
  if (recovered.configuration.is_witness(self)) {  // It has no state to go on from.
    snapshots.files = *std::move(files);
    return snapshots;
  }
  auto sound = (*files)->recover();
  if (!sound) return std::move(sound).error();
  Position reached = sound->empty() ? Position(1) : sound->front().end;
  if (reached < recovered.kept_from) {
    return Error{Errc::corrupt,
                 options.directory + ": the log is kept from position " +
                     std::to_string(recovered.kept_from.value()) + " on, and the newest sound " +
                     "snapshot in " + options.directory + "/snapshots reaches only to " +
                     std::to_string(reached.value()) +
                     "; remove this member and add a new one with an empty directory"};
  }
  snapshots.files = *std::move(files);
  snapshots.sound = *std::move(sound);
  return snapshots;
}

Result<Opened> recover_from(runtime::Host& host, std::shared_ptr<Store> store,
                            const LogOptions& options,
                            std::size_t window_bytes = recover_window_bytes) {
  auto recovered = store->recover(window_bytes);
  if (!recovered) return std::move(recovered).error();
  auto checked = check_membership(options, store->identity(), recovered->configuration);
  if (!checked) return std::move(checked).error();
  auto snapshots = recover_snapshots(host, options, store->identity().member, *recovered);
  if (!snapshots) return std::move(snapshots).error();
  return Opened{std::move(store), *std::move(recovered), *std::move(snapshots)};
}

Result<Opened> open_directory(runtime::Host& host, const LogOptions& options) {
  Identity identity{
      .cluster = options.cluster, .member = options.self, .incarnation = host.random_seed() | 1};
  if (Disks* disks = host.disks()) {
    auto kept = disks->open_store(options.directory, identity);
    if (!kept) return std::move(kept).error();
    return recover_from(host, *std::move(kept), options);
  }
  std::function<void(Callback)> prepare_on;
  if (host.lends_background()) {
    prepare_on = [&host](Callback step) { host.post_background(std::move(step)); };
  }
  auto store = open_store(options.directory, identity, options.store, options.store_bytes_max,
                          std::move(prepare_on));
  if (!store) return std::move(store).error();
  return recover_from(host, *std::move(store), options);
}

}  // namespace
}  // namespace replog

// Shared with what is on its way between threads; the driver itself lives and dies on the node
// thread.
struct Log::Impl : std::enable_shared_from_this<Log::Impl> {
  Impl(runtime::Host& h, LogOptions o) : host(h), options(std::move(o)) {}

  runtime::Host& host;
  LogOptions options;
  runtime::ListenerId own_listener;
  std::shared_ptr<void> keeps;             // Of a host's log: what it shares.
  std::unique_ptr<replog::Driver> driver;  // Node thread.
  std::unique_ptr<replog::ClientService>
      service;  // Node thread; none where clients are not served.

  mutable std::mutex mutex;
  replog::Snapshot snapshot;              // Guarded.
  std::vector<replog::AppendCall> inbox;  // Guarded: gathers until the node thread comes by.
  bool is_draining = false;               // Guarded.
  std::size_t drained_last = 0;           // Node thread.

  replog::Snapshot read_snapshot() const {
    std::lock_guard lock(mutex);
    return snapshot;
  }

  // Runs `f(Driver&)` on the node thread, unless the log is gone by then.
  template <class F>
  void on_driver(F f) {
    host.post([weak = weak_from_this(), f = std::move(f)]() mutable {
      auto self = weak.lock();
      if (self && self->driver) f(*self->driver);
    });
  }

  // `f(Driver&, Promise<T>, options)` on the node thread.
  template <class T, class F>
  Op<T> call(const CallOptions& with, F f) {
    if (host.is_forked()) return Op<T>::ready(runtime::forked_error());
    Promise<T> promise(host.delivery());
    Op<T> op = promise.op();
    on_driver([with, f = std::move(f), promise = std::move(promise)](replog::Driver& one) mutable {
      f(one, std::move(promise), with);
    });
    return op;
  }

  // By the caller, so that the node thread need not. True: `data` is compressed now.
  bool pack(Bytes& data) const {
    std::size_t size = data.size();
    if (options.compress_min == 0 || size < options.compress_min) return false;
    if (size > options.entry_size_max) return false;
    Bytes packed = compress(data.view());
    if (packed.empty()) return false;
    data = std::move(packed);
    return true;
  }

  Op<Position> append(Bytes data, std::uint64_t term, const CallOptions& with) {
    if (host.is_forked()) return Op<Position>::ready(runtime::forked_error());
    Promise<Position> promise(host.delivery());
    Op<Position> op = promise.op();
    bool is_packed = pack(data);
    push({std::move(data), term, std::move(promise), is_packed, with, nullptr});
    return op;
  }

  Op<std::vector<Position>> append(std::vector<Bytes> entries, std::uint64_t term,
                                   const CallOptions& with) {
    if (entries.empty()) return Op<std::vector<Position>>::ready(std::vector<Position>{});
    if (host.is_forked()) return Op<std::vector<Position>>::ready(runtime::forked_error());
    Promise<std::vector<Position>> promise(host.delivery());
    auto op = promise.op();
    auto batch = std::make_unique<replog::AppendBatch>(
        replog::AppendBatch{.entries = {}, .promise = std::move(promise)});
    batch->entries.reserve(entries.size());
    for (Bytes& data : entries) {
      bool is_packed = pack(data);
      batch->entries.push_back({std::move(data), is_packed});
    }
    push({Bytes{}, term, Promise<Position>::none(), false, with, std::move(batch)});
    return op;
  }

  void push(replog::AppendCall call) {
    bool is_first = false;
    {
      std::lock_guard lock(mutex);
      inbox.push_back(std::move(call));
      is_first = !std::exchange(is_draining, true);
    }
    if (is_first) {
      host.post([weak = weak_from_this()] {
        if (auto self = weak.lock()) self->drain();
      });
    }
  }

  void drain() {
    std::vector<replog::AppendCall> calls;
    calls.reserve(drained_last);  // As many will come again, as a rule.
    {
      std::lock_guard lock(mutex);
      calls.swap(inbox);
      is_draining = false;
    }
    drained_last = calls.size();
    if (driver) driver->append(std::move(calls));
  }
};

struct Log::Writer::Impl {
  std::weak_ptr<Log::Impl> log;
  std::uint64_t term = 0;
};

Log::Log(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::Log(Log&&) noexcept = default;

Log::~Log() {
  if (!impl_) return;
  if (impl_->host.is_forked()) {
    runtime::leave_to_parent(std::move(impl_));
    return;
  }
  bool uses_background = false;
  runtime::run_on_node(impl_->host, [&uses_background, impl = impl_.get()] {
    impl->service.reset();
    uses_background = impl->driver && impl->driver->uses_background();
    impl->driver.reset();
    if (impl->own_listener) impl->host.transport().stop_listening(impl->own_listener);
    // A group may still be on its way to the disk; only after it is the directory free to be opened
    // again.
    impl->host.finish_groups();
  });
  // A snapshot that was being written is given up.
  if (uses_background) impl_->host.finish_background();
  std::vector<replog::AppendCall> dropped;
  std::lock_guard lock(impl_->mutex);
  dropped.swap(impl_->inbox);
}

NodeId Log::self() const { return impl_->options.self; }
LogRange Log::range() const { return impl_->read_snapshot().range; }
Leadership Log::leadership() const { return impl_->read_snapshot().leadership; }

Health Log::health() const { return *impl_->read_snapshot().health; }

Op<Position> Log::append(Bytes data, const CallOptions& options) {
  return impl_->append(std::move(data), 0, options);
}

Op<std::vector<Position>> Log::append(std::vector<Bytes> entries, const CallOptions& options) {
  return impl_->append(std::move(entries), 0, options);
}

Op<std::vector<Position>> Log::append(std::span<const Bytes> entries, const CallOptions& options) {
  return append(std::vector<Bytes>(entries.begin(), entries.end()), options);
}

Op<std::vector<Entry>> Log::read(Position from, Position to, std::size_t bytes_max,
                                 const CallOptions& options) const {
  return impl_->call<std::vector<Entry>>(
      options, [=](replog::Driver& driver, auto promise, const CallOptions& with) {
        driver.read(from, to, bytes_max, std::move(promise), with);
      });
}

Op<LogRange> Log::catch_up(const CallOptions& options) {
  return impl_->call<LogRange>(options,
                               [](replog::Driver& driver, auto promise, const CallOptions& with) {
                                 driver.catch_up(std::move(promise), with);
                               });
}

void Log::follow(Position from, std::function<void(const std::vector<Entry>&)> observer) {
  impl_->on_driver([from, observer = std::move(observer)](replog::Driver& driver) mutable {
    driver.follow(from, std::move(observer));
  });
}

void Log::watch_leadership(std::function<void(const Leadership&)> observer) {
  impl_->on_driver([observer = std::move(observer)](replog::Driver& driver) mutable {
    driver.watch_leadership(std::move(observer));
  });
}

void Log::watch_health(std::function<void(const Health&)> observer) {
  impl_->on_driver([observer = std::move(observer)](replog::Driver& driver) mutable {
    driver.watch_health(std::move(observer));
  });
}

Op<Position> Log::truncate(Position to, const CallOptions& options) {
  return impl_->call<Position>(options,
                               [to](replog::Driver& driver, auto promise, const CallOptions& with) {
                                 driver.truncate(to, std::move(promise), with);
                               });
}

Op<Position> Log::take_snapshot(const CallOptions& options) {
  return impl_->call<Position>(options,
                               [](replog::Driver& driver, auto promise, const CallOptions& with) {
                                 driver.take_snapshot(std::move(promise), with);
                               });
}

Op<Position> Log::read_barrier(const CallOptions& options) {
  return impl_->call<Position>(options,
                               [](replog::Driver& driver, auto promise, const CallOptions& with) {
                                 driver.read_barrier(std::move(promise), with);
                               });
}

Op<Log::Writer> Log::start_writer(const CallOptions& options) {
  if (impl_->host.is_forked()) return Op<Writer>::ready(runtime::forked_error());
  Promise<Writer> promise(impl_->host.delivery());
  auto op = promise.op();
  Promise<std::uint64_t> term;
  term.op().then([promise = std::move(promise),
                  log = std::weak_ptr(impl_)](Result<std::uint64_t> result) mutable {
    if (!result) return promise.complete(std::move(result).error());
    auto writer = std::make_unique<Writer::Impl>();
    writer->log = log;
    writer->term = *result;
    promise.complete(Writer(std::move(writer)));
  });
  impl_->on_driver([options, term = std::move(term)](replog::Driver& driver) mutable {
    driver.start_writer(std::move(term), options);
  });
  return op;
}

Result<Log::Writer> Log::current_writer() {
  Leadership leadership = this->leadership();
  if (!leadership.is_self) return Error{Errc::fenced, "this member does not lead"};
  auto writer = std::make_unique<Writer::Impl>();
  writer->log = impl_;
  writer->term = leadership.term;
  return Writer(std::move(writer));
}

Metrics Log::metrics() const {
  Metrics metrics;
  runtime::run_on_node(impl_->host, [&] { metrics = impl_->driver->metrics(); });
  return metrics;
}

Log::Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::Writer::Writer(Writer&&) noexcept = default;
Log::Writer& Log::Writer::operator=(Writer&&) noexcept = default;
Log::Writer::~Writer() = default;

std::uint64_t Log::Writer::term() const { return impl_->term; }

Op<Position> Log::Writer::append(Bytes data, const CallOptions& options) {
  auto log = impl_->log.lock();
  if (!log) return Op<Position>::ready(Error{Errc::closed, "the log was closed"});
  return log->append(std::move(data), impl_->term, options);
}

Op<std::vector<Position>> Log::Writer::append(std::vector<Bytes> entries,
                                              const CallOptions& options) {
  auto log = impl_->log.lock();
  if (!log) {
    return Op<std::vector<Position>>::ready(Error{Errc::closed, "the log was closed"});
  }
  return log->append(std::move(entries), impl_->term, options);
}

Op<std::vector<Position>> Log::Writer::append(std::span<const Bytes> entries,
                                              const CallOptions& options) {
  return append(std::vector<Bytes>(entries.begin(), entries.end()), options);
}

Members Log::members() const {
  Members members;
  runtime::run_on_node(impl_->host, [&] { members = impl_->driver->members(); });
  return members;
}

Op<Members> Log::change_members(std::vector<MemberEdit> edits, const CallOptions& options) {
  return impl_->call<Members>(options,
                              [edits = std::move(edits)](replog::Driver& driver, auto promise,
                                                         const CallOptions& with) mutable {
                                driver.change_members(std::move(edits), std::move(promise), with);
                              });
}

Op<JoinToken> Log::add_member(AddMember newcomer, const CallOptions& options) {
  return impl_->call<JoinToken>(
      options, [newcomer = std::move(newcomer)](replog::Driver& driver, auto promise,
                                                const CallOptions& with) mutable {
        driver.add_member(std::move(newcomer), std::move(promise), with);
      });
}

Op<Leadership> Log::transfer_leadership(NodeId to, const CallOptions& options) {
  return impl_->call<Leadership>(
      options, [to](replog::Driver& driver, auto promise, const CallOptions& with) {
        driver.transfer_leadership(to, std::move(promise), with);
      });
}

Result<Log> Log::open(Runtime& runtime, LogOptions options) {
  if (runtime.host().is_forked()) return runtime::forked_error();
  return replog::open_listening(runtime.host(), std::move(options));
}

namespace replog {

// Lets these functions build a `Log` without widening its public face.
struct LogAccess {
  static Log make(std::shared_ptr<Log::Impl> impl) { return Log(std::move(impl)); }
  static const Log::Impl& impl(const Log& log) { return *log.impl_; }
  static Log::Impl& impl(Log& log) { return *log.impl_; }
  static std::shared_ptr<Log::Impl> make_impl(runtime::Host& host, LogOptions options) {
    return std::make_shared<Log::Impl>(host, std::move(options));
  }
};

namespace {

Log make_log(runtime::Host& host, runtime::ListenerId listener, LogOptions options, Opened opened,
             SharedPlace place = {}, const DriverLimits& limits = {}) {
  options.self = opened.store->identity().member;
  options.cluster = opened.store->identity().cluster;
  auto impl = LogAccess::make_impl(host, std::move(options));
  runtime::run_on_node(host, [&, weak = std::weak_ptr(impl)] {
    impl->driver = std::make_unique<Driver>(
        host, listener, std::move(opened.store), std::move(opened.recovered), impl->options,
        [raw = impl.get()](const Snapshot& snapshot) {
          std::lock_guard lock(raw->mutex);
          raw->snapshot = snapshot;
        },
        limits, std::move(opened.snapshots), place);
    if (impl->options.serve_clients) {
      impl->service = std::make_unique<ClientService>(host, listener, *impl->driver);
    }
  });
  return LogAccess::make(std::move(impl));
}

}  // namespace

Result<Log> open_shared(runtime::Host& host, SharedPlace place, LogOptions options,
                        std::shared_ptr<Store> store, std::shared_ptr<void> keeps) {
  if (auto checked = check_options(options); !checked) return std::move(checked).error();
  auto opened = recover_from(host, std::move(store), options, shared_window_bytes);
  if (!opened) return std::move(opened).error();
  DriverLimits limits;
  limits.window_bytes = shared_window_bytes;
  Log log = make_log(host, {}, std::move(options), *std::move(opened), place, limits);
  LogAccess::impl(log).keeps = std::move(keeps);
  return log;
}

Result<Log> open_listening(runtime::Host& host, LogOptions options) {
  if (auto checked = check_options(options); !checked) return std::move(checked).error();
  auto opened = open_directory(host, options);
  if (!opened) return std::move(opened).error();
  auto endpoint =
      listening_endpoint(options, opened->store->identity(), opened->recovered.configuration);
  if (!endpoint) return std::move(endpoint).error();
  Result<runtime::ListenerId> listener = Error{};
  runtime::run_on_node(host, [&] { listener = host.transport().listen(*endpoint); });
  if (!listener) return std::move(listener).error();
  Log log = make_log(host, *listener, std::move(options), *std::move(opened));
  LogAccess::impl(log).own_listener = *listener;
  return log;
}

runtime::ListenerId listener_of(const Log& log) { return LogAccess::impl(log).own_listener; }

ClusterUid cluster_of(const Log& log) { return LogAccess::impl(log).options.cluster; }

Result<Log> open_on(runtime::Host& host, runtime::ListenerId listener, LogOptions options) {
  if (auto checked = check_options(options); !checked) return std::move(checked).error();
  auto opened = open_directory(host, options);
  if (!opened) return std::move(opened).error();
  return make_log(host, listener, std::move(options), *std::move(opened));
}

Result<Log> open_on_store(runtime::Host& host, runtime::ListenerId listener, LogOptions options,
                          std::shared_ptr<Store> store) {
  if (auto checked = check_options(options); !checked) return std::move(checked).error();
  auto opened = recover_from(host, std::move(store), options);
  if (!opened) return std::move(opened).error();
  return make_log(host, listener, std::move(options), *std::move(opened));
}

std::optional<SnapshotOffered> newest_snapshot(const Log& log) {
  return LogAccess::impl(log).driver->newest_snapshot();
}

void read_snapshot(Log& log, std::uint64_t id, std::uint64_t offset, std::size_t bytes_max,
                   std::function<void(Result<Bytes>)> done) {
  LogAccess::impl(log).driver->read_snapshot(id, offset, bytes_max, std::move(done));
}

void stop_for_good(Log& log, const Error& why) { LogAccess::impl(log).driver->stop(why); }

bool is_connected(const Log& log, NodeId member) {
  bool connected = false;
  const auto& impl = LogAccess::impl(log);
  runtime::run_on_node(impl.host, [&] { connected = impl.driver->is_connected(member); });
  return connected;
}

}  // namespace replog
}  // namespace cluster
