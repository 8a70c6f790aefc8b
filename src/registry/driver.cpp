#include "registry/driver.hpp"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "base/check.hpp"
#include "registry/format.hpp"
#include "registry/key_entries.hpp"
#include "registry/shared_snapshot.hpp"

namespace cluster::registry {

// Node thread only, but for `host`.
struct RegistryDriver::Body {
  Body(runtime::Host& its_host, RegistryLimits its_limits)
      : host(its_host),
        logger(its_host.logger().with_part("registry")),
        limits(its_limits),
        state(its_limits),
        keys(std::make_shared<KeysCore>(its_host, RegistryOptions{})) {}

  void apply(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
      if (closed || unreadable) return;
      apply(entry);
    }
  }

  void apply(const Entry& entry) {
    CLUSTER_CHECK(entry.position > applied, "the log delivers its entries in order and once",
                  entry.position, applied);
    std::vector<RegistryEvent> events;
    auto key_command = marked_key_entry(entry.data);
    auto command = key_command ? Result<RegistryCommand>(Errc::invalid_argument, "")
                               : decode_registry_command(entry.data.view());
    if (!command && command.error().code == Errc::unsupported) {
      return stop(entry.position, command.error());
    }
    if (key_command) {
      keys->apply({{.position = entry.position, .data = *std::move(key_command)}});
      ++entries_applied;
    } else if (command) {
      events = state.apply(entry.position, *command);
      ++entries_applied;
      note_refusals(entry.position, events);
    } else if (auto note = decode_digest_note(entry.data.view())) {
      ++entries_applied;
      if (on_note) on_note(entry.position, *note);
    } else {
      ++entries_skipped;
      logger.error("skipped an entry", "position", entry.position, "bytes", entry.data.size(),
                   "why", command.error().context);
    }
    applied = entry.position;
    // By index: an observer may subscribe another one.
    for (std::size_t i = 0; i < observers.size(); ++i) {
      Observer observer = observers[i];
      observer(entry.position, events);
    }
  }

  void stop(Position at, const Error& why) {
    logger.error("stopped at an entry of a newer version", "position", at, "why", why.context);
    unreadable = why;
    if (on_unreadable) on_unreadable(why);
  }

  void note_refusals(Position at, const std::vector<RegistryEvent>& events) {
    for (const RegistryEvent& event : events) {
      if (event.kind != RegistryEvent::Kind::refused) continue;
      ++commands_refused;
      logger.debug("refused a command", "position", at, "why", event.message);
    }
  }

  runtime::Host& host;
  Logger logger;
  const RegistryLimits limits;
  RegistryState state;
  const std::shared_ptr<KeysCore> keys;
  Position applied;
  std::vector<Observer> observers;
  std::function<void(Position, const DigestNote&)> on_note;
  std::function<void(const Error&)> on_unreadable;
  std::optional<Error> unreadable;  // Why nothing more is applied.
  bool closed = false;
  std::uint64_t entries_applied = 0;
  std::uint64_t entries_skipped = 0;
  std::uint64_t commands_refused = 0;
  std::uint64_t restores = 0;
};

namespace {

// Does `f` on the node thread and waits for it. False where that thread is gone.
template <class F>
bool on_node(runtime::Host& host, F f) {
  if (host.on_node_thread()) {
    f();
    return true;
  }
  // A host that drops the callback unrun destroys the promise, which ends the wait as well.
  auto has_run = std::make_shared<bool>(false);
  std::promise<void> done;
  std::future<void> over = done.get_future();
  host.post([f, has_run, done = std::move(done)]() mutable {
    f();
    *has_run = true;
    done.set_value();
  });
  over.wait();
  return *has_run;
}

}  // namespace

RegistryDriver::RegistryDriver(runtime::Host& host, RegistryLimits limits)
    : host_(host), body_(std::make_shared<Body>(host, limits)) {}

void RegistryDriver::apply(const std::vector<Entry>& entries) {
  on_node(host_, [&entries, body = body_] { body->apply(entries); });
}

Result<SnapshotJob> RegistryDriver::begin_snapshot() {
  Result<SnapshotJob> job = Error{Errc::closed, "the registry was closed"};
  on_node(host_, [&job, body = body_] {
    if (body->unreadable) return void(job = *body->unreadable);
    std::optional<SnapshotJob> of_keys;
    if (body->keys->applied()) {
      auto begun = body->keys->begin_snapshot();
      if (!begun) return void(job = std::move(begun).error());
      of_keys = *std::move(begun);
    }
    job = join_snapshots(body->state.begin_snapshot(), std::move(of_keys));
  });
  return job;
}

