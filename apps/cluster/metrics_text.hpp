// What several processes count, as one text that Prometheus reads.
#pragma once

#include <string>
#include <vector>

#include "cluster/metrics.hpp"

namespace cluster::app {

struct ProcessMetrics {
  std::string process;  // "master-1": the value of each metric's label `process`.
  Metrics metrics;
};

// Each metric once, in the order given, with the values of all processes that have it.
std::string to_prometheus(const std::vector<ProcessMetrics>&);

}  // namespace cluster::app
