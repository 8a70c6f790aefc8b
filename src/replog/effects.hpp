// What the log's core wants done. The one rule of every driver:
//
//   `now` is done at once. `changes` become durable together, after all earlier ones. `then` is
//   done once these and all earlier changes are durable. Whatever promises something stands in
//   `then`.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "cluster/log.hpp"
#include "replog/messages.hpp"

namespace cluster::replog {

struct Send {
  NodeId to;  // `self` too: the message comes back as an input.
  Message message;
  friend bool operator==(const Send&, const Send&) = default;
};

// A message whose entries lie in the store: the driver reads from `first` on, stops before `end` or
// when the message is large enough, fills `entries` (and `next` of a Promised), and sends. The
// range is of chosen entries; where its beginning is missing, it was forgotten meanwhile, and
// nothing is sent. Of a SnapshotOffered the driver fills `term`, as of `end`.
struct SendStored {
  NodeId to;
  std::variant<Promised, Learned, SnapshotOffered> message;
  Position first;
  Position end;
  friend bool operator==(const SendStored&, const SendStored&) = default;
};

// A piece of the snapshot that is fetched, at its offset: the driver writes it, calls
// `Core::on_snapshot_written`, and after the last one makes the snapshot durable and calls
// `Core::on_installed`.
struct WriteSnapshot {
  SnapshotOffered offered;
  std::uint64_t offset = 0;
  Bytes data;
  friend bool operator==(const WriteSnapshot&, const WriteSnapshot&) = default;
};
// A piece of one of ours for a member that fetches it.
struct SendSnapshot {
  NodeId to;
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
  std::size_t bytes_max = 0;
  friend bool operator==(const SendSnapshot&, const SendSnapshot&) = default;
};
// The state machine goes on from this snapshot, whatever it has applied.
struct RestoreState {
  SnapshotOffered snapshot;
  friend bool operator==(const RestoreState&, const RestoreState&) = default;
};

// The log begins at `first` here: what was before it is forgotten, or never came.
struct LogBegins {
  Position first;
  friend bool operator==(const LogBegins&, const LogBegins&) = default;
};

// A truncation is chosen: the driver finds the term of the last entry before `first` that has one,
// and calls `Core::on_base`.
struct ForgetBefore {
  Position first;
  friend bool operator==(const ForgetBefore&, const ForgetBefore&) = default;
};

// Positions before `end` are chosen and can be read here.
struct Chosen {
  Position end;
  friend bool operator==(const Chosen&, const Chosen&) = default;
};

// The appends [tag, tag + count) have the positions from `position` on.
struct Appended {
  std::uint64_t tag = 0;
  Position position;
  std::uint64_t count = 1;
  friend bool operator==(const Appended&, const Appended&) = default;
};

struct AppendFailed {
  std::uint64_t tag = 0;
  Error error;
  friend bool operator==(const AppendFailed&, const AppendFailed&) = default;
};

// The catch-up that was asked for as `tag` is reached: everything before `end` is here.
struct CaughtUp {
  std::uint64_t tag = 0;
  Position end;
  friend bool operator==(const CaughtUp&, const CaughtUp&) = default;
};

// The command that was asked for as `answer.tag` is over.
struct CommandEnded {
  Commanded answer;
  friend bool operator==(const CommandEnded&, const CommandEnded&) = default;
};

struct LeadershipChanged {
  Leadership leadership;
  friend bool operator==(const LeadershipChanged&, const LeadershipChanged&) = default;
};

// Always in `then`: what lies before `end` is durable, and `Core::release` may forget it in memory.
struct Release {
  Position end;
  friend bool operator==(const Release&, const Release&) = default;
};

// Who belongs to the log from now on, as far as this member knows.
struct MembersChanged {
  Configuration configuration;
  friend bool operator==(const MembersChanged&, const MembersChanged&) = default;
};

// Always in `then`: what was damaged there is durable again; tell `Core::on_repaired`.
struct Repaired {
  PositionRange range;
  friend bool operator==(const Repaired&, const Repaired&) = default;
};

// Always in `then`: entries to be checked, all of them chosen and durable here. Empty: none are
// left.
struct ScrubRange {
  PositionRange range;
  friend bool operator==(const ScrubRange&, const ScrubRange&) = default;
};
// Always in `then`: another member asked for the sum of a range that is whole here.
struct SumRange {
  NodeId to;
  PositionRange range;
  friend bool operator==(const SumRange&, const SumRange&) = default;
};
struct RangeCompared {
  NodeId from;
  RangeSummed told;
  friend bool operator==(const RangeCompared&, const RangeCompared&) = default;
};

using Action =
    std::variant<Send, SendStored, WriteSnapshot, SendSnapshot, RestoreState, Chosen, LogBegins,
                 ForgetBefore, Appended, AppendFailed, CaughtUp, CommandEnded, LeadershipChanged,
                 Release, MembersChanged, Repaired, ScrubRange, SumRange, RangeCompared>;

struct SetPromise {
  Ballot ballot;
  friend bool operator==(const SetPromise&, const SetPromise&) = default;
};
struct PutEntry {
  LogEntry entry;
  friend bool operator==(const PutEntry&, const PutEntry&) = default;
};
// A hint that saves work after a restart; nothing depends on it.
struct SetChosenEnd {
  Position end;
  std::uint64_t term = 0;  // Of the last entry before `end` that has one.
  friend bool operator==(const SetChosenEnd&, const SetChosenEnd&) = default;
};

// The members as of a chosen entry (or the founders). Never after a SetChosenEnd that passes it.
struct SetConfiguration {
  Configuration configuration;
  friend bool operator==(const SetConfiguration&, const SetConfiguration&) = default;
};
// Everything before `first` is chosen and need not be kept; what lies at or after it stays. The
// space is given back when it suits the store.
struct SetBase {
  Position first;
  std::uint64_t term = 0;  // Of the last entry before `first` that has one.
  friend bool operator==(const SetBase&, const SetBase&) = default;
};

using Change = std::variant<SetPromise, PutEntry, SetChosenEnd, SetConfiguration, SetBase>;

struct Effects {
  std::vector<Action> now;
  std::vector<Change> changes;
  std::vector<Action> then;

  bool empty() const { return now.empty() && changes.empty() && then.empty(); }
};

}  // namespace cluster::replog
