#include "registry/keys_apply.hpp"

#include <algorithm>
#include <utility>

#include "registry/keys_read.hpp"

namespace cluster::registry {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

Error no_space(std::string_view name) {
  return {Errc::not_found, "there is no namespace \"" + std::string(name) + "\""};
}

std::size_t size_of(const PutKey& put) { return put.key.size() + put.value.size(); }

}  // namespace

KeysApply::Answer KeysApply::apply(const KeyCommand& command) {
  return command.stamp.session ? carry_out_once(command) : carry_out(command);
}

KeysApply::Answer KeysApply::carry_out(const KeyCommand& command) {
  auto in_space = [&](const auto& body) -> Answer {
    KeySpace* space = state_.space_named(command.space);
    if (!space) return no_space(command.space);
    return on(space, body);
  };
  return std::visit(Overloaded{
                        [&](const PutKey& body) { return in_space(body); },
                        [&](const DeleteKeys& body) { return in_space(body); },
                        [&](const Transaction& body) { return in_space(body); },
                        [&](const auto& body) { return on(body); },
                    },
                    command.body);
}

KeysApply::Answer KeysApply::changed() const { return KeyAnswer{.revision = state_.revision_}; }

// Puts and deletions.

Result<void> KeysApply::check(const KeySpace& space, const PutKey& put) const {
  const KeyLimits& limits = state_.limits_;
  if (put.key.empty()) return {Errc::invalid_argument, "a key has at least one byte"};
  if (put.key.size() > limits.key_size_max) {
    return {Errc::too_large, "a key of " + std::to_string(put.key.size()) + " bytes; at most " +
                                 std::to_string(limits.key_size_max) + " are allowed"};
  }
  if (put.value.size() > limits.value_size_max) {
    return {Errc::too_large, "a value of " + std::to_string(put.value.size()) + " bytes; at most " +
                                 std::to_string(limits.value_size_max) + " are allowed"};
  }
  if (put.lease && put.keeps_lease) {
    return {Errc::invalid_argument, "a put has a lease or keeps the one that is there, not both"};
  }
  if (put.lease) {
    auto lease = state_.leases_.find(put.lease);
    if (lease == state_.leases_.end()) {
      return {Errc::not_found,
              "the lease " + std::to_string(put.lease.value()) + " does not exist or has ended"};
    }
    if (lease->second.keys.size() >= limits.lease_keys_max &&
        !lease->second.keys.contains({space.id, put.key})) {
      return {Errc::overloaded, "the lease " + std::to_string(put.lease.value()) + " has " +
                                    std::to_string(limits.lease_keys_max) + " keys, the most"};
    }
  }
  return {};
}

KeysApply::Answer KeysApply::on(KeySpace* space, const PutKey& body) {
  if (auto checked = check(*space, body); !checked) return std::move(checked).error();
  const KeyQuota& quota = space->quota;
  if (quota.keys != 0 || quota.bytes != 0) {
    if (auto checked = check_quota(*space, {body}); !checked) return std::move(checked).error();
  }
  PutResult result = put(*space, body);
  KeyAnswer answer{.revision = *revision_};
  if (body.wants_previous) answer.results.emplace_back(std::move(result));
  return answer;
}

KeysApply::Answer KeysApply::on(KeySpace* space, const DeleteKeys& body) {
  if (auto checked = check(*space, {body}); !checked) return std::move(checked).error();
  DeleteResult result = erase(*space, body);
  KeyAnswer answer{.revision = state_.revision_};
  answer.results.emplace_back(std::move(result));
  return answer;
}

PutResult KeysApply::put(KeySpace& space, const PutKey& body) {
  if (!revision_) revision_ = state_.revision_ = state_.revision_.next();
  PutResult result;
  RecordRef now;
  RecordRef before;
  space.live.update(body.key, [&](RecordRef* old) {
    RecordFields fields{.space = space.id,
                        .created = *revision_,
                        .modified = *revision_,
                        .version = 1,
                        .lease = body.lease,
                        .change = state_.history_.end()};
    if (old) {
      before = std::move(*old);
      fields.created = before->fields().created;
      fields.version = before->fields().version + 1;
      if (body.keeps_lease) fields.lease = before->fields().lease;
    }
    now = KeyRecord::make(fields, body.key, body.value.view());
    return now;
  });
  LeaseId lease_before;
  if (before) {
    lease_before = before->fields().lease;
    subtract(state_.tables_, before->row());
    space.bytes -= before->size();
    if (body.wants_previous && take_budget(*before)) result.previous = before->to_key_value();
  } else if (!space.dead.empty()) {
    before = space.dead.erase(body.key);
  }
  add(state_.tables_, now->row());
  space.bytes += now->size();
  move_lease(space, body.key, lease_before, now->fields().lease);
  add_change(space, std::move(now), std::move(before));
  return result;
}

