// The job scheduler on a host: the core, and the scheduler client through which it talks to its own
// master like any other framework.
//
// Made when this master begins to lead, destroyed when it stops; the next leader's goes on from the
// registry. Node thread only.
#pragma once

#include <memory>
#include <vector>

#include "runtime/host.hpp"
#include "scheduler/client_driver.hpp"
#include "scheduler/job_core.hpp"

namespace cluster::scheduler {

class JobScheduler {
 public:
  // `registry` is read on the node thread and outlives this. `master` is this master's own
  // endpoint: redirects to another are not followed, since there another one of these runs.
  JobScheduler(runtime::Host&, const RegistryState& registry, Endpoint master,
               JobTuning tuning = {});
  JobScheduler(const JobScheduler&) = delete;
  JobScheduler& operator=(const JobScheduler&) = delete;
  ~JobScheduler();

  // After each applied entry; the registry shows its effect already. Not from inside a callback of
  // this object.
  void on_applied(Position at, const std::vector<RegistryEvent>& events);

  // What is to be launched and is not, with the reason; of one job or of all.
  PendingPieces pending(const JobId& only = {}, std::size_t limit = 1000) const;

  Metrics metrics() const;

 private:
  void connect();
  void hear(const ClientTell&);
  void perform(JobEffects&);
  void wake();

  runtime::Host& host_;
  Endpoint master_;
  Logger logger_;
  JobCore core_;
  std::unique_ptr<ClientDriver> client_;
  Time connect_at_ = time_never;  // After the client was ended by its master.
  std::unique_ptr<runtime::Alarm> alarm_;
};

}  // namespace cluster::scheduler
