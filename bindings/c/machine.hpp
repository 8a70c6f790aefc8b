// A state machine whose state is the host's: entries, requests for snapshots and snapshots go to it
// as events, in order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "bindings/c/queue.hpp"
#include "cluster/log.hpp"
#include "cluster/state_machine.hpp"

namespace cluster::c {

class Machine final : public StateMachine {
 public:
  Machine(std::shared_ptr<Queue> queue, std::uint64_t tag,
          std::shared_ptr<std::atomic<bool>> is_closing)
      : queue_(std::move(queue)), tag_(tag), is_closing_(std::move(is_closing)) {}

  void apply(const std::vector<Entry>&) override;
  Result<SnapshotJob> begin_snapshot() override;
  Result<void> restore(SnapshotReader&) override;

  // The host's answers.
  Result<void> write_snapshot(std::uint64_t snapshot, ByteView bytes);
  Result<void> end_snapshot(std::uint64_t snapshot, Errc error);
  // Snapshots that nobody will finish end.
  void close();

 private:
  // From the host to the job that writes the snapshot.
  struct Channel {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::string> parts;
    bool is_over = false;
    Errc error = Errc::ok;
  };
  Result<std::shared_ptr<Channel>> channel(std::uint64_t snapshot, bool is_last);

  const std::shared_ptr<Queue> queue_;
  const std::uint64_t tag_;
  const std::shared_ptr<std::atomic<bool>> is_closing_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Channel>> channels_;
  std::uint64_t snapshots_ = 0;
};

}  // namespace cluster::c
