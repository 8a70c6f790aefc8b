// A framework's client: what a program links to be offered the cluster's resources and to run its
// own tasks on them.
//
//   auto scheduler = Scheduler::start(runtime, {.masters = {{"127.0.0.1", 5050}}, .name = "mine"},
//                                     {.on_offers = [](Scheduler& s, const auto& offers) { ... }});
//
// The address of any master suffices: the client finds the leader, and after a failover finds the
// next one and subscribes again with the same framework id. Offers are void then; tasks go on.
//
// What it promises: a task handed to `accept` is launched at most once, and its framework hears of
// its end. Updates of one task arrive in order, each at least once over the life of the framework,
// and not twice within the life of one `Scheduler`.
//
// Threads: every call may be made from any thread and returns at once. Handlers run where the
// runtime delivers, one at a time, never inside a call; from `start` on, that is, possibly before
// `start` has returned. None runs once the destructor has returned.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/metrics.hpp"
#include "cluster/op.hpp"
#include "cluster/resources.hpp"
#include "cluster/result.hpp"
#include "cluster/runtime.hpp"
#include "cluster/task.hpp"
#include "cluster/types.hpp"

namespace cluster {

class Scheduler;

// An agent's free resources, to be accepted or declined. Valid until used, rescinded, or
// `on_disconnected`.
struct SchedulerOffer {
  OfferId id;
  AgentId agent;
  std::string hostname;
  Resources resources;

  friend bool operator==(const SchedulerOffer&, const SchedulerOffer&) = default;
};

struct SchedulerOptions {
  std::vector<Endpoint> masters;  // At least one; all of them where they are known.
  std::string name;               // What people see in lists.
  std::string role = "*";
  // How long the framework may stay away before it is removed and its tasks are killed.
  Duration failover_timeout{};
  FrameworkId framework;  // Resumes the one that an earlier scheduler was given; empty: a new one.
  bool acknowledge_automatically = true;  // Once `on_update` has returned; else by `acknowledge`.
};

// Those that are empty are skipped.
struct SchedulerHandlers {
  // Keep the id where it survives this process: it is what resumes the framework. `resumed` is
  // false the first time that a new framework is subscribed.
  std::function<void(Scheduler&, const FrameworkId&, bool resumed)> on_subscribed;
  // The master is gone; the client looks for the next one. All offers are void.
  std::function<void(Scheduler&, const Error& why)> on_disconnected;
  std::function<void(Scheduler&, const std::vector<SchedulerOffer>&)> on_offers;
  std::function<void(Scheduler&, OfferId)> on_rescind;
  // Sequence 0: an answer to `reconcile`, or to an `accept` that could not be sent (`dropped`); it
  // needs no acknowledgement.
  std::function<void(Scheduler&, const TaskStatus&)> on_update;
  // The master refused a call. `fatal`: the framework was removed or taken over by another
  // scheduler; nothing follows, and the calls below do nothing any more.
  std::function<void(Scheduler&, const Error&, bool fatal)> on_error;
};

class Scheduler {
 public:
  // `invalid_argument` when the options make no sense. Whether a master can be reached shows later:
  // the client tries until it is stopped.
  static Result<std::unique_ptr<Scheduler>> start(Runtime&, SchedulerOptions, SchedulerHandlers);

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler();  // As `stop`, without waiting for it.

  // Launches tasks on offers of one agent; together they must fit. What is left of the offers goes
  // back, and is not offered again for `refuse`. A task that cannot be launched is answered with an
  // update: `dropped` (reason "disconnected": the offers were void), `lost`, `error`; one whose id
  // is known already is refused by `on_error`, since an update would speak of the other one.
  void accept(std::vector<OfferId> offers, std::vector<TaskSpec> tasks,
              Duration refuse = std::chrono::seconds(5));
  void decline(std::vector<OfferId> offers, Duration refuse = std::chrono::seconds(5));

  // What follows is remembered while there is no connection, and sent once there is one.
  void suppress();  // No offers until `revive`.
  void revive();    // Offers again, those of refused agents too.
  void kill(TaskId);
  // Asks for the present state of tasks, of all open ones when empty; answers are updates.
  void reconcile(std::vector<TaskId> tasks = {});
  void acknowledge(const TaskStatus&);

  // Leaves. The framework and its tasks stay for `failover_timeout`, for another scheduler to
  // resume. No handler runs after the operation has ended.
  Op<void> stop();
  // Removes the framework and kills its tasks. `timed_out` when no master took it in time; the
  // framework then goes after its `failover_timeout`.
  Op<void> teardown();

  Metrics metrics() const;

 private:
  struct Impl;
  explicit Scheduler(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace cluster
