// Carries pieces of snapshots between files and members: reads what is sent, writes what is
// fetched, on the background thread. Node thread.
#pragma once

#include <functional>
#include <memory>

#include "replog/effects.hpp"
#include "replog/snapshot_files.hpp"
#include "runtime/host.hpp"

namespace cluster::replog {

class SnapshotTransfer {
 public:
  SnapshotTransfer(runtime::Host& host, std::shared_ptr<SnapshotFiles> files)
      : host_(host), files_(std::move(files)) {}

  // `done(is_last, result)`: written; after the last piece, durable.
  void write(WriteSnapshot, std::function<void(bool, Result<void>)> done);
  void read(const SendSnapshot&, std::function<void(Result<Bytes>)> done);

 private:
  runtime::Host& host_;
  std::shared_ptr<SnapshotFiles> files_;
  struct Writing {
    std::unique_ptr<SnapshotSink> sink;  // Background thread.
  };
  std::shared_ptr<Writing> writing_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::replog
