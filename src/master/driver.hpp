// The master of one process: serves agents, schedulers and tools on a listener, and leads while the
// log says so.
//
// It follows the log's leadership. When this member leads, it appends `BeginTerm` and starts a
// `Core` once the registry has applied it: then everything that an earlier leader committed is
// known here. Commands are appended through the term's `Log::Writer`; after any failed append the
// core is stopped, and started anew where this member still leads. While not leading, it sends
// dialers to the leader.
//
// Made, used and destroyed on the node thread. `log` and `registry` outlive it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cluster/log.hpp"
#include "cluster/metrics.hpp"
#include "cluster/result.hpp"
#include "master/options.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"
#include "wire/admin_messages.hpp"

namespace cluster::registry {
class RegistryDriver;
}

namespace cluster::master {

class MasterDriver {
 public:
  // Serves the agent, scheduler and admin lanes of `listener` from now on.
  MasterDriver(runtime::Host&, runtime::ListenerId, Log&, registry::RegistryDriver&, MasterOptions);
  ~MasterDriver();  // Closes the sessions of these lanes.

  // Whether the core runs: calls to this master are carried out, not redirected.
  bool is_leading() const;

  // `observer` is called on the node thread, with the present answer and whenever it changes.
  void on_leading(std::function<void(bool leading)> observer);

  // Pieces of jobs that are not launched, with `why`: what GetTasks adds to the tasks. Called on
  // the node thread, while leading.
  void set_pending_tasks(std::function<std::vector<wire::TaskRow>()> provider);

  // What GetMetrics is answered. Called on the node thread.
  void set_process_metrics(std::function<Metrics()> provider);

  // Answers BeginBackup, ReadSnapshot and ReadEntries. Called on the node thread; `done` is called
  // there too, at once or later.
  using Answerer = std::function<void(const wire::AdminBody& question,
                                      std::function<void(Result<wire::AdminBody>)> done)>;
  void set_log_reader(Answerer reader);
  // The same for AskKeys and WatchKeys.
  void set_key_service(Answerer service);

  Metrics metrics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cluster::master
