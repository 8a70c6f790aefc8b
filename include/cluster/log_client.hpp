// The log from afar: a process that is no member appends and reads over the network.
//
// A client keeps one session, to the leader where it can, and moves with it. Members serve clients
// when `LogOptions::serve_clients` says so.
//
// Threads: every method may be called from any thread and returns at once. Continuations run where
// the runtime delivers. Destroying the client completes what is open with `Errc::closed`.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "cluster/call.hpp"
#include "cluster/log.hpp"
#include "cluster/metrics.hpp"
#include "cluster/op.hpp"
#include "cluster/result.hpp"
#include "cluster/runtime.hpp"
#include "cluster/types.hpp"

namespace cluster {

struct LogClientOptions {
  ClusterUid cluster;
  std::vector<Endpoint> members;           // Some of them; the rest is asked for.
  std::size_t queue_bytes_max = 64 << 20;  // Calls beyond it fail with `overloaded`.
  Duration request_timeout = std::chrono::seconds(10);
};

class LogClient {
 public:
  // Begins to look for a member; calls wait until one is found, or their time is over.
  static Result<LogClient> open(Runtime&, LogClientOptions);

  LogClient(LogClient&&) noexcept;
  ~LogClient();

  // As `Log::append`. `Outcome::maybe` when the session was lost, or the time was over, after the
  // entry had been sent.
  Op<Position> append(Bytes data, const CallOptions& options = default_call);

  // As `Log::read`, of what the member at the other end has: at most 16 MiB at once. Call
  // `catch_up` first where what is newer elsewhere matters.
  Op<std::vector<Entry>> read(Position from, Position to, std::size_t bytes_max = 1 << 20,
                              const CallOptions& options = default_call);

  // As `Log::catch_up`: the range that a linearizable read must cover.
  Op<LogRange> catch_up(const CallOptions& options = default_call);

  Metrics metrics() const;

 private:
  struct Impl;
  explicit LogClient(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace cluster
