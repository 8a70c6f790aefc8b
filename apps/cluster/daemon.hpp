// What the daemons share: their log, their signals, and the life of the node between.
#pragma once

#include "cluster/node.hpp"
#include "options.hpp"

namespace cluster::app {

// Runs a node until SIGTERM, SIGINT, an operator's request or its failure; the exit code.
int run_daemon(NodeOptions, const DaemonOptions&);

}  // namespace cluster::app
