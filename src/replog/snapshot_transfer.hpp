// Carries pieces of snapshots between files and members: reads what is sent, writes what is
// fetched, on the background thread; a read goes before the rest of a snapshot that is being made.
// Node thread.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <tuple>

#include "replog/effects.hpp"
#include "replog/snapshot_shelf.hpp"
#include "runtime/host.hpp"

namespace cluster::replog {

class SnapshotTransfer {
 public:
  SnapshotTransfer(runtime::Host& host, std::shared_ptr<SnapshotShelf> shelf)
      : host_(host), shelf_(std::move(shelf)) {}

  // `done(is_last, result)`: written; after the last piece, durable.
  void write(WriteSnapshot, std::function<void(bool, Result<void>)> done);
  // Not called where the same member has asked for the same and was not answered yet.
  void read(const SendSnapshot&, std::function<void(Result<Bytes>)> done);

 private:
  runtime::Host& host_;
  std::shared_ptr<SnapshotShelf> shelf_;
  std::set<std::tuple<NodeId, std::uint64_t, std::uint64_t>> reading_;  // Who, what, from where.
  struct Writing {
    std::unique_ptr<SnapshotSink> sink;  // Background thread.
  };
  std::shared_ptr<Writing> writing_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::replog