DeleteResult KeysApply::erase(KeySpace& space, const DeleteKeys& body) {
  DeleteResult result;
  if (body.range.is_empty()) return result;
  std::vector<RecordRef> found;
  if (body.range.is_single_key()) {
    if (const RecordRef* one = space.live.find(body.range.begin)) found.push_back(*one);
  } else {
    for (auto at = space.live.lower_bound(body.range.begin);
         !at.at_end() && body.range.contains((*at)->key()); at.next()) {
      found.push_back(*at);
    }
  }
  for (const RecordRef& record : found) {
    if (body.wants_previous && take_budget(*record)) {
      result.previous.push_back(record->to_key_value());
    }
    move_lease(space, record->key(), record->fields().lease, {});
    erase_key(space, *record);
  }
  result.deleted = found.size();
  return result;
}

void KeysApply::erase_key(KeySpace& space, const KeyRecord& record) {
  if (!revision_) revision_ = state_.revision_ = state_.revision_.next();
  RecordRef before = space.live.erase(record.key());
  RecordRef now = KeyRecord::make({.space = space.id,
                                   .created = before->fields().created,
                                   .modified = *revision_,
                                   .version = 0,
                                   .change = state_.history_.end()},
                                  before->key(), {});
  subtract(state_.tables_, before->row());
  space.bytes -= before->size();
  space.dead.update(now->key(), [&](RecordRef*) { return now; });
  add_change(space, std::move(now), std::move(before));
}

void KeysApply::add_change(KeySpace& space, RecordRef now, RecordRef before) {
  add(state_.tables_, change_row_of(state_.history_.end(), *now));
  state_.history_bytes_ += now->size();
  ++space.changes;
  state_.history_.push({std::move(now), std::move(before)});
}

// What of an answer's limit is left for one record more.
bool KeysApply::take_budget(const KeyRecord& record) {
  answer_bytes_ += record.size();
  return answer_bytes_ <= state_.limits_.answer_bytes_max;
}

// Transactions.

bool KeysApply::holds(const KeySpace& space, const Compare& compare) const {
  auto is = [&](auto order) {
    switch (compare.is) {
      case Compare::Is::equal: return order == 0;
      case Compare::Is::not_equal: return order != 0;
      case Compare::Is::less: return order < 0;
      case Compare::Is::greater: return order > 0;
    }
    return false;
  };
  const RecordRef* found = space.live.find(compare.key);
  if (compare.target == Compare::Target::value) {
    return found && is((*found)->value().compare(compare.value.view()));
  }
  std::uint64_t number = 0;
  if (found) {
    const RecordFields& fields = (*found)->fields();
    switch (compare.target) {
      case Compare::Target::version: number = fields.version; break;
      case Compare::Target::created: number = fields.created.value(); break;
      case Compare::Target::modified: number = fields.modified.value(); break;
      case Compare::Target::lease: number = fields.lease.value(); break;
      default: number = 1;
    }
  }
  return is(number == compare.number ? 0 : number < compare.number ? -1 : 1);
}

Result<void> KeysApply::check(const KeySpace& space,
                              const std::vector<KeyOperation>& operations) const {
  if (operations.size() > state_.limits_.operations_max) {
    return {Errc::too_large, std::to_string(operations.size()) +
                                 " operations in one transaction; at most " +
                                 std::to_string(state_.limits_.operations_max) + " are allowed"};
  }
  std::uint64_t puts = 0;
  std::uint64_t deletes = 0;
  for (const KeyOperation& operation : operations) {
    if (const auto* one = std::get_if<PutKey>(&operation)) {
      ++puts;
      if (auto checked = check(space, *one); !checked) return checked;
    } else if (const auto* range = std::get_if<DeleteKeys>(&operation)) {
      deletes += space.live.count(range->range);
    } else if (auto kept = KeysRead(state_).check(std::get<ReadKeys>(operation).options.at);
               !kept) {
      return kept;
    }
  }
  if (deletes > state_.limits_.deletes_max) {
    return {Errc::too_large, "the transaction would delete " + std::to_string(deletes) +
                                 " keys; at most " + std::to_string(state_.limits_.deletes_max) +
                                 " are allowed: delete the range in parts"};
  }
  if (operations.size() > 1 && puts > 0) {
    if (auto checked = check_changed_once(operations); !checked) return checked;
    if (auto checked = check_leases(operations); !checked) return checked;
  }
  if (puts > 0 && (space.quota.keys != 0 || space.quota.bytes != 0)) {
    return check_quota(space, operations);
  }
  return {};
}

