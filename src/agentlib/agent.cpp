// The public face: puts checkpoint, launcher, driver and admin lane together.
#include "cluster/agent.hpp"

#include <atomic>
#include <filesystem>
#include <optional>
#include <utility>

#include "agentlib/admin_service.hpp"
#include "agentlib/cgroup.hpp"
#include "agentlib/driver.hpp"
#include "agentlib/lmdb_checkpoint.hpp"
#include "agentlib/machine.hpp"
#include "agentlib/process_launcher.hpp"
#include "base/random.hpp"

namespace cluster {

using namespace agentlib;

namespace {

AgentId make_agent_id() {
  static constexpr char digits[] = "0123456789abcdef";
  std::uint64_t number = system_random();
  std::string id = "agent-";
  for (int shift = 60; shift >= 0; shift -= 4) id += digits[(number >> shift) & 15];
  return AgentId(std::move(id));
}

Result<void> check_options(const AgentOptions& options) {
  if (options.directory.empty()) {
    return Error{Errc::invalid_argument, "an agent needs a directory to keep its tasks in"};
  }
  if (options.masters.empty()) {
    return Error{Errc::invalid_argument, "an agent needs the address of at least one master"};
  }
  if (!is_safe_name(options.cgroup_root, 100)) {
    return Error{Errc::invalid_argument,
                 "a cgroup root is one name of letters, digits, '.', '_' and '-', not '" +
                     options.cgroup_root + "'"};
  }
  return {};
}

// The launcher's limits, or why there are none.
struct Isolation {
  std::unique_ptr<Cgroups> cgroups;
  std::string description;
};

Isolation make_isolation(const AgentOptions& options, const AgentId& agent) {
  Isolation isolation;
  auto none = [&](const std::string& why) {
    isolation.description = "none: " + why + "; tasks are not held to their limits";
  };
  if (!options.cgroups) {
    none("cgroups are switched off");
    return isolation;
  }
  auto cgroups = open_cgroups(
      {.root = options.cgroup_root, .agent = agent.value(), .cpu_quota = options.cpu_quota});
  if (!cgroups) {
    none("cgroups are not writable (" + cgroups.error().context + ")");
    return isolation;
  }
  isolation.description = (*cgroups)->describe();
  isolation.cgroups = *std::move(cgroups);
  return isolation;
}

bool is_any_address(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

}  // namespace

struct Agent::Impl {
  explicit Impl(runtime::Host& h) : host(h) {}
  ~Impl();

  Result<void> open(AgentOptions options, OpenedCheckpoint opened, std::string supervisor);
  Result<void> open_on_node(const AgentOptions& options, Saved saved);
  void close_on_node();
  void stop_listening();
  CoreOptions core_options(const AgentOptions& options) const;
  void request_stop(bool kill_tasks);
  void report_failure(const Error& error);
  Metrics metrics() const;  // Node thread.

  runtime::Host& host;
  AgentId id;
  Endpoint endpoint;
  Resources resources;
  std::string isolation;
  std::atomic<bool> is_registered{false};

