// Which format of the state all masters that keep it read. Pure; one per replica.
//
// Each says it with every comparison of digests (digest_note.hpp). What was said at an earlier one
// does not count: the member may have been started with another version since.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "registry/digest_note.hpp"

namespace cluster::registry {

class FormatAgreement {
 public:
  // Digests are compared as of `at`.
  void begin(Position at) {
    at_ = at;
    reads_.clear();
  }

  void on(const ReportDigest& report) {
    if (at_ && report.at == at_) reads_[report.member] = report.reads;
  }

  // The newest that every one of `keepers` reads. None before all of them have said what they do.
  std::optional<std::uint32_t> agreed(const std::vector<NodeId>& keepers) const {
    std::optional<std::uint32_t> least;
    for (NodeId keeper : keepers) {
      auto said = reads_.find(keeper);
      if (said == reads_.end()) return std::nullopt;
      least = std::min(least.value_or(said->second), said->second);
    }
    return least;
  }

 private:
  Position at_;
  std::map<NodeId, std::uint32_t> reads_;
};

}  // namespace cluster::registry
