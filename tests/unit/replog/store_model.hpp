// What a store should hold, kept beside it by tests that break it.
#pragma once

#include <map>

#include "tests/unit/replog/store_support.hpp"

namespace cluster::replog::test {

// What a sequence of changes comes to.
struct Model {
  Ballot promised;
  Position chosen_end{1};
  Position base{1};
  Configuration configuration;
  std::map<Position, LogEntry> entries;

  void apply(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      if (auto* c = std::get_if<SetPromise>(&change)) promised = c->ballot;
      if (auto* c = std::get_if<PutEntry>(&change)) {
        entries.insert_or_assign(c->entry.position, c->entry);
      }
      if (auto* c = std::get_if<SetChosenEnd>(&change)) chosen_end = c->end;
      if (auto* c = std::get_if<SetConfiguration>(&change)) configuration = c->configuration;
      if (auto* c = std::get_if<SetBase>(&change)) base = c->first;
    }
    entries.erase(entries.begin(), entries.lower_bound(base));
  }
};

inline bool is_damaged(const Recovered& recovered, Position at) {
  for (const PositionRange& range : recovered.damaged) {
    if (at >= range.first && at < range.end) return true;
  }
  return false;
}

// Nothing when the store holds what the model says, but for what it reports as damaged.
inline std::string differs(const Recovered& recovered, const Model& model) {
  if (!(recovered.promised == model.promised)) return "another promise";
  if (!(recovered.configuration == model.configuration)) return "other members";
  if (recovered.kept_from != model.base) return "another base";
  if (recovered.chosen_end != std::max(model.chosen_end, model.base)) return "another chosen end";
  std::map<Position, LogEntry> found;
  for (const LogEntry& each : recovered.entries) found.emplace(each.position, each);
  for (const auto& [at, each] : model.entries) {
    auto here = found.find(at);
    if (here == found.end()) {
      if (!is_damaged(recovered, at)) return "lacks " + std::to_string(at.value());
    } else if (!(here->second == each)) {
      return "another entry at " + std::to_string(at.value());
    }
  }
  for (const auto& [at, each] : found) {
    if (!model.entries.contains(at)) return "an entry of nobody at " + std::to_string(at.value());
    if (is_damaged(recovered, at)) return "sound and damaged at " + std::to_string(at.value());
  }
  return {};
}

}  // namespace cluster::replog::test
