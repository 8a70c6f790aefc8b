// The seam under every driver: time, threads, alarms and the network. Production has one host
// (src/net), simulation another (src/sim); the same drivers run on both.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "cluster/logger.hpp"
#include "cluster/metrics.hpp"
#include "cluster/op.hpp"
#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster::replog {
class Disks;
}

namespace cluster::runtime {

class Transport;

// One wake-up at a time, on the node thread. Destroying it cancels. Node thread only.
class Alarm {
 public:
  virtual ~Alarm() = default;
  // Replaces the wake-up that was set; `time_never` cancels. A time in the past wakes soon, never
  // inside the call.
  virtual void set(Time) = 0;
};

class Host {
 public:
  virtual ~Host() = default;

  virtual Time now() const = 0;
  virtual WallTime wall_now() const = 0;

  // Runs on the node thread, in order, never inside the call. Any thread may call.
  virtual void post(Callback) = 0;
  virtual bool on_node_thread() const = 0;

  // Runs on the disk thread, one after another in order. Any thread may call.
  virtual void post_disk(Callback) = 0;

  // Runs on a thread for long work that nobody waits for, one after another in order. Any thread
  // may call.
  virtual void post_background(Callback) = 0;
  // It is not a thread of ours: work that would have one of its own goes there too.
  virtual bool lends_background() const { return false; }
  // Returns when what was posted there before has run. Not on a thread of the host's own.
  virtual void finish_background() {
    std::promise<void> done;
    post_background([&done] { done.set_value(); });
    done.get_future().wait();
  }

  // For a short write that ends in a sync: runs on the disk thread, or, where the host has found
  // the disk to be fast, on the node thread, once the messages that are queued have been sent. In
  // order among each other, not with `post_disk`, never inside the call. Node thread only.
  virtual void post_group(Callback group) { post_disk(std::move(group)); }
  // Returns when all groups have run. Node thread only.
  virtual void finish_groups() {
    std::promise<void> done;
    post_disk([&done] { done.set_value(); });
    done.get_future().wait();
  }

  // Where the user's continuations run.
  virtual const std::shared_ptr<Executor>& delivery() const = 0;

  virtual std::unique_ptr<Alarm> make_alarm(std::function<void()> on_wake) = 0;

  virtual Transport& transport() = 0;  // Node thread only.
  virtual const Logger& logger() const = 0;
  virtual std::uint64_t
  random_seed() = 0;  // A new one each time; in simulation from the run's seed.
  virtual Metrics metrics() const = 0;

  // Where replicas keep what is to last; none: in directories of the file system.
  virtual replog::Disks* disks() { return nullptr; }

  // This process is a fork of the one that made it: it has none of its threads.
  virtual bool is_forked() const { return false; }
};

inline Error forked_error() {
  return Error{Errc::unsupported,
               "this process is a fork of the one that opened this: it has none of its threads; "
               "open your own here"};
}

// In a fork: what the parent goes on using is not ended here, nor any descriptor of it touched.
template <class T>
void leave_to_parent(std::shared_ptr<T> object) {
  static_cast<void>(new std::shared_ptr<T>(std::move(object)));
}

// Runs `f` on the node thread and waits for it; in a fork it does nothing. Not from the node thread
// of a host that is shutting down.
template <class F>
void run_on_node(Host& host, F f) {
  if (host.on_node_thread()) return f();
  if (host.is_forked()) return;
  std::promise<void> done;
  host.post([&] {
    f();
    done.set_value();
  });
  done.get_future().wait();
}

// Makes callbacks harmless once their owner is gone. A member of the owner, used on one thread.
class Lifeline {
 public:
  // `f`, or nothing at all when this has been destroyed before it is called.
  template <class F>
  auto guard(F f) const {
    return [alive = std::weak_ptr<const char>(token_), f = std::move(f)](auto&&... args) mutable {
      if (!alive.expired()) f(std::forward<decltype(args)>(args)...);
    };
  }

 private:
  std::shared_ptr<const char> token_ = std::make_shared<const char>('\0');
};

}  // namespace cluster::runtime