// The states are made where the log calls; the node thread only takes them over.
Result<void> RegistryDriver::restore(SnapshotReader& reader) {
  auto restored = restore_shared(reader, body_->limits);
  if (!restored) return std::move(restored).error();
  on_node(host_, [&restored, body = body_] {
    body->applied = restored->applied();
    body->state = std::move(restored->cluster);
    body->keys->become(std::move(restored->keys));
    ++body->restores;
  });
  return {};
}

RegistryDriver::~RegistryDriver() {
  runtime::run_on_node(host_, [&] {
    body_->closed = true;
    body_->observers.clear();
    body_->on_note = nullptr;
    body_->on_unreadable = nullptr;
  });
}

RegistryDriver::KeysCore& RegistryDriver::keys() const { return *body_->keys; }

const RegistryState& RegistryDriver::state() const { return body_->state; }

Digest RegistryDriver::digest() const {
  return body_->keys->look(
      [this](const KeysState& keys) { return SharedState::shared_digest(body_->state, keys); });
}

Position RegistryDriver::last_change() const {
  return std::max(body_->state.applied(), body_->keys->applied());
}

Position RegistryDriver::applied() const { return body_->applied; }

void RegistryDriver::subscribe(Observer observer) {
  body_->observers.push_back(std::move(observer));
}

void RegistryDriver::on_note(std::function<void(Position, const DigestNote&)> observer) {
  body_->on_note = std::move(observer);
}

void RegistryDriver::on_unreadable(std::function<void(const Error&)> observer) {
  body_->on_unreadable = std::move(observer);
  if (body_->unreadable && body_->on_unreadable) body_->on_unreadable(*body_->unreadable);
}

Metrics RegistryDriver::metrics() const {
  const RegistryState& state = body_->state;
  Revision revision;
  KeyQuota used;
  std::uint64_t leases = 0;
  body_->keys->look([&](const KeysState& keys) {
    revision = keys.revision();
    leases = keys.leases().size();
    for (const NamespaceInfo& space : keys.namespaces()) {
      used.keys += space.used.keys;
      used.bytes += space.used.bytes;
    }
  });
  auto counter = [](std::string name, std::string help, std::uint64_t value) {
    return Metric{.name = "cluster_registry_" + std::move(name),
                  .help = std::move(help),
                  .kind = Metric::Kind::counter,
                  .value = static_cast<double>(value)};
  };
  auto gauge = [](std::string name, std::string help, std::uint64_t value) {
    return Metric{.name = "cluster_registry_" + std::move(name),
                  .help = std::move(help),
                  .kind = Metric::Kind::gauge,
                  .value = static_cast<double>(value)};
  };
  return {
      counter("entries_applied_total", "Log entries applied.", body_->entries_applied),
      counter("entries_skipped_total", "Log entries that could not be decoded.",
              body_->entries_skipped),
      counter("commands_refused_total", "Commands that did not fit the state.",
              body_->commands_refused),
      counter("restores_total", "Snapshots that the state was taken from.", body_->restores),
      gauge("format", "Format of the state, which all masters that keep it read.", state.format()),
      gauge("format_newest", "The newest format of the state that this master reads.",
            format_newest()),
      gauge("applied_position", "Log position of the last entry applied or skipped.",
            body_->applied.value()),
      gauge("agents", "Agents kept, lost ones included.", state.agents().size()),
      gauge("frameworks", "Frameworks kept, removed ones included.", state.frameworks().size()),
      gauge("tasks", "Tasks that are open or whose end is not acknowledged.", state.tasks().size()),
      gauge("ended_tasks", "Acknowledged tasks in the history.", state.history().size()),
      gauge("jobs", "Jobs kept, ended ones included.", state.jobs().size()),
      gauge("keys_revision", "Revision of the users' keys.", revision.value()),
      gauge("keys", "Users' keys in all namespaces.", used.keys),
      gauge("keys_bytes", "Bytes of users' keys and values, without their history.", used.bytes),
      gauge("key_leases", "Leases of users' keys.", leases),
  };
}

}  // namespace cluster::registry
