// Several logs in one process: each decides, leads and applies by itself, and all of them share the
// process' connections, its disk thread and one store, where one sync serves whoever wrote.
//
// Open a host once per process and its logs on it, each with the id that it has at all its members,
// and with a `StateMachine` of its own where it wants one. A log that has nothing to do costs
// nothing: it rests, sends no heartbeats, and its members watch the hosts of each other instead.
// docs/log.md, "Many logs".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster/log.hpp"
#include "cluster/metrics.hpp"
#include "cluster/result.hpp"
#include "cluster/runtime.hpp"
#include "cluster/types.hpp"

namespace cluster {

using LogId = Id<struct LogTag>;  // Of one of a host's logs; the same at all its members.

struct LogHostOptions {
  std::string directory;  // Of all its logs and of nothing else; created when missing.
  // Who this process is in all of its logs. A directory that exists knows it.
  ClusterUid cluster;
  NodeId self;
  Endpoint listen;

  // Of the hosts' watch over each other: one that is silent for so long is taken for gone by all
  // logs that rest. The same at all hosts.
  Duration silence_max = std::chrono::milliseconds(600);
  Duration beat_interval = std::chrono::milliseconds(60);

  std::size_t store_bytes_max = std::size_t{64} << 30;  // Writes beyond it fail all logs.
};

// Threads: every method may be called from any thread but the runtime's own.
class LogHost {
 public:
  // As `Log::open`, and `wrong_cluster` for a directory that a single log keeps.
  static Result<LogHost> open(Runtime&, LogHostOptions);

  LogHost(LogHost&&) noexcept;
  ~LogHost();  // Logs that are still open go on, and keep what they share.

  NodeId self() const;
  Endpoint endpoint() const;  // Where it listens.

  // A log of its own, to be used like any other; may outlive the host. `members` (with the same
  // list at all founders) or `join` say how it begins where the store does not know it.
  // `LogOptions::directory`, `cluster`, `self`, `listen`, `store` and `store_bytes_max` are the
  // host's: given, they must agree. `invalid_argument` for an id that is open already,
  // `unsupported` with `serve_clients`, since a client names no log.
  Result<Log> open_log(LogId, LogOptions);

  // Those that the store knows, open or not.
  std::vector<LogId> logs() const;
  Metrics metrics() const;  // Of what the logs share.

 private:
  struct Impl;
  explicit LogHost(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace cluster
