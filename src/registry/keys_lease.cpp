// Leases and sessions: the parts of `KeysApply` that are about them.
#include <utility>

#include "registry/keys_apply.hpp"

namespace cluster::registry {
namespace {

std::string name_of(LeaseId lease) { return "the lease " + std::to_string(lease.value()); }

std::size_t size_of(const KeyValue& one) { return one.key.size() + one.value.size(); }

std::size_t size_of(const OperationResult& result) {
  std::size_t size = 0;
  if (const auto* put = std::get_if<PutResult>(&result)) {
    if (put->previous) size = size_of(*put->previous);
  } else if (const auto* deletion = std::get_if<DeleteResult>(&result)) {
    for (const KeyValue& one : deletion->previous) size += size_of(one);
  } else {
    for (const KeyValue& one : std::get<RangeResult>(result).keys) size += size_of(one);
  }
  return size;
}

// What a session keeps of an answer.
Result<KeyAnswer> to_keep(const Result<KeyAnswer>& answer, std::size_t bytes_max) {
  Result<KeyAnswer> kept = answer;
  if (!kept) return kept;
  std::size_t size = 0;
  for (const OperationResult& result : kept->results) size += size_of(result);
  if (size > bytes_max) {
    kept->is_trimmed = true;
    for (OperationResult& result : kept->results) {
      if (auto* put = std::get_if<PutResult>(&result)) {
        put->previous.reset();
      } else if (auto* deletion = std::get_if<DeleteResult>(&result)) {
        deletion->previous.clear();
      } else {
        std::get<RangeResult>(result).keys.clear();
      }
    }
  }
  kept->is_repeated = true;
  return kept;
}

}  // namespace

KeysApply::Answer KeysApply::on(const GrantLease& body) {
  if (!body.lease) return {Errc::invalid_argument, "a lease has a number that is not 0"};
  const KeyLimits& limits = state_.limits_;
  if (body.ttl < limits.lease_ttl_min || body.ttl > limits.lease_ttl_max) {
    return {Errc::invalid_argument,
            "a lease of " + std::to_string(body.ttl.count()) + " microseconds; from " +
                std::to_string(limits.lease_ttl_min.count()) + " to " +
                std::to_string(limits.lease_ttl_max.count()) + " are allowed"};
  }
  auto [found, is_new] = state_.leases_.try_emplace(body.lease);
  KeyLease& lease = found->second;
  if (!is_new) {
    // The same caller, who did not hear of the first time and counts from the second. Another would
    // have to draw the same number by chance.
    if (lease.ttl != body.ttl) {
      return {Errc::already_exists, name_of(body.lease) + " exists, with another time to live"};
    }
    subtract(state_.tables_, row_of(lease));
    ++lease.renewals;
    add(state_.tables_, row_of(lease));
    return changed();
  }
  lease.id = body.lease;
  lease.ttl = body.ttl;
  add(state_.tables_, row_of(lease));
  return changed();
}

KeysApply::Answer KeysApply::on(const KeepAlive& body) {
  KeyAnswer answer{.revision = state_.revision_};
  for (LeaseId id : body.leases) {
    auto found = state_.leases_.find(id);
    if (found == state_.leases_.end()) {
      answer.ended.push_back(id);
      continue;
    }
    subtract(state_.tables_, row_of(found->second));
    ++found->second.renewals;
    add(state_.tables_, row_of(found->second));
  }
  return answer;
}

KeysApply::Answer KeysApply::on(const RevokeLease& body) {
  auto found = state_.leases_.find(body.lease);
  if (found == state_.leases_.end()) {
    return {Errc::not_found, name_of(body.lease) + " does not exist or has ended"};
  }
  end_lease(found->second);
  return changed();
}

KeysApply::Answer KeysApply::on(const ExpireLease& body) {
  auto found = state_.leases_.find(body.lease);
  if (found == state_.leases_.end()) {
    return {Errc::not_found, name_of(body.lease) + " does not exist or has ended"};
  }
  if (found->second.renewals != body.renewals) {
    return {Errc::invalid_argument, name_of(body.lease) + " was renewed: it goes on"};
  }
  end_lease(found->second);
  return changed();
}

void KeysApply::end_lease(KeyLease& lease) {
  // In the order of their namespaces and names: the same on every replica.
  for (const auto& [space_id, key] : lease.keys) {
    KeySpace& space = state_.spaces_.at(space_id);
    const RecordRef* record = space.live.find(key);
    CLUSTER_CHECK(record && (*record)->fields().lease == lease.id, "a lease's keys have it");
    erase_key(space, **record);
  }
  subtract(state_.tables_, row_of(lease));
  if (lease.session) {
    subtract(state_.tables_, session_row_of(lease.id, lease.session->acknowledged_below));
    for (const auto& [sequence, answer] : lease.session->answers) {
      subtract(state_.tables_, answer_row_of(lease.id, sequence, *answer));
    }
  }
  state_.leases_.erase(lease.id);
}

void KeysApply::move_lease(KeySpace& space, ByteView key, LeaseId from, LeaseId to) {
  if (from == to) return;
  if (from) state_.leases_.at(from).keys.erase({space.id, std::string(key)});
  if (to) state_.leases_.at(to).keys.emplace(space.id, std::string(key));
}

// A command of a session: carried out the first time, answered each time.
KeysApply::Answer KeysApply::carry_out_once(const KeyCommand& command) {
  const SessionStamp& stamp = command.stamp;
  auto found = state_.leases_.find(stamp.session);
  if (found == state_.leases_.end()) {
    return {Errc::not_found, "the session ended with " + name_of(stamp.session) +
                                 "; this command was not applied now"};
  }
  if (stamp.sequence == 0 || stamp.acknowledged_below > stamp.sequence) {
    return {Errc::invalid_argument,
            "a session's commands are numbered from 1, and acknowledge only what is before them"};
  }
  KeyLease& lease = found->second;
  if (!lease.session) {
    lease.session = std::make_unique<KeySession>();
    add(state_.tables_, session_row_of(lease.id, lease.session->acknowledged_below));
  }
  KeySession& session = *lease.session;
  if (stamp.acknowledged_below > session.acknowledged_below) {
    subtract(state_.tables_, session_row_of(lease.id, session.acknowledged_below));
    session.acknowledged_below = stamp.acknowledged_below;
    add(state_.tables_, session_row_of(lease.id, session.acknowledged_below));
    auto kept = session.answers.lower_bound(stamp.acknowledged_below);
    for (auto answer = session.answers.begin(); answer != kept;
         answer = session.answers.erase(answer)) {
      subtract(state_.tables_, answer_row_of(lease.id, answer->first, *answer->second));
    }
  }
  if (stamp.sequence < session.acknowledged_below) {
    return {Errc::invalid_argument, "the answer to command " + std::to_string(stamp.sequence) +
                                        " of the session was acknowledged and is not kept"};
  }
  if (auto answer = session.answers.find(stamp.sequence); answer != session.answers.end()) {
    return *answer->second;
  }
  if (session.answers.size() >= state_.limits_.session_answers_max) {
    return {Errc::overloaded, "the session has " + std::to_string(session.answers.size()) +
                                  " commands whose answers it has not acknowledged, the most"};
  }
  Answer answer = carry_out(command);
  // Unless the command ended the session itself.
  found = state_.leases_.find(stamp.session);
  if (found != state_.leases_.end()) {
    auto kept =
        std::make_shared<const Answer>(to_keep(answer, state_.limits_.session_answer_bytes_max));
    add(state_.tables_, answer_row_of(stamp.session, stamp.sequence, *kept));
    found->second.session->answers.emplace(stamp.sequence, std::move(kept));
  }
  return answer;
}

}  // namespace cluster::registry
