// Certificates for the processes of a local cluster.
#pragma once

#include "cluster/result.hpp"
#include "local_cluster.hpp"

namespace cluster::app {

// Gives every process certificates of the cluster's own authority, or names plain text. What is
// there is left, unless it ends soon.
Result<void> secure_cluster(LocalCluster&);

}  // namespace cluster::app
