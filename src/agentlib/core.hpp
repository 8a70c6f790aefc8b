// The agent's core: its tasks and its way to the leader, put together. Pure: it is told what
// happened and when, and answers with Effects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agentlib/master_link.hpp"
#include "agentlib/model.hpp"
#include "agentlib/tasks.hpp"
#include "cluster/logger.hpp"

namespace cluster::agentlib {

struct CoreOptions {
  LinkOptions link;
  std::string hostname;
  Endpoint endpoint;  // Of its own admin lane.
  Resources total;
  std::string isolation;
  Duration resend_interval = std::chrono::seconds(10);  // Of updates that nobody acknowledged.
  Duration stop_timeout = std::chrono::seconds(10);
};

class AgentCore {
 public:
  AgentCore(CoreOptions options, Identity identity, std::vector<TaskRow> recovered,
            const Instant& at, Logger logger);

  void on_link_open(const Instant&, LinkId, Effects&);
  void on_link_close(const Instant&, LinkId, const Error& why, Effects&);
  void on_message(const Instant&, LinkId, const wire::AgentMessage&, Effects&);
  void on_started(const Instant&, const TaskKey&, Effects&);
  void on_ended(const Instant&, const TaskKey&, const TaskEnd&, Effects&);
  void on_time(const Instant&, Effects&);
  // `Stopped` follows, once.
  void on_stop(const Instant&, bool kill_tasks, Effects&);

  Time deadline() const;
  const Identity& identity() const { return identity_; }
  bool is_registered() const { return link_.is_registered(); }
  const std::string& problem() const { return link_.problem(); }
  const Tasks& tasks() const { return tasks_; }
  std::uint64_t registrations() const { return registrations_; }

 private:
  enum class Stop { no, killing, telling, done };

  void receive(const Instant&, const wire::RunTask&, Effects&);
  void receive(const Instant&, const wire::KillAgentTask&, Effects&);
  void receive(const Instant&, const wire::AgentUpdateAck&, Effects&);
  void receive(const Instant&, const wire::AgentPing&, Effects&);
  void receive(const Instant&, const wire::AgentRegistered&, Effects&);
  void receive(const Instant&, const wire::AgentRefused&, Effects&);
  void receive(const Instant&, const wire::AgentRedirect&, Effects&);
  template <class Other>
  void receive(const Instant&, const Other&, Effects&);

  void tell(Time now, const Tasks::Told&, Effects&);
  void advance_stop(const Instant&, Effects&);

  CoreOptions options_;
  Identity identity_;
  Tasks tasks_;
  MasterLink link_;
  Logger logger_;
  Time resend_at_ = time_never;
  Stop stop_ = Stop::no;
  Time give_up_at_ = time_never;
  bool has_resumed_ = false;
  std::uint64_t registrations_ = 0;
};

}  // namespace cluster::agentlib
