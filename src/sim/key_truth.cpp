#include "sim/key_truth.hpp"

#include <algorithm>

namespace cluster::sim {
namespace {

// A simulated clock is at most three in a hundred faster than the world's.
constexpr int fastest_permille = 1031;

std::string text_of(Revision revision) { return std::to_string(revision.value()); }

}  // namespace

void KeyTruth::on_entry(Position at, ByteView bytes, Time now) {
  if (at <= state_.applied()) return;
  auto command = registry::decode_key_command(Bytes(bytes));
  if (!command) {
    violation_ = "an entry is no command: " + command.error().message();
    return;
  }
  auto applied = state_.apply(at, *command);
  for (std::uint64_t i = applied.first_change; i < applied.end_change; ++i) {
    const registry::KeyRecord& record = *state_.history().at(i).now;
    changes_.push_back({.at = record.fields().modified,
                        .key = std::string(record.key()),
                        .value = std::string(record.value()),
                        .version = record.fields().version});
    if (!record.is_deletion()) values_[changes_.back().value] += 1;
  }
  note_leases(*command, applied, now);
}

void KeyTruth::note_leases(const registry::KeyCommand& command,
                           const registry::KeysApplied& applied, Time now) {
  if (!applied.answer) return;
  if (const auto* granted = std::get_if<registry::GrantLease>(&command.body)) {
    leases_[granted->lease] = {.ttl = granted->ttl, .renewed_at = now};
  } else if (const auto* kept = std::get_if<registry::KeepAlive>(&command.body)) {
    for (LeaseId id : kept->leases) {
      if (state_.find_lease(id)) leases_[id].renewed_at = now;
    }
  } else if (const auto* expired = std::get_if<registry::ExpireLease>(&command.body)) {
    auto lease = leases_.find(expired->lease);
    if (lease == leases_.end() || state_.find_lease(expired->lease)) return;
    ++leases_ended_;
    const Duration lived = now - lease->second.renewed_at;
    if (lived < lease->second.ttl * 1000 / fastest_permille) {
      violation_ = "a lease of " + std::to_string(lease->second.ttl.count()) + " us ended " +
                   std::to_string(lived.count()) + " us after its last renewal was applied";
    }
    leases_.erase(lease);
    if (on_expiry_) on_expiry_(expired->lease);
  }
}

std::string KeyTruth::check_order() const {
  for (const Seen& seen : seen_) {
    const bool is_late = seen.is_write ? seen.at <= seen.floor : seen.at < seen.floor;
    if (is_late) {
      return seen.what + " was answered of revision " + text_of(seen.at) + " when revision " +
             text_of(seen.floor) + " had been answered before it was asked";
    }
    if (seen.at > state_.revision()) {
      return seen.what + " was answered of revision " + text_of(seen.at) + ", which never was";
    }
  }
  return "";
}

std::string KeyTruth::check_contents() {
  std::sort(seen_.begin(), seen_.end(), [](const Seen& a, const Seen& b) { return a.at < b.at; });
  std::map<std::string, std::string> keys;
  std::size_t next = 0;
  for (const Seen& seen : seen_) {
    std::map<std::string, std::string> written;
    while (next < changes_.size() && changes_[next].at <= seen.at) {
      const Change& change = changes_[next++];
      if (change.version == 0) {
        keys.erase(change.key);
      } else {
        keys[change.key] = change.value;
      }
    }
    std::vector<std::pair<std::string, std::string>> expected;
    if (!seen.is_write) {
      for (auto at = keys.lower_bound(seen.prefix);
           at != keys.end() && at->first.starts_with(seen.prefix); ++at) {
        expected.emplace_back(*at);
      }
    } else {
      auto first = std::lower_bound(
          changes_.begin(), changes_.end(), seen.at,
          [](const Change& change, Revision revision) { return change.at < revision; });
      for (; first != changes_.end() && first->at == seen.at; ++first) {
        expected.emplace_back(first->key, first->value);
      }
    }
    if (expected != seen.keys) {
      return seen.what + ": at revision " + text_of(seen.at) + " " +
             std::to_string(seen.keys.size()) + " keys were seen where there are " +
             std::to_string(expected.size()) + ", or others";
    }
  }
  return "";
}

std::string KeyTruth::check() {
  if (!violation_.empty()) return violation_;
  if (std::string wrong = check_order(); !wrong.empty()) return wrong;
  if (std::string wrong = check_contents(); !wrong.empty()) return wrong;
  for (const auto& [value, times] : values_) {
    // Users write no value twice, but accounts' and locks'.
    if (times > 1 && value.starts_with('#')) {
      return value + " was put " + std::to_string(times) + " times";
    }
  }
  return "";
}

}  // namespace cluster::sim
