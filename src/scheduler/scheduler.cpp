// The public face of the scheduler client: a driver on the node thread, handlers where the runtime
// delivers, and the two ways between them.
#include "cluster/scheduler.hpp"

#include <atomic>
#include <mutex>

#include "scheduler/client_driver.hpp"

namespace cluster {

namespace {

std::string problem_of_scheduler(const SchedulerOptions& options) {
  if (options.masters.empty()) return "no master is given; name at least one as host:port";
  for (const Endpoint& master : options.masters) {
    if (master.host.empty() || master.port == 0) {
      return "\"" + to_string(master) + "\" is no master's address; it needs a host and a port";
    }
  }
  if (options.name.empty()) return "a framework needs a name";
  if (options.role.empty()) return "a framework needs a role; \"*\" is everyone's";
  if (options.failover_timeout < Duration::zero()) return "failover_timeout is negative";
  return {};
}

}  // namespace

struct Scheduler::Impl : std::enable_shared_from_this<Impl> {
  Impl(runtime::Host& h, SchedulerHandlers given, bool acknowledge)
      : host(h), handlers(std::move(given)), acknowledges(acknowledge) {}

  // Node thread.
  void hear(const scheduler::ClientTell& news) {
    if (const auto* ended = std::get_if<scheduler::TellEnded>(&news)) {
      is_ended = true;
      return deliver([this, error = ended->error, promises = std::move(leaving)]() mutable {
        is_closed = true;
        for (Promise<void>& promise : promises) {
          promise.complete(error ? Result<void>(*error) : Result<void>());
        }
      });
    }
    deliver([this, news] {
      const std::lock_guard running(handling);
      if (!is_closed) show(news);
    });
  }

  template <class F>
  void deliver(F f) {
    host.delivery()->execute([self = shared_from_this(), f = std::move(f)]() mutable { f(); });
  }

  // Where the runtime delivers.
  void show(const scheduler::ClientTell& news) {
    if (const auto* offers = std::get_if<scheduler::TellOffers>(&news)) {
      if (handlers.on_offers) handlers.on_offers(*face, offers->offers);
    } else if (const auto* update = std::get_if<scheduler::TellUpdate>(&news)) {
      const TaskStatus& status = update->status;
      if (handlers.on_update) handlers.on_update(*face, status);
      if (acknowledges) call(scheduler::AcknowledgeCall{status.task, status.sequence});
    } else if (const auto* subscribed = std::get_if<scheduler::TellSubscribed>(&news)) {
      if (handlers.on_subscribed) {
        handlers.on_subscribed(*face, subscribed->framework, subscribed->resumed);
      }
    } else if (const auto* lost = std::get_if<scheduler::TellDisconnected>(&news)) {
      if (handlers.on_disconnected) handlers.on_disconnected(*face, lost->why);
    } else if (const auto* rescind = std::get_if<scheduler::TellRescind>(&news)) {
      if (handlers.on_rescind) handlers.on_rescind(*face, rescind->offer);
    } else if (const auto* refusal = std::get_if<scheduler::TellError>(&news)) {
      if (handlers.on_error) handlers.on_error(*face, refusal->error, refusal->fatal);
    }
  }

  // Any thread.
  void call(scheduler::ClientCall what) {
    host.post([self = shared_from_this(), what = std::move(what)]() mutable {
      if (self->driver) self->driver->call(std::move(what));
    });
  }

  Op<void> leave(scheduler::ClientCall how, Result<void> when_ended) {
    Promise<void> promise(host.delivery());
    Op<void> op = promise.op();
    host.post([self = shared_from_this(), how = std::move(how), when_ended = std::move(when_ended),
               promise = std::move(promise)]() mutable {
      if (!self->driver || self->is_ended) return promise.complete(std::move(when_ended));
      self->leaving.push_back(std::move(promise));
      self->driver->call(std::move(how));
    });
    return op;
  }

  runtime::Host& host;
  const SchedulerHandlers handlers;
  const bool acknowledges;
  Scheduler* face = nullptr;

  std::mutex handling;                  // Held while a handler runs, so that the end can wait.
  std::atomic<bool> is_closed = false;  // No handler starts any more.

  // Node thread.
  std::unique_ptr<scheduler::ClientDriver> driver;
  std::vector<Promise<void>> leaving;
  bool is_ended = false;
};

Result<std::unique_ptr<Scheduler>> Scheduler::start(Runtime& runtime, SchedulerOptions options,
                                                    SchedulerHandlers handlers) {
  if (std::string problem = problem_of_scheduler(options); !problem.empty()) {
    return Error{Errc::invalid_argument, std::move(problem)};
  }
  runtime::Host& host = runtime.host();
  auto impl = std::make_shared<Impl>(host, std::move(handlers), options.acknowledge_automatically);
  std::unique_ptr<Scheduler> face(new Scheduler(impl));
  impl->face = face.get();
  host.post([impl, options = std::move(options)]() mutable {
    if (impl->is_closed) return;
    impl->driver = std::make_unique<scheduler::ClientDriver>(
        impl->host, std::move(options), impl->host.logger().with_part("scheduler"),
        [raw = impl.get()](const scheduler::ClientTell& news) { raw->hear(news); });
  });
  return face;
}

Scheduler::Scheduler(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Scheduler::~Scheduler() {
  impl_->is_closed = true;
  runtime::run_on_node(impl_->host, [impl = impl_.get()] {
    impl->driver.reset();
    impl->leaving.clear();
  });
  // A handler that runs now must return first, unless it is the one that destroys us.
  if (!impl_->host.delivery()->is_current()) const std::lock_guard running(impl_->handling);
}

void Scheduler::accept(std::vector<OfferId> offers, std::vector<TaskSpec> tasks, Duration refuse) {
  impl_->call(scheduler::AcceptCall{std::move(offers), std::move(tasks), refuse});
}

void Scheduler::decline(std::vector<OfferId> offers, Duration refuse) {
  impl_->call(scheduler::DeclineCall{std::move(offers), refuse});
}

void Scheduler::suppress() { impl_->call(scheduler::SuppressCall{}); }

void Scheduler::revive() { impl_->call(scheduler::ReviveCall{}); }

void Scheduler::kill(TaskId task) { impl_->call(scheduler::KillCall{std::move(task)}); }

void Scheduler::reconcile(std::vector<TaskId> tasks) {
  impl_->call(scheduler::ReconcileCall{std::move(tasks)});
}

void Scheduler::acknowledge(const TaskStatus& status) {
  impl_->call(scheduler::AcknowledgeCall{status.task, status.sequence});
}

Op<void> Scheduler::stop() { return impl_->leave(scheduler::StopCall{}, Result<void>()); }

Op<void> Scheduler::teardown() {
  return impl_->leave(scheduler::TeardownCall{},
                      Error{Errc::closed, "this scheduler has ended; nothing was removed"});
}

Metrics Scheduler::metrics() const {
  Metrics metrics;
  runtime::run_on_node(impl_->host, [&] {
    if (impl_->driver) metrics = impl_->driver->metrics();
  });
  return metrics;
}

}  // namespace cluster
