// How one command changes the keys' state. One object for one command.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/keys_state.hpp"

namespace cluster::registry {

struct KeysApply {
  using Answer = Result<KeyAnswer>;

  explicit KeysApply(KeysState& state) : state_(state), first_change_(state.history_.end()) {}

  Answer apply(const KeyCommand&);

  // Forgets what the policy, or a compaction, says is over; a few changes at a time.
  void trim_history();

 private:
  Answer carry_out(const KeyCommand&);
  Answer carry_out_once(const KeyCommand&);

  Answer on(KeySpace*, const PutKey&);
  Answer on(KeySpace*, const DeleteKeys&);
  Answer on(KeySpace*, const Transaction&);
  Answer on(const GrantLease&);
  Answer on(const KeepAlive&);
  Answer on(const RevokeLease&);
  Answer on(const ExpireLease&);
  Answer on(const Compact&);
  Answer on(const SetHistoryPolicy&);
  Answer on(const SetNamespace&);
  Answer on(const RemoveNamespace&);

  // Whether the operations can be carried out; nothing has been changed when they can't.
  Result<void> check(const KeySpace&, const std::vector<KeyOperation>&) const;
  Result<void> check(const KeySpace&, const PutKey&) const;
  Result<void> check_changed_once(const std::vector<KeyOperation>&) const;
  Result<void> check_leases(const std::vector<KeyOperation>&) const;
  Result<void> check_quota(const KeySpace&, const std::vector<KeyOperation>&) const;
  bool holds(const KeySpace&, const Compare&) const;

  PutResult put(KeySpace&, const PutKey&);
  DeleteResult erase(KeySpace&, const DeleteKeys&);
  void erase_key(KeySpace&, const KeyRecord& record);
  void add_change(KeySpace&, RecordRef now, RecordRef before);
  void move_lease(KeySpace&, ByteView key, LeaseId from, LeaseId to);
  void end_lease(KeyLease&);
  void forget_oldest_change();

  Answer changed() const;
  bool take_budget(const KeyRecord&);

  KeysState& state_;
  std::uint64_t first_change_;
  // The revision of this command's changes; the state's own grows when the first is made.
  std::optional<Revision> revision_;
  std::size_t answer_bytes_ = 0;
};

}  // namespace cluster::registry
