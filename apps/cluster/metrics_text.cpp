#include "metrics_text.hpp"

#include <map>

#include "base/metrics.hpp"

namespace cluster::app {
namespace {

// A metric's name may have labels of its own.
std::string with_process(std::string name, const std::string& process) {
  std::string label = "process=\"" + process + "\"}";
  if (!name.ends_with('}')) return name + "{" + label;
  name.back() = ',';
  return name + label;
}

}  // namespace

std::string to_prometheus(const std::vector<ProcessMetrics>& processes) {
  std::map<std::string, Metrics> families;
  std::vector<std::string> order;
  for (const ProcessMetrics& one : processes) {
    for (Metric metric : one.metrics) {
      std::string family(family_of(metric));
      Metrics& members = families[family];
      if (members.empty()) order.push_back(family);
      metric.name = with_process(std::move(metric.name), one.process);
      members.push_back(std::move(metric));
    }
  }
  std::string text;
  for (const std::string& family : order) {
    text += cluster::to_prometheus(families[family]);
  }
  return text;
}

}  // namespace cluster::app
