// What the entries of a simulated registry come to, whoever applies them first; and whether what
// users saw agrees with it.
//
// Everything that is answered carries a revision, and there is one order of revisions: so a history
// of users is right when each answer is that of its revision, and no call is answered with an older
// one than a call that had ended before.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cluster/keys.hpp"
#include "registry/keys_state.hpp"

namespace cluster::sim {

class KeyTruth {
 public:
  struct Change {
    Revision at;
    std::string key;
    std::string value;
    std::uint64_t version = 0;  // 0: it was deleted.
  };
  // A read, or a write that was answered.
  struct Seen {
    Revision at;
    Revision floor;         // What had been answered to anybody when it was asked.
    bool is_write = false;  // It changed something: nobody had seen its revision before.
    // What it read, of all keys that begin so; what it wrote.
    std::string prefix;
    std::vector<std::pair<std::string, std::string>> keys;
    std::string what;  // For people.
  };

  // Called when somebody is the first to apply the entry that ends a lease which nobody renewed.
  void on_expiry(std::function<void(LeaseId)> f) { on_expiry_ = std::move(f); }
  // Entries in the order of the log, from any member; those that came before are passed over.
  void on_entry(Position, ByteView entry, Time now);
  void on_seen(Seen seen) { seen_.push_back(std::move(seen)); }

  const registry::KeysState& state() const { return state_; }
  const std::vector<Change>& changes() const { return changes_; }
  bool has_value(const std::string& value) const { return values_.contains(value); }
  std::uint64_t leases_ended() const { return leases_ended_; }

  // The first thing that is wrong; empty when nothing is.
  std::string check();

 private:
  void note_leases(const registry::KeyCommand&, const registry::KeysApplied&, Time now);
  std::string check_order() const;
  std::string check_contents();

  registry::KeysState state_;
  std::vector<Change> changes_;
  std::unordered_map<std::string, int> values_;  // How often each was put.
  std::vector<Seen> seen_;
  struct Lease {
    Duration ttl;
    Time renewed_at;  // When somebody first applied it.
  };
  std::map<LeaseId, Lease> leases_;
  std::uint64_t leases_ended_ = 0;
  std::function<void(LeaseId)> on_expiry_;
  std::string violation_;
};

}  // namespace cluster::sim
