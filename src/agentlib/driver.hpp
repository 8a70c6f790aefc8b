// The agent's driver: feeds the core with what happens and performs its effects on the transport,
// the checkpoint and the launcher. Node thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "agentlib/checkpoint.hpp"
#include "agentlib/core.hpp"
#include "agentlib/launcher.hpp"
#include "cluster/metrics.hpp"
#include "runtime/committer.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace cluster::agentlib {

class AgentDriver final : public runtime::SessionHandler, public LaunchObserver {
 public:
  struct Observers {
    std::function<void(bool is_registered)> on_registration;  // Each time it changes.
    std::function<void(const Error&)> on_failed;              // At most once; nothing follows.
    std::function<void()> on_stopped;                         // Once, after `stop`.
  };

  // `launcher` must outlive this. The checkpoint is also held by the disk thread while it writes.
  AgentDriver(runtime::Host& host, Launcher& launcher, std::shared_ptr<Checkpoint> checkpoint,
              CoreOptions options, Saved saved, Observers observers);
  ~AgentDriver() override;

  void stop(bool kill_tasks);

  const AgentCore& core() const { return core_; }
  const Error& failure() const { return failure_; }  // Code `ok` while there is none.
  Metrics metrics() const;

 private:
  void on_open(runtime::SessionId session, const Endpoint& peer) override;
  void on_message(runtime::SessionId session, Bytes message) override;
  void on_close(runtime::SessionId session, const Error& why) override;
  void on_task_started(const TaskKey& key) override;
  void on_task_ended(const TaskKey& key, const TaskEnd& end) override;

  Instant now() const { return {.time = host_.now(), .wall = host_.wall_now()}; }
  template <class Input>
  void feed(Input input);
  void perform(Action action);
  void perform(const Dial&);
  void perform(const Hang&);
  void perform(const Send&);
  void perform(const Launch&);
  void perform(const Terminate&);
  void perform(const Destroy&);
  void perform(const Forget&);
  void perform(const Stopped&);
  void fail(const Error& error);

  runtime::Host& host_;
  Launcher& launcher_;
  Logger logger_;
  Observers observers_;
  AgentCore core_;
  runtime::Committer<Change, Action> committer_;
  std::unique_ptr<runtime::Alarm> alarm_;
  LinkId link_;
  runtime::SessionId session_;
  bool was_registered_ = false;
  bool is_over_ = false;  // Failed, or stopped.
  Error failure_{.code = Errc::ok};
  std::uint64_t garbage_ = 0;  // Messages that could not be read.
};

}  // namespace cluster::agentlib
