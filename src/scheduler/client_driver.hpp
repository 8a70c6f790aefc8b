// The scheduler client on a host: holds the one session, wakes the core, hands over its news.
//
// In-process users (the job scheduler) use it as it is, on the node thread; the public `Scheduler`
// adds the way to the threads of users.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "runtime/host.hpp"
#include "runtime/transport.hpp"
#include "scheduler/client_core.hpp"

namespace cluster::scheduler {

// Node thread only.
class ClientDriver final : private runtime::SessionHandler {
 public:
  // Called with each piece of news, from the driver's own calls too. It may call the driver, which
  // then acts once the listener has returned; it must not destroy it.
  using Listener = std::function<void(const ClientTell&)>;

  // Dials at once. Updates are acknowledged by `AcknowledgeCall` alone: how is the listener's
  // matter, whatever `options` says.
  ClientDriver(runtime::Host&, SchedulerOptions options, Logger logger, Listener listener,
               ClientLimits limits = {});
  ClientDriver(const ClientDriver&) = delete;
  ClientDriver& operator=(const ClientDriver&) = delete;
  ~ClientDriver() override;  // Leaves: the framework and its tasks stay.

  void call(ClientCall);

  bool is_ended() const { return core_.is_ended(); }
  bool is_subscribed() const { return core_.is_subscribed(); }
  Metrics metrics() const { return core_.metrics(); }

 private:
  struct Wake {};
  using Input = std::variant<Wake, SessionInput, ClientCall>;

  void on_open(runtime::SessionId, const Endpoint& peer) override;
  void on_message(runtime::SessionId, Bytes message) override;
  void on_close(runtime::SessionId, const Error& why) override;

  void feed(Input);
  void handle(Input, ClientEffects&);
  void perform(ClientEffects&);
  void hang_up();

  runtime::Host& host_;
  Logger logger_;
  Listener listener_;
  ClientCore core_;
  runtime::SessionId session_;  // None between sessions; events of other ones are stale.
  std::deque<Input> inputs_;    // What the listener asked for while it was being told something.
  bool busy_ = false;
  std::unique_ptr<runtime::Alarm> alarm_;
};

}  // namespace cluster::scheduler
