// Where a process' nodes live: threads, clock, network, and the sink of its log lines.
//
// `Runtime::threads()` owns three threads: the node thread (sockets, timers, every core), the disk
// thread (durable groups), and the delivery thread (the user's continuations and observers), and
// more only for long work. A host that lends `deliver_on` and `background_on` gets the first two
// and no other. User code never runs on the node thread, so it cannot starve heartbeats. No signal
// handler is installed, signals stay blocked in these threads, all descriptors are close-on-exec.
//
// A runtime outlives everything opened on it. Several may live in one process.
#pragma once

#include <memory>

#include "cluster/logger.hpp"
#include "cluster/metrics.hpp"
#include "cluster/op.hpp"
#include "cluster/tls.hpp"

namespace cluster {

namespace runtime {
class Host;  // The seam that the library's parts are built on; not for users.
}

struct RuntimeOptions {
  Security security;            // Of every connection: `Tls`, or `Insecure` by name. No default.
  LogSink* log_sink = nullptr;  // Must outlive the runtime. None: silent.
  LogLevel log_level = LogLevel::info;
  // Where continuations run; none: a thread of the runtime. It is given back by the runtime's
  // destructor, which waits until it has run all that it was given (or runs that itself, where it
  // is called by the executor).
  std::shared_ptr<Executor> deliver_on;
  bool deliver_on_node_thread = false;  // For code that never blocks: saves a hand-over.
  // Where long work runs that nobody waits for: writing snapshots, preparing and checking files.
  // It runs one thing after another or several at once, until the runtime is gone; it must not wait
  // for what is opened here. None: threads of the runtime, started when there is such work.
  std::shared_ptr<Executor> background_on;
};

class Runtime {
 public:
  static Runtime threads(RuntimeOptions options = {});

  explicit Runtime(std::unique_ptr<runtime::Host> host);
  Runtime(Runtime&&) noexcept;
  // Joins the threads. Must not run on one of them. In a fork of the process it does nothing, as do
  // the destructors of what was opened here, whose calls fail there with `unsupported`.
  ~Runtime();

  runtime::Host& host() { return *host_; }
  Metrics metrics() const;

 private:
  std::unique_ptr<runtime::Host> host_;
};

}  // namespace cluster
