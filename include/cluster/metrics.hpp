// Counters and gauges as plain values, pulled by the host. There is no registry: an object that
// counts something has a `metrics()` that lists it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cluster {

struct Metric {
  enum class Kind : std::uint8_t { counter, gauge };

  std::string name;  // "cluster_log_appends_total": Prometheus' rules, so that export is a print.
  std::string help;
  Kind kind = Kind::counter;
  double value = 0;

  friend bool operator==(const Metric&, const Metric&) = default;
};

using Metrics = std::vector<Metric>;

// Prometheus' text format, in the order given.
std::string to_prometheus(const Metrics&);

}  // namespace cluster
