#include "daemon.hpp"

#include <atomic>

#include "cluster/runtime.hpp"
#include "security.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cluster::app {

int run_daemon(NodeOptions options, const DaemonOptions& daemon) {
  auto security = daemon_security(daemon.security);
  if (!security) return fail(security.error());
  SignalWait signals;  // First, so that the runtime's threads have them blocked too.
  StderrSink sink;
  Logger logger(sink, "cluster", daemon.log_level);
  auto runtime = Runtime::threads({.security = *security,
                                   .log_sink = &sink,
                                   .log_level = daemon.log_level,
                                   .deliver_on_node_thread = true});
  options.version = CLUSTER_VERSION;
  auto node = Node::start(runtime, std::move(options));
  if (!node) return fail(node.error());

  std::atomic<bool> kill_tasks = false, failed = false;
  node->on_stop_requested([&](bool kill) {
    kill_tasks = kill;
    signals.wake();
  });
  node->on_failed([&](const Error& error) {
    logger.error("cannot go on", "why", error.message());
    failed = true;
    signals.wake();
  });
  int signal = signals.wait();
  if (failed) return 1;
  logger.info("stopping", "why", signal == 0 ? "asked by an operator" : "signal", "kill_tasks",
              kill_tasks.load());
  auto stopped = node->stop(kill_tasks).get();
  if (!stopped) logger.warning("did not stop in order", "why", stopped.error().message());
  logger.info("stopped");
  return 0;
}

}  // namespace cluster::app
