// Whether the state machines of a simulated cluster agree: each node applies the same entries in
// the same order, and is in the same state after the same entry, however it came there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "cluster/log.hpp"
#include "cluster/state_machine.hpp"

namespace cluster::testing {

class Agreement {
 public:
  explicit Agreement(std::function<void(const std::string& what)> fail) : fail_(std::move(fail)) {}

  // `last`: what the node had applied before, none at the beginning.
  void on_applied(std::size_t node, Position last, const Entry& entry);
  void on_state(std::size_t node, Position after, std::uint64_t digest, bool is_restored);

 private:
  struct Applied {
    Position last;
    Bytes data;
    std::size_t node;
  };
  struct State {
    std::uint64_t digest;
    std::size_t node;
    bool is_restored;
  };

  std::function<void(const std::string& what)> fail_;
  std::map<Position, Applied> applied_;
  std::map<Position, State> states_;
};

// A user's state machine under its eyes. Its snapshots begin with the position they reach to.
class CheckedMachine final : public StateMachine {
 public:
  CheckedMachine(std::size_t node, StateMachine& machine, Agreement& agreement)
      : node_(node), machine_(machine), agreement_(agreement) {}

  void apply(const std::vector<Entry>&) override;
  Result<SnapshotJob> begin_snapshot() override;
  Result<void> restore(SnapshotReader&) override;

 private:
  void look(bool is_restored);

  std::size_t node_;
  StateMachine& machine_;
  Agreement& agreement_;
  Position last_;
};

}  // namespace cluster::testing
