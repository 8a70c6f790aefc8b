// What a scheduler and the leading master say to each other, on the scheduler lane. The scheduler
// dials.
//
// A master that does not lead answers Subscribe with SchedulerRedirect and closes. After a failover
// the scheduler subscribes again with the id it was given. Offers are soft: all earlier ones are
// void then.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cluster/resources.hpp"
#include "cluster/result.hpp"
#include "cluster/task.hpp"
#include "cluster/types.hpp"

namespace cluster::wire {

struct Subscribe {
  FrameworkId framework;  // Empty: a new one.
  std::string name;
  std::string role = "*";
  Duration failover_timeout{};
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

struct Subscribed {
  FrameworkId framework;
  std::uint64_t term = 0;
  Duration ping_interval{};
  friend bool operator==(const Subscribed&, const Subscribed&) = default;
};

struct SchedulerRedirect {
  std::optional<Endpoint> leader;
  friend bool operator==(const SchedulerRedirect&, const SchedulerRedirect&) = default;
};

// A call that was refused, or the end of the session when `fatal` (another scheduler took the
// framework over, the framework was removed).
struct SchedulerError {
  Error error;
  bool fatal = false;
  friend bool operator==(const SchedulerError&, const SchedulerError&) = default;
};

struct Offer {
  OfferId id;
  AgentId agent;
  std::string hostname;
  Resources resources;
  friend bool operator==(const Offer&, const Offer&) = default;
};

struct Offers {
  std::vector<Offer> offers;
  friend bool operator==(const Offers&, const Offers&) = default;
};

struct Rescind {
  OfferId offer;
  friend bool operator==(const Rescind&, const Rescind&) = default;
};

// Launches tasks on offers of one agent. Together they must fit; a task that does not fit, or an
// offer that is no longer valid, ends that task as `lost` (reason "invalid_offers") or `error`
// (reason "invalid_task"). What is left of the offers goes back, refused for `refuse`.
struct Accept {
  std::vector<OfferId> offers;
  std::vector<Bytes> tasks;  // Encoded TaskSpecs.
  Duration refuse = std::chrono::seconds(5);
  friend bool operator==(const Accept&, const Accept&) = default;
};

struct Decline {
  std::vector<OfferId> offers;
  Duration refuse = std::chrono::seconds(5);
  friend bool operator==(const Decline&, const Decline&) = default;
};

struct Suppress {
  friend bool operator==(const Suppress&, const Suppress&) = default;
};
struct Revive {
  friend bool operator==(const Revive&, const Revive&) = default;
};

struct Kill {
  TaskId task;
  friend bool operator==(const Kill&, const Kill&) = default;
};

// Sent until acknowledged, one at a time and in order per task. Sequence 0 needs no acknowledgement
// (answers to Reconcile).
struct Update {
  TaskStatus status;
  friend bool operator==(const Update&, const Update&) = default;
};

struct Acknowledge {
  TaskId task;
  std::uint64_t sequence = 0;
  friend bool operator==(const Acknowledge&, const Acknowledge&) = default;
};

// Asks for the present state of tasks, of all that are open when empty. Unknown ones are answered
// as lost (reason "reconciliation").
struct Reconcile {
  std::vector<TaskId> tasks;
  friend bool operator==(const Reconcile&, const Reconcile&) = default;
};

struct Teardown {  // Removes the framework and kills its tasks.
  friend bool operator==(const Teardown&, const Teardown&) = default;
};

struct SchedulerPing {
  friend bool operator==(const SchedulerPing&, const SchedulerPing&) = default;
};
struct SchedulerPong {
  friend bool operator==(const SchedulerPong&, const SchedulerPong&) = default;
};

using SchedulerMessage =
    std::variant<Subscribe, Subscribed, SchedulerRedirect, SchedulerError, Offers, Rescind, Accept,
                 Decline, Suppress, Revive, Kill, Update, Acknowledge, Reconcile, Teardown,
                 SchedulerPing, SchedulerPong>;

Bytes encode(const SchedulerMessage&);
Result<SchedulerMessage> decode_scheduler_message(ByteView);

}  // namespace cluster::wire
