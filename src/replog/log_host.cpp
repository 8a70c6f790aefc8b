// The public face of many logs: what they share, and where each of them is opened.
#include "cluster/log_host.hpp"

#include <mutex>
#include <utility>

#include "base/random.hpp"
#include "replog/journal_store.hpp"
#include "replog/open.hpp"
#include "replog/shared_logs.hpp"
#include "replog/shared_store.hpp"
#include "runtime/host.hpp"

namespace cluster {
namespace {

Error wrong(std::string what) { return Error{Errc::invalid_argument, std::move(what)}; }

Result<std::shared_ptr<replog::SharedStore>> open_store(runtime::Host& host,
                                                        const LogHostOptions& options) {
  replog::Identity identity{
      .cluster = options.cluster, .member = options.self, .incarnation = system_random() | 1};
  auto directory = replog::Directory::open(options.directory, identity, replog::shared_journal);
  if (!directory) return std::move(directory).error();
  replog::JournalOptions journal_options;
  journal_options.bytes_max = options.store_bytes_max;
  if (host.lends_background()) {
    journal_options.prepare_on = [&host](Callback step) { host.post_background(std::move(step)); };
  }
  auto journal = replog::open_journal_store(*std::move(directory), journal_options);
  if (!journal) return std::move(journal).error();
  return replog::SharedStore::open(*std::move(journal));
}

Result<void> check_options(const LogHostOptions& options) {
  if (options.listen.host.empty()) {
    return wrong("LogHostOptions::listen is empty: say where the other hosts reach this one");
  }
  if (options.self.value() > replog::member_id_max) {
    return wrong("LogHostOptions::self is not in 1.." + std::to_string(replog::member_id_max));
  }
  if (options.beat_interval <= Duration::zero() ||
      options.beat_interval * 3 > options.silence_max) {
    return wrong("LogHostOptions::silence_max must be at least three beat_intervals");
  }
  return {};
}

}  // namespace

// Kept by the host and by each log that is open.
struct LogHost::Impl {
  Impl(runtime::Host& h, LogHostOptions o, std::shared_ptr<replog::SharedStore> s)
      : host(h), options(std::move(o)), store(std::move(s)) {}
  ~Impl() {
    runtime::run_on_node(host, [this] {
      logs.reset();
      if (listener) host.transport().stop_listening(listener);
      // Only after what is on its way to the disk may another open the directory.
      host.finish_groups();
    });
  }

  Result<void> start() {
    Result<runtime::ListenerId> listening = Error{};
    runtime::run_on_node(host, [&] {
      listening = host.transport().listen(options.listen);
      if (!listening) return;
      listener = *listening;
      options.listen = host.transport().endpoint(listener);
      replog::SharedLogsOptions shared{.identity = store->identity(),
                                       .silence_max = options.silence_max,
                                       .beat_interval = options.beat_interval};
      logs = std::make_unique<replog::SharedLogs>(
          host, listener, shared, [keeps = store](const std::vector<replog::LogChanges>& changes) {
            return keeps->commit(changes);
          });
    });
    return listening ? Result<void>{} : Result<void>{std::move(listening).error()};
  }

  // What the host decides for its logs.
  Result<void> complete(LogId log, LogOptions& given) const {
    const replog::Identity& identity = store->identity();
    if (!log) return wrong("a log's id is not 0");
    if (given.serve_clients) {
      return Error{Errc::unsupported,
                   "LogOptions::serve_clients: a client names no log; use Log::open for the one "
                   "that serves clients"};
    }
    bool is_other = (given.cluster && given.cluster != identity.cluster) ||
                    (given.self && given.self != identity.member);
    if (is_other) return wrong("LogOptions name another cluster or member than the host's");
    if (!given.directory.empty() || !given.listen.host.empty()) {
      return wrong("LogOptions::directory and listen are the host's: leave them empty");
    }
    given.cluster = identity.cluster;
    given.self = identity.member;
    given.directory = options.directory + "/log-" + std::to_string(log.value());
    if (!given.join.empty()) given.listen = options.listen;
    return {};
  }

  Result<void> check_not_open(LogId log) {
    bool is_open = false;
    runtime::run_on_node(host, [&] { is_open = logs->is_open(log); });
    if (!is_open) return {};
    return wrong("log " + std::to_string(log.value()) + " is open already");
  }

  runtime::Host& host;
  LogHostOptions options;
  std::shared_ptr<replog::SharedStore> store;
  runtime::ListenerId listener;
  std::unique_ptr<replog::SharedLogs> logs;  // Node thread.
  std::mutex opening;                        // One at a time.
};

LogHost::LogHost(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogHost::LogHost(LogHost&&) noexcept = default;
LogHost::~LogHost() {
  if (impl_ && impl_->host.is_forked()) runtime::leave_to_parent(std::move(impl_));
}

Result<LogHost> LogHost::open(Runtime& runtime, LogHostOptions options) {
  if (auto checked = check_options(options); !checked) return std::move(checked).error();
  if (runtime.host().disks() != nullptr) {
    return Error{Errc::unsupported,
                 "a simulated node has no shared journal: open each of its logs by Log::open"};
  }
  auto store = open_store(runtime.host(), options);
  if (!store) return std::move(store).error();
  auto impl = std::make_shared<Impl>(runtime.host(), std::move(options), *std::move(store));
  if (auto started = impl->start(); !started) return std::move(started).error();
  return LogHost(std::move(impl));
}

Result<Log> LogHost::open_log(LogId log, LogOptions options) {
  std::lock_guard lock(impl_->opening);
  if (auto completed = impl_->complete(log, options); !completed) {
    return std::move(completed).error();
  }
  if (auto is_free = impl_->check_not_open(log); !is_free) return std::move(is_free).error();
  return replog::open_shared(impl_->host, {impl_->logs.get(), log}, std::move(options),
                             impl_->store->store_of(log), impl_);
}

NodeId LogHost::self() const { return impl_->store->identity().member; }
Endpoint LogHost::endpoint() const { return impl_->options.listen; }
std::vector<LogId> LogHost::logs() const { return impl_->store->logs(); }

Metrics LogHost::metrics() const {
  Metrics metrics;
  runtime::run_on_node(impl_->host, [&] { metrics = impl_->logs->metrics(); });
  return metrics;
}

}  // namespace cluster