Result<void> KeysApply::check_changed_once(const std::vector<KeyOperation>& operations) const {
  auto twice = [](ByteView key) {
    return Error{Errc::invalid_argument,
                 "the transaction changes the key \"" + std::string(key) + "\" twice"};
  };
  std::vector<ByteView> keys;
  for (const KeyOperation& operation : operations) {
    if (const auto* one = std::get_if<PutKey>(&operation)) keys.push_back(one->key);
  }
  std::sort(keys.begin(), keys.end());
  auto same = std::adjacent_find(keys.begin(), keys.end());
  if (same != keys.end()) return twice(*same);
  for (const KeyOperation& operation : operations) {
    const auto* deletion = std::get_if<DeleteKeys>(&operation);
    if (!deletion) continue;
    auto put = std::lower_bound(keys.begin(), keys.end(), ByteView(deletion->range.begin));
    if (put != keys.end() && deletion->range.contains(*put)) return twice(*put);
  }
  return {};
}

// Each put alone has found room in its lease; here they all must.
Result<void> KeysApply::check_leases(const std::vector<KeyOperation>& operations) const {
  std::map<LeaseId, std::uint64_t> wanted;
  for (const KeyOperation& operation : operations) {
    const auto* one = std::get_if<PutKey>(&operation);
    if (one && one->lease) ++wanted[one->lease];
  }
  for (const auto& [id, puts] : wanted) {
    const std::size_t keys = state_.leases_.find(id)->second.keys.size();
    if (keys + puts > state_.limits_.lease_keys_max && puts > 1) {
      return {Errc::overloaded, "the lease " + std::to_string(id.value()) + " has " +
                                    std::to_string(keys) + " keys and can have " +
                                    std::to_string(state_.limits_.lease_keys_max)};
    }
  }
  return {};
}

Result<void> KeysApply::check_quota(const KeySpace& space,
                                    const std::vector<KeyOperation>& operations) const {
  const KeyQuota before{.keys = space.live.size(), .bytes = space.bytes};
  KeyQuota after = before;
  for (const KeyOperation& operation : operations) {
    if (const auto* one = std::get_if<PutKey>(&operation)) {
      const RecordRef* old = space.live.find(one->key);
      after.keys += old ? 0 : 1;
      after.bytes += size_of(*one);
      after.bytes -= old ? (*old)->size() : 0;
    } else if (const auto* deletion = std::get_if<DeleteKeys>(&operation)) {
      const KeyRange& range = deletion->range;
      for (auto at = space.live.lower_bound(range.begin);
           !at.at_end() && range.contains((*at)->key()); at.next()) {
        --after.keys;
        after.bytes -= (*at)->size();
      }
    }
  }
  auto beyond = [&](std::uint64_t limit, std::uint64_t had, std::uint64_t has, const char* what) {
    return Result<void>(Errc::overloaded, "the namespace \"" + space.name + "\" may hold " +
                                              std::to_string(limit) + what + ", holds " +
                                              std::to_string(had) + " and would hold " +
                                              std::to_string(has));
  };
  // Whoever is beyond a quota that was lowered can still make things smaller.
  if (space.quota.keys != 0 && after.keys > space.quota.keys && after.keys > before.keys) {
    return beyond(space.quota.keys, before.keys, after.keys, " keys");
  }
  if (space.quota.bytes != 0 && after.bytes > space.quota.bytes && after.bytes > before.bytes) {
    return beyond(space.quota.bytes, before.bytes, after.bytes, " bytes");
  }
  return {};
}

KeysApply::Answer KeysApply::on(KeySpace* space, const Transaction& transaction) {
  if (transaction.when.size() > state_.limits_.operations_max) {
    return {Errc::too_large, std::to_string(transaction.when.size()) +
                                 " conditions in one transaction; at most " +
                                 std::to_string(state_.limits_.operations_max) + " are allowed"};
  }
  KeyAnswer answer;
  answer.succeeded = std::all_of(transaction.when.begin(), transaction.when.end(),
                                 [&](const Compare& one) { return holds(*space, one); });
  const auto& operations = answer.succeeded ? transaction.then : transaction.otherwise;
  if (auto checked = check(*space, operations); !checked) return std::move(checked).error();

  answer.results.reserve(operations.size());
  for (const KeyOperation& operation : operations) {
    if (const auto* one = std::get_if<PutKey>(&operation)) {
      answer.results.emplace_back(put(*space, *one));
    } else if (const auto* deletion = std::get_if<DeleteKeys>(&operation)) {
      answer.results.emplace_back(erase(*space, *deletion));
    } else {
      const auto& read = std::get<ReadKeys>(operation);
      answer.results.emplace_back(
          KeysRead(state_).range(*space, read.range, read.options, answer_bytes_));
    }
  }
  answer.revision = state_.revision_;
  return answer;
}

