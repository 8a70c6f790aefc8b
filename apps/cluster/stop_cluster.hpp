// Ending the processes of a local cluster, whatever state they are in.
#pragma once

#include "cluster/result.hpp"
#include "local_cluster.hpp"

namespace cluster::app {

struct Stopped {
  std::size_t agents = 0;
  std::size_t masters = 0;
  std::size_t killed = 0;  // That did not stop in time.
  std::size_t swept = 0;   // Tasks that no agent ended.
};

// Tasks by their agents, agents, masters; then tasks that are left. An agent that
// is gone is started once more, since it alone knows its tasks. `timeout` holds for each step.
Stopped stop_cluster(const LocalCluster&, Duration timeout);

}  // namespace cluster::app