  // Node thread.
  std::shared_ptr<Checkpoint> checkpoint;
  std::unique_ptr<ProcessLauncher> launcher;
  std::unique_ptr<AgentDriver> driver;
  std::unique_ptr<AdminService> admin;
  runtime::ListenerId listener;
  std::vector<Promise<void>> stops;
  std::function<void(bool)> on_stop_requested;
  std::optional<bool> stop_request;  // That came before there was an observer.
  std::function<void(const Error&)> on_failed;
  std::optional<Error> failure;
  std::optional<runtime::Lifeline> lifeline{std::in_place};
};

Result<void> Agent::Impl::open(AgentOptions options, OpenedCheckpoint opened,
                               std::string supervisor) {
  id = opened.saved.identity.agent;
  checkpoint = std::move(opened.checkpoint);
  resources = options.resources.empty() ? detect_resources() : options.resources;
  Isolation limits = make_isolation(options, id);
  isolation = limits.description;
  Logger logger = host.logger().with_part("agent");
  if (!limits.cgroups) logger.warning("no isolation", "why", isolation);

  Result<void> result;
  runtime::run_on_node(host, [&] {
    launcher = std::make_unique<ProcessLauncher>(
        host, ProcessLauncherOptions{.directory = options.directory,
                                     .agent = id,
                                     .supervisor = std::move(supervisor),
                                     .cgroups = std::move(limits.cgroups),
                                     .isolation = isolation,
                                     .sandboxes_max = options.sandboxes_max,
                                     .sandbox_age_max = options.sandbox_age_max,
                                     .output_bytes_max = options.output_bytes_max});
    result = open_on_node(options, std::move(opened.saved));
  });
  if (result) logger.info("started", "agent", id, "endpoint", endpoint, "isolation", isolation);
  return result;
}

Result<void> Agent::Impl::open_on_node(const AgentOptions& options, Saved saved) {
  auto listening = host.transport().listen(options.listen);
  if (!listening) return std::move(listening).error();
  listener = *listening;
  endpoint = host.transport().endpoint(listener);
  // Others can't dial "any address".
  if (is_any_address(endpoint.host)) endpoint.host = system_hostname();

  driver = std::make_unique<AgentDriver>(
      host, *launcher, checkpoint, core_options(options), std::move(saved),
      AgentDriver::Observers{
          .on_registration = [this](bool is_now) { is_registered = is_now; },
          .on_failed = [this](const Error& error) { report_failure(error); },
          .on_stopped =
              [this] {
                stop_listening();
                for (Promise<void>& stop : std::exchange(stops, {})) stop.complete({});
              },
      });
  admin = std::make_unique<AdminService>(
      host, options.directory,
      [this](const TaskKey& key) {
        const TaskRow* row = driver->core().tasks().find(key);
        return row != nullptr && !is_terminal(row->status.state);
      },
      [this](bool kill_tasks) { request_stop(kill_tasks); },
      [this] {
        Metrics all = host.metrics();
        Metrics own = metrics();
        all.insert(all.end(), own.begin(), own.end());
        return all;
      });
  host.transport().serve(listener, runtime::Lane::admin, admin.get());
  return {};
}

CoreOptions Agent::Impl::core_options(const AgentOptions& options) const {
  return {.link = {.masters = options.masters,
                   .retry_min = options.retry_min,
                   .retry_max = options.retry_max,
                   .register_timeout = options.register_timeout,
                   .seed = options.seed != 0 ? options.seed : host.random_seed()},
          .hostname = options.hostname.empty() ? system_hostname() : options.hostname,
          .endpoint = endpoint,
          .total = resources,
          .isolation = isolation,
          .stop_timeout = options.stop_timeout};
}

Agent::Impl::~Impl() {
  runtime::run_on_node(host, [this] { close_on_node(); });
  if (!checkpoint) return;
  // The disk thread may still be writing for us. The directory is free when this returns.
  std::promise<void> done;
  host.post_disk([&done] { done.set_value(); });
  done.get_future().wait();
}

void Agent::Impl::close_on_node() {
  lifeline.reset();
  stop_listening();
  admin.reset();
  driver.reset();
  launcher.reset();
  stops.clear();
}

void Agent::Impl::stop_listening() {
  if (!listener) return;
  host.transport().stop_listening(std::exchange(listener, runtime::ListenerId()));
}

void Agent::Impl::request_stop(bool kill_tasks) {
  if (!on_stop_requested) {
    stop_request = kill_tasks;
    return;
  }
  host.delivery()->execute([observer = on_stop_requested, kill_tasks] { observer(kill_tasks); });
}

void Agent::Impl::report_failure(const Error& error) {
  for (Promise<void>& stop : std::exchange(stops, {})) stop.complete(error);
  failure = error;
  if (!on_failed) return;
  host.delivery()->execute([observer = on_failed, error] { observer(error); });
}

Result<Agent> Agent::start(Runtime& runtime, AgentOptions options) {
  if (auto checked = check_options(options); !checked) return std::move(checked).error();
  auto supervisor = find_supervisor(options.supervisor);
  if (!supervisor) return std::move(supervisor).error();
  std::error_code error;
  options.directory = std::filesystem::absolute(options.directory, error).lexically_normal();
  while (options.directory.size() > 1 && options.directory.back() == '/') {
    options.directory.pop_back();
  }
  auto opened = open_lmdb_checkpoint(options.directory, make_agent_id());
  if (!opened) return std::move(opened).error();
  auto impl = std::make_unique<Impl>(runtime.host());
  auto result = impl->open(std::move(options), std::move(*opened), std::move(*supervisor));
  if (!result) return std::move(result).error();
  return Agent(std::move(impl));
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::Agent(Agent&&) noexcept = default;
Agent& Agent::operator=(Agent&&) noexcept = default;
Agent::~Agent() = default;

AgentId Agent::id() const { return impl_->id; }
Endpoint Agent::endpoint() const { return impl_->endpoint; }
Resources Agent::resources() const { return impl_->resources; }
std::string Agent::isolation() const { return impl_->isolation; }
bool Agent::is_registered() const { return impl_->is_registered; }

std::string Agent::problem() const {
  std::string problem;
  runtime::run_on_node(impl_->host, [&] {
    problem = impl_->failure ? impl_->failure->message() : impl_->driver->core().problem();
  });
  return problem;
}

void Agent::on_stop_requested(std::function<void(bool)> observer) {
  runtime::run_on_node(impl_->host, [&] {
    impl_->on_stop_requested = std::move(observer);
    if (auto request = std::exchange(impl_->stop_request, {})) impl_->request_stop(*request);
  });
}

void Agent::on_failed(std::function<void(const Error&)> observer) {
  runtime::run_on_node(impl_->host, [&] {
    impl_->on_failed = std::move(observer);
    if (impl_->failure) impl_->report_failure(*impl_->failure);
  });
}

Op<void> Agent::stop(bool kill_tasks) {
  Promise<void> promise(impl_->host.delivery());
  Op<void> op = promise.op();
  impl_->host.post(impl_->lifeline->guard(
      [impl = impl_.get(), kill_tasks, promise = std::move(promise)]() mutable {
        impl->stops.push_back(std::move(promise));
        impl->driver->stop(kill_tasks);
      }));
  return op;
}

Metrics Agent::Impl::metrics() const {
  Metrics all = driver->metrics();
  Metrics of_admin = admin->metrics();
  all.insert(all.end(), of_admin.begin(), of_admin.end());
  return all;
}

Metrics Agent::metrics() const {
  Metrics all;
  runtime::run_on_node(impl_->host, [&] { all = impl_->metrics(); });
  return all;
}

}  // namespace cluster