// Namespaces.

KeysApply::Answer KeysApply::on(const SetNamespace& body) {
  if (body.name.size() > state_.limits_.namespace_size_max) {
    return {Errc::too_large, "a namespace's name has at most " +
                                 std::to_string(state_.limits_.namespace_size_max) + " bytes"};
  }
  KeySpace* space = state_.space_named(body.name);
  if (space) {
    subtract(state_.tables_, row_of(*space));
  } else {
    SpaceId id(++state_.spaces_made_);
    space = &state_.spaces_[id];
    space->id = id;
    space->name = body.name;
    state_.space_names_.emplace(body.name, id);
  }
  space->quota = body.quota;
  add(state_.tables_, row_of(*space));
  return changed();
}

KeysApply::Answer KeysApply::on(const RemoveNamespace& body) {
  if (body.name.empty()) {
    return {Errc::invalid_argument, "the namespace \"\" cannot be removed"};
  }
  KeySpace* space = state_.space_named(body.name);
  if (!space) return no_space(body.name);
  if (!space->live.empty()) {
    return {Errc::invalid_argument, "the namespace \"" + body.name + "\" holds " +
                                        std::to_string(space->live.size()) +
                                        " keys: delete them first"};
  }
  subtract(state_.tables_, row_of(*space));
  state_.space_names_.erase(body.name);
  space->is_removed = true;
  if (space->changes == 0) {
    state_.spaces_.erase(space->id);
  } else {
    add(state_.tables_, row_of(*space));
  }
  return changed();
}

// History.

KeysApply::Answer KeysApply::on(const Compact& body) {
  if (body.upto > state_.revision_) {
    return {Errc::invalid_argument, "revision " + std::to_string(body.upto.value()) +
                                        " is yet to come: the newest is " +
                                        std::to_string(state_.revision_.value())};
  }
  state_.compacted_ = std::max(state_.compacted_, body.upto);
  return changed();
}

KeysApply::Answer KeysApply::on(const SetHistoryPolicy& body) {
  if (body.policy.age < Duration::zero()) {
    return {Errc::invalid_argument, "an age is not negative"};
  }
  state_.policy_ = body.policy;
  return changed();
}

void KeysApply::trim_history() {
  // Each command forgets more than it made: what is over goes, however much a compaction left. Its
  // own changes stay until the next: those who watch are told them.
  constexpr std::uint64_t forgotten_each_time = 64;
  const HistoryPolicy& policy = state_.policy_;
  const std::uint64_t newest = state_.revision_.value();
  if (policy.revisions != 0 && newest > policy.revisions) {
    state_.compacted_ = std::max(state_.compacted_, Revision(newest - policy.revisions));
  }
  KeyHistory& history = state_.history_;
  std::uint64_t budget = forgotten_each_time + 2 * (history.end() - first_change_);
  for (; budget > 0 && history.first() < first_change_; --budget) {
    const Revision oldest = history.at(history.first()).now->fields().modified;
    if (oldest > state_.compacted_) {
      if (policy.bytes == 0 || state_.history_bytes_ <= policy.bytes) return;
      state_.compacted_ = oldest;
    }
    forget_oldest_change();
  }
}

void KeysApply::forget_oldest_change() {
  const std::uint64_t number = state_.history_.first();
  RecordRef now = state_.history_.at(number).now;
  subtract(state_.tables_, change_row_of(number, *now));
  state_.history_bytes_ -= now->size();
  state_.history_.pop();
  state_.history_.fetch_ahead(number + 4);
  auto found = state_.spaces_.find(now->fields().space);
  CLUSTER_CHECK(found != state_.spaces_.end(), "a namespace stays while its changes are kept");
  KeySpace& space = found->second;
  --space.changes;
  if (now->is_deletion()) {
    const RecordRef* dead = space.dead.find(now->key());
    if (dead && *dead == now) space.dead.erase(now->key());
  }
  if (space.is_removed && space.changes == 0) {
    subtract(state_.tables_, row_of(space));
    state_.spaces_.erase(found);
  }
}

}  // namespace cluster::registry
