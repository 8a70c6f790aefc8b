// Tasks as real processes: each under a supervisor of its own that outlives this process, in a
// sandbox directory, in cgroups where there are any. No signal handler; ends are seen by pidfd.
//
// One thread of its own does what may block (making directories, starting processes, reading their
// ends). Destroyed on the node thread; tasks run on.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agentlib/cgroup.hpp"
#include "agentlib/launcher.hpp"
#include "agentlib/output_limiter.hpp"
#include "agentlib/run_files.hpp"
#include "agentlib/sandbox_keeper.hpp"
#include "runtime/host.hpp"

namespace cluster::agentlib {

struct ProcessLauncherOptions {
  std::string directory;  // The agent's; absolute.
  AgentId agent;
  std::string supervisor;            // The program's path; absolute.
  std::unique_ptr<Cgroups> cgroups;  // None: tasks are not held to their limits.
  std::string isolation;
  std::uint32_t sandboxes_max = 200;
  std::chrono::system_clock::duration sandbox_age_max = std::chrono::hours(24);
  std::uint64_t output_bytes_max = 64 << 20;  // Per file; 0: no limit.
};

class ProcessLauncher final : public Launcher {
 public:
  ProcessLauncher(runtime::Host& host, ProcessLauncherOptions options);
  ~ProcessLauncher() override;

  void start(LaunchObserver& observer, const std::vector<TaskRow>& known) override;
  void launch(const TaskKey& key, const Bytes& spec) override;
  void terminate(const TaskKey& key) override;
  void destroy(const TaskKey& key) override;
  void forget(const TaskKey& key) override;
  std::string isolation() const override { return options_.isolation; }

 private:
  enum class Phase { starting, running, ended };
  struct Run {
    Phase phase = Phase::starting;
    pid_t starter = 0;        // Ours to reap, while `starting`.
    int watch = -1;           // pidfd of the starter, then of the supervisor.
    std::uint64_t token = 0;  // Of `watch` in epoll.
    bool wants_terminate = false;
    bool wants_destroy = false;
    bool has_told_start = false;
    TaskCgroup cgroup;
  };
  using Command = std::function<void()>;

  void give(Command command);  // Node thread.

  // All below: the launcher's thread.
  void work();
  bool take_commands();
  void recover_all(const std::vector<TaskRow>& known);
  void recover(const TaskRow& row);
  void clean_up();
  void launch_fresh(const TaskKey& key, const Bytes& spec);
  void begin(const TaskKey& key, Run& run, const Bytes& spec);
  void on_watch(std::uint64_t token);
  void on_starter_ended(const TaskKey& key, Run& run);
  void attach(const TaskKey& key, Run& run, const ProcessMark& supervisor);
  void settle(const TaskKey& key, Run& run);
  void tell_start(const TaskKey& key, Run& run);
  void end(const TaskKey& key, Run& run, TaskEnd end);
  void signal(const TaskKey& key, int number);
  void forget_run(const TaskKey& key);
  void watch(const TaskKey& key, Run& run, int pidfd);
  void unwatch(Run& run);
  void remove_groups();
  int pause_ms() const;

  runtime::Host& host_;
  const ProcessLauncherOptions options_;
  LaunchObserver* observer_ = nullptr;

  std::mutex mutex_;  // Of the two that follow.
  std::deque<Command> commands_;
  bool is_over_ = false;

  std::map<TaskKey, Run> runs_;
  std::map<std::uint64_t, TaskKey> watched_;
  std::uint64_t last_token_ = 0;
  struct Doomed {
    TaskCgroup cgroup;
    int attempts = 0;
  };
  std::vector<Doomed> doomed_;  // Groups to remove once they are empty.
  SandboxKeeper keeper_;
  SandboxKeeper::Clock::time_point collect_at_{};
  OutputLimiter outputs_;

  int epoll_ = -1;
  int wake_ = -1;
  runtime::Lifeline lifeline_;
  std::thread thread_;  // The last: it starts when all else is there.
};

}  // namespace cluster::agentlib
