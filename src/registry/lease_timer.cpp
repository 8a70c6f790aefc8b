#include "registry/lease_timer.hpp"

namespace cluster::registry {

void LeaseTimer::begin(Time now, const KeysState& state) {
  end();
  is_running_ = true;
  for (const auto& [id, lease] : state.leases()) renew(now, lease);
}

void LeaseTimer::end() {
  is_running_ = false;
  leases_.clear();
  wakes_ = {};
}

void LeaseTimer::schedule(LeaseId id, Entry& entry, Time at) {
  entry.scheduled = at;
  wakes_.emplace(at, id);
}

void LeaseTimer::renew(Time now, const KeyLease& lease) {
  auto [found, is_new] = leases_.try_emplace(lease.id);
  Entry& entry = found->second;
  entry.deadline = now + lease.ttl;
  // One that is queued for an earlier time is looked at then. A later one is of a proposal.
  if (is_new || entry.deadline < entry.scheduled) schedule(lease.id, entry, entry.deadline);
}

void LeaseTimer::on_applied(Time now, const KeyCommand& command, const KeysApplied& applied,
                            const KeysState& state) {
  if (!is_running_ || !applied.answer || applied.answer->is_repeated) return;
  if (const auto* granted = std::get_if<GrantLease>(&command.body)) {
    if (const KeyLease* lease = state.find_lease(granted->lease)) renew(now, *lease);
  } else if (const auto* kept = std::get_if<KeepAlive>(&command.body)) {
    for (LeaseId id : kept->leases) {
      if (const KeyLease* lease = state.find_lease(id)) renew(now, *lease);
    }
  }
}

Time LeaseTimer::deadline() const { return wakes_.empty() ? time_never : wakes_.top().first; }

std::vector<ExpireLease> LeaseTimer::expired(Time now, const KeysState& state,
                                             std::size_t count_max) {
  std::vector<ExpireLease> over;
  while (!wakes_.empty() && wakes_.top().first <= now && over.size() < count_max) {
    const auto [at, id] = wakes_.top();
    wakes_.pop();
    auto found = leases_.find(id);
    if (found == leases_.end() || found->second.scheduled != at) continue;
    const KeyLease* lease = state.find_lease(id);
    if (!lease) {
      leases_.erase(found);
      continue;
    }
    Entry& entry = found->second;
    if (entry.deadline > now) {
      schedule(id, entry, entry.deadline);
      continue;
    }
    over.push_back({.lease = id, .renewals = lease->renewals});
    schedule(id, entry, now + proposal_timeout);
  }
  return over;
}

}  // namespace cluster::registry
