#include "registry/keys_state.hpp"

#include <utility>

#include "registry/keys_apply.hpp"
#include "registry/keys_read.hpp"

namespace cluster::registry {
namespace {

constexpr SpaceId first_space(1);  // The namespace "".

}  // namespace

KeysState::KeysState(KeyLimits limits) : limits_(limits) {
  KeySpace& space = spaces_[first_space];
  space.id = first_space;
  space_names_.emplace("", first_space);
  add(tables_, row_of(space));
}

KeysApplied KeysState::apply(Position at, const KeyCommand& command) {
  CLUSTER_CHECK(at >= applied_, "entries are applied in order", at, applied_);
  applied_ = at;
  const std::uint64_t first_change = history_.end();
  KeysApply apply(*this);
  Result<KeyAnswer> answer = apply.apply(command);
  const std::uint64_t end_change = history_.end();
  apply.trim_history();
  return {.answer = std::move(answer), .first_change = first_change, .end_change = end_change};
}

bool KeysState::has_garbage() const {
  return !history_.empty() && history_.at(history_.first()).now->fields().modified <= compacted_;
}

KeySpace* KeysState::space_named(std::string_view name) {
  return const_cast<KeySpace*>(find_space(name));
}

const KeySpace* KeysState::find_space(std::string_view name) const {
  if (name.empty()) return &spaces_.begin()->second;  // The first, for ever.
  auto found = space_names_.find(name);
  return found == space_names_.end() ? nullptr : &spaces_.at(found->second);
}

const KeySpace* KeysState::find_space(SpaceId id) const {
  auto found = spaces_.find(id);
  return found == spaces_.end() ? nullptr : &found->second;
}

std::vector<NamespaceInfo> KeysState::namespaces() const {
  std::vector<NamespaceInfo> all;
  for (const auto& [name, id] : space_names_) {
    const KeySpace& space = spaces_.at(id);
    all.push_back({.name = name,
                   .quota = space.quota,
                   .used = {.keys = space.live.size(), .bytes = space.bytes}});
  }
  return all;
}

const KeyLease* KeysState::find_lease(LeaseId id) const {
  auto found = leases_.find(id);
  return found == leases_.end() ? nullptr : &found->second;
}

bool KeysState::is_read_only(const Transaction& transaction) {
  auto only_reads = [](const std::vector<KeyOperation>& operations) {
    for (const KeyOperation& one : operations) {
      if (!std::holds_alternative<ReadKeys>(one)) return false;
    }
    return true;
  };
  return only_reads(transaction.then) && only_reads(transaction.otherwise);
}

Result<KeyAnswer> KeysState::read(std::string_view space, const Transaction& transaction) const {
  CLUSTER_CHECK(is_read_only(transaction), "only reads are done beside the log");
  // A transaction that changes nothing leaves the state as it is.
  return KeysApply(const_cast<KeysState&>(*this))
      .apply({.space = std::string(space), .body = transaction});
}

Digest KeysState::digest() const {
  Digest digest = tables_;
  RowHash meta(RowKind::keys_meta);
  meta.add(revision_.value()).add(compacted_.value()).add(spaces_made_);
  meta.add(history_.first()).add(history_.end());
  meta.add(policy_.revisions).add(policy_.bytes).add(policy_.age);
  add(digest, meta.finish());
  return digest;
}

// Rows.

Digest change_row_of(std::uint64_t number, const KeyRecord& now) {
  return RowHash(RowKind::key_change).add(number).add(now.row()[0]).add(now.row()[1]).finish();
}

Digest row_of(const KeyLease& lease) {
  return RowHash(RowKind::key_lease)
      .add(lease.id.value())
      .add(lease.ttl)
      .add(lease.renewals)
      .finish();
}

Digest session_row_of(LeaseId lease, std::uint64_t acknowledged_below) {
  return RowHash(RowKind::key_session).add(lease.value()).add(acknowledged_below).finish();
}

Digest answer_row_of(LeaseId lease, std::uint64_t sequence, const Result<KeyAnswer>& answer) {
  RowHash hash(RowKind::key_answer);
  hash.add(lease.value()).add(sequence).add(answer.has_value());
  if (answer) {
    hash.add(answer->revision.value()).add(answer->succeeded).add(answer->is_trimmed);
    hash.add(std::uint64_t{answer->results.size()}).add(std::uint64_t{answer->ended.size()});
  } else {
    hash.add(static_cast<std::uint64_t>(answer.error().code)).add(answer.error().context);
  }
  return hash.finish();
}

Digest row_of(const KeySpace& space) {
  return RowHash(RowKind::key_namespace)
      .add(space.id.value())
      .add(space.name)
      .add(space.quota.keys)
      .add(space.quota.bytes)
      .add(space.is_removed)
      .finish();
}

Digest recompute_tables_digest(const KeysState& state) {
  Digest digest{};
  const KeyHistory& history = state.history();
  for (std::uint64_t i = history.first(); i < history.end(); ++i) {
    add(digest, change_row_of(i, *history.at(i).now));
  }
  state.each_space([&](const KeySpace& space) {
    add(digest, row_of(space));
    for (auto at = space.live.begin(); !at.at_end(); at.next()) add(digest, (*at)->row());
  });
  for (const auto& [id, lease] : state.leases()) {
    add(digest, row_of(lease));
    if (!lease.session) continue;
    add(digest, session_row_of(id, lease.session->acknowledged_below));
    for (const auto& [sequence, answer] : lease.session->answers) {
      add(digest, answer_row_of(id, sequence, *answer));
    }
  }
  return digest;
}

}  // namespace cluster::registry
