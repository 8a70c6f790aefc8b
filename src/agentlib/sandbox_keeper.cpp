#include "agentlib/sandbox_keeper.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agentlib/task_directory.hpp"

namespace cluster::agentlib {

void SandboxKeeper::add(const TaskKey& key, Clock::time_point ended_at) {
  auto after =
      std::upper_bound(kept_.begin(), kept_.end(), ended_at,
                       [](Clock::time_point at, const Kept& k) { return at < k.ended_at; });
  kept_.insert(after, Kept{.ended_at = ended_at, .key = key});
}

void SandboxKeeper::drop(const TaskKey& key) {
  std::erase_if(kept_, [&](const Kept& kept) { return kept.key == key; });
}

void SandboxKeeper::collect(Clock::time_point now) {
  while (!kept_.empty() && (kept_.size() > kept_max_ || kept_.front().ended_at + age_max_ <= now)) {
    std::string directory = task_directory(directory_, kept_.front().key);
    kept_.pop_front();
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    // The framework's directory goes with its last task.
    ::rmdir(std::filesystem::path(directory).parent_path().c_str());
  }
}

}  // namespace cluster::agentlib
