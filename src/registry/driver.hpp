// Keeps a `RegistryState` up to date with the log: its state machine, which decodes entries and
// applies them on the node thread, where the state is read.
//
// Entries are applied one batch at a time: where the log delivers on another thread, that thread
// waits until the node thread has applied what it brought, so no queue grows between the two.
// An entry that cannot be decoded is logged, counted and skipped; every replica skips the same
// ones. Marked entries (key_entries.hpp) are users' keys: a registry of keys beside this state,
// with threads of its own to answer, applies them. Snapshots and digests are of both.
// An entry that begins a format of the state which this version does not read is the last that
// comes here: nothing after it is applied, and whoever asked is told.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "cluster/log.hpp"
#include "cluster/metrics.hpp"
#include "cluster/registry.hpp"
#include "cluster/state_machine.hpp"
#include "registry/digest_note.hpp"
#include "registry/key_registry_core.hpp"
#include "runtime/host.hpp"

namespace cluster::registry {

class RegistryDriver final : public StateMachine {
 public:
  // Called after each entry, with what it changed; with nothing for a skipped one. It may read
  // `state()`, and subscribe; it must not destroy the driver. What a snapshot brought has no
  // events.
  using Observer = std::function<void(Position, const std::vector<RegistryEvent>&)>;

  using KeysCore = RegistryAccess::Core;

  // Any thread. Outlives the log that it is the state machine of.
  explicit RegistryDriver(runtime::Host& host, RegistryLimits limits = {});
  ~RegistryDriver()
      override;  // Any thread; nothing is applied, and no observer called, afterwards.

  RegistryDriver(const RegistryDriver&) = delete;
  RegistryDriver& operator=(const RegistryDriver&) = delete;

  // For the log.
  void apply(const std::vector<Entry>&) override;
  Result<SnapshotJob> begin_snapshot() override;
  Result<void> restore(SnapshotReader&) override;

  // Users' keys. Whoever starts them on the log (`start_on`) tells them who leads, and stops them
  // before the log goes. Any thread.
  KeysCore& keys() const;

  // What follows is for the node thread only.
  const RegistryState& state() const;
  // Of the cluster's state and the keys, and what both have applied.
  Digest digest() const;
  Position last_change() const;

  // The last entry that was applied or skipped. Positions that the log keeps to itself never show
  // here: a new leader knows that it has seen everything before its term once an entry that its own
  // writer appended comes by.
  Position applied() const;

  // For all entries from now on. Observers are called in the order of their subscription.
  void subscribe(Observer);

  // Called for each entry that compares replicas, before the observers: at a CompareDigests the
  // state is what every entry before it has made. One at a time.
  void on_note(std::function<void(Position, const DigestNote&)> observer);

  // Called when an entry begins a format that this version does not read; at once where it has.
  void on_unreadable(std::function<void(const Error&)> observer);

  Metrics metrics() const;

 private:
  struct Body;
  runtime::Host& host_;
  std::shared_ptr<Body> body_;
};

}  // namespace cluster::registry
