#include "metrics_text.hpp"

#include <map>
#include <string_view>

namespace cluster::app {
namespace {

// A metric's name may have labels of its own: "cluster_log_lag{peer=\"2\"}".
std::string_view family_of(std::string_view name) { return name.substr(0, name.find('{')); }

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
      std::string family(family_of(metric.name));
      Metrics& members = families[family];
      if (members.empty()) order.push_back(family);
      metric.name = with_process(std::move(metric.name), one.process);
      members.push_back(std::move(metric));
    }
  }
  std::string text;
  for (const std::string& family : order) {
    const Metrics& members = families[family];
    const Metric& first = members.front();
    text += "# HELP " + family + " " + first.help + "\n# TYPE " + family +
            (first.kind == Metric::Kind::counter ? " counter\n" : " gauge\n");
    for (const Metric& metric : members) {
      // The line of the value, without those that a metric alone begins with.
      std::string whole = cluster::to_prometheus(Metrics{metric});
      text += whole.substr(whole.rfind('\n', whole.size() - 2) + 1);
    }
  }
  return text;
}

}  // namespace cluster::app
