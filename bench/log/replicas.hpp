// Three replicas of the real log, each a process of its own, and the loads on them.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "bench/log/measure.hpp"
#include "bench/log/processes.hpp"
#include "bench/log/settings.hpp"
#include "cluster/log.hpp"

namespace bench {

constexpr std::size_t replicas = 3;

// What each replica lets the parent see.
struct ReplicaView {
  std::atomic<std::uint64_t> term;    // Of the leader it follows or is; 0: none.
  std::atomic<std::uint64_t> leader;  // Its id.
  std::atomic<bool> is_leading;       // Ready to take appends itself.
  // The first append that came true in `term`: only where the replicas probe.
  std::atomic<std::uint64_t> probed_term;
  std::atomic<std::int64_t> probed_at_ns;  // On the clock of all.
};

struct SharedState {
  std::array<ReplicaView, replicas> views;
  RunResults results;
};

// This process' part in the log: a runtime, a store, a replica.
class Replica {
 public:
  // Exits the process with words on failure.
  Replica(const Settings&, std::size_t number, const std::vector<std::uint16_t>& ports,
          ReplicaView&);
  cluster::Log& log() { return *log_; }
  cluster::Runtime& runtime() { return *runtime_; }
  cluster::runtime::Host& host() { return runtime_->host(); }
  void lead();                           // Wherever the election went.
  void tell_groups(std::size_t number);  // How much each sync made durable, to stderr.

 private:
  std::unique_ptr<cluster::LogSink> sink_;
  std::unique_ptr<cluster::Runtime> runtime_;
  std::unique_ptr<cluster::Log> log_;
};

// Loads of `settings.callers` in the leader's process, or over TCP in one of their own.
std::vector<LoadResult> run_log(const Settings&);

// Prints its own lines.
void run_failover(const Settings&);
void run_idle(const Settings&);
void run_fill(const Settings&);
void run_large(const Settings&);

}  // namespace bench
