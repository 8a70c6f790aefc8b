// The agent's admin lane: logs of its tasks, its metrics, and the request to stop. Node thread;
// files are read on the disk thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "cluster/metrics.hpp"
#include "cluster/registry.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"
#include "wire/admin_messages.hpp"

namespace cluster::agentlib {

struct LogPart;

class AdminService final : public runtime::SessionHandler {
 public:
  // `is_open` tells whether a task may still write.
  AdminService(runtime::Host& host, std::string agent_directory,
               std::function<bool(const TaskKey&)> is_open,
               std::function<void(bool kill_tasks)> on_stop_requested,
               std::function<Metrics()> metrics_of_all);
  ~AdminService() override;

  void on_open(runtime::SessionId, const Endpoint&) override {}
  void on_message(runtime::SessionId session, Bytes message) override;
  void on_close(runtime::SessionId session, const Error& why) override;

  Metrics metrics() const;

 private:
  // A question for a log that has no answer yet.
  struct Reader {
    runtime::SessionId session;
    std::uint64_t id = 0;
    wire::ReadTaskLog question;
    Time until{};
    Time again_at = time_never;  // While it waits for the task to write.
    bool is_gone = false;        // Its session closed while its file was being read.
  };
  using Readers = std::list<Reader>;

  void answer(runtime::SessionId session, std::uint64_t id, wire::AdminBody body);
  void refuse(runtime::SessionId session, std::uint64_t id, Errc code, std::string why);
  void begin_read(runtime::SessionId session, std::uint64_t id, const wire::ReadTaskLog&);
  void read(Readers::iterator reader);
  void on_read(Readers::iterator reader, bool was_open, Result<LogPart> part);
  void on_wake();
  void set_alarm();

  runtime::Host& host_;
  std::string directory_;
  std::function<bool(const TaskKey&)> is_open_;
  std::function<void(bool)> on_stop_requested_;
  std::function<Metrics()> metrics_of_all_;
  Readers readers_;
  std::unique_ptr<runtime::Alarm> alarm_;
  std::uint64_t questions_ = 0;
  std::uint64_t garbage_ = 0;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::agentlib
