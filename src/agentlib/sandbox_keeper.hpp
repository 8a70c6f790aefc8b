// Keeps the sandboxes of ended tasks for a while, so that their logs can be read: the newest so
// many, and none older than so long. The process launcher's; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include "cluster/registry.hpp"

namespace cluster::agentlib {

class SandboxKeeper {
 public:
  using Clock = std::chrono::system_clock;  // Ages survive the agent's process.

  SandboxKeeper(std::string agent_directory, std::uint32_t kept_max, Clock::duration age_max)
      : directory_(std::move(agent_directory)), kept_max_(kept_max), age_max_(age_max) {}

  void add(const TaskKey& key, Clock::time_point ended_at);
  void drop(const TaskKey& key);  // It is in use again.
  void collect(Clock::time_point now);

  std::size_t kept() const { return kept_.size(); }

 private:
  struct Kept {
    Clock::time_point ended_at;
    TaskKey key;
  };

  std::string directory_;
  std::uint32_t kept_max_;
  Clock::duration age_max_;
  std::deque<Kept> kept_;  // Oldest first.
};

}  // namespace cluster::agentlib
