// Which paths a simulated history took: names and how often. A path that no history takes is a path
// that nothing checks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace cluster::sim {

class Coverage {
 public:
  void count(std::string_view name, std::uint64_t times = 1) {
    auto at = counts_.find(name);
    if (at == counts_.end()) at = counts_.emplace(std::string(name), 0).first;
    at->second += times;
  }
  void add(const Coverage& other) {
    for (const auto& [name, times] : other.counts_) count(name, times);
  }
  std::uint64_t of(std::string_view name) const {
    auto at = counts_.find(name);
    return at == counts_.end() ? 0 : at->second;
  }
  const std::map<std::string, std::uint64_t, std::less<>>& counts() const { return counts_; }

 private:
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

}  // namespace cluster::sim
