#include "base/metrics.hpp"

#include <algorithm>
#include <bit>

namespace cluster {
namespace {

std::string plain(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace

std::string to_prometheus(const Metrics& metrics) {
  static constexpr const char* kinds[] = {"counter", "gauge", "histogram"};
  std::string text;
  std::string_view last_family;
  for (const Metric& metric : metrics) {
    std::string_view family = family_of(metric);
    if (family != last_family) {
      text.append("# HELP ").append(family).append(" ").append(metric.help).append("\n");
      text.append("# TYPE ").append(family).append(" ");
      text.append(kinds[static_cast<std::size_t>(metric.kind)]).append("\n");
      last_family = family;
    }
    text += metric.name + " " + plain(metric.value) + "\n";
  }
  return text;
}

std::string labelled(std::string_view name, std::string_view label, std::string_view value) {
  return std::string(name) + "{" + std::string(label) + "=\"" + std::string(value) + "\"}";
}

std::string_view family_of(const Metric& metric) {
  std::string_view name = metric.name;
  name = name.substr(0, name.find('{'));
  if (metric.kind != Metric::Kind::histogram) return name;
  for (std::string_view ending : {"_bucket", "_sum", "_count"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

void Histogram::add(std::uint64_t value) {
  // The number of doublings of `first_` that reach `value`.
  std::uint64_t ratio = (value + first_ - 1) / first_;
  std::size_t bound = ratio <= 1 ? 0 : static_cast<std::size_t>(std::bit_width(ratio - 1));
  counts_[std::min(bound, bounds)] += 1;
  count_ += 1;
  sum_ += value;
}

void Histogram::list(const std::string& name, const std::string& help, Metrics& metrics) const {
  constexpr auto kind = Metric::Kind::histogram;
  auto scale = static_cast<double>(scale_);
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < bounds; ++i) {
    below += counts_[i];
    std::string bound = plain(static_cast<double>(first_ << i) / scale);
    metrics.push_back(
        {labelled(name + "_bucket", "le", bound), help, kind, static_cast<double>(below)});
  }
  metrics.push_back(
      {labelled(name + "_bucket", "le", "+Inf"), help, kind, static_cast<double>(count_)});
  metrics.push_back({name + "_sum", help, kind, static_cast<double>(sum_) / scale});
  metrics.push_back({name + "_count", help, kind, static_cast<double>(count_)});
}

}  // namespace cluster
