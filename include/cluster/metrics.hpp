// Counters and gauges as plain values, pulled by the host. There is no registry: an object that
// counts something has a `metrics()` that lists it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cluster {

struct Metric {
  // A histogram is listed as its series, one metric each, under Prometheus' names: for each bound
  // "..._bucket{le="0.001"}", which counts what is not above it, then "..._sum" and "..._count".
  enum class Kind : std::uint8_t { counter, gauge, histogram };

  // "cluster_log_appends_total", "cluster_log_peer_lag{peer="2"}": Prometheus' rules, so that
  // export is a print.
  std::string name;
  std::string help;
  Kind kind = Kind::counter;
  double value = 0;

  friend bool operator==(const Metric&, const Metric&) = default;
};

using Metrics = std::vector<Metric>;

// Prometheus' text format, in the order given: what is of one family stands together.
std::string to_prometheus(const Metrics&);

}  // namespace cluster
