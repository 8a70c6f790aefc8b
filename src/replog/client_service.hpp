// A member's side of the log's clients: carries their calls to the log's driver. Node thread only.
//
// Calls that arrive together are handed on together: that is what makes groups.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cluster/log.hpp"
#include "replog/client_messages.hpp"
#include "replog/driver.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace cluster::replog {

class ClientService final : private runtime::SessionHandler {
 public:
  // Serves on the listener until it is destroyed. The driver must outlive it.
  ClientService(runtime::Host&, runtime::ListenerId, Driver&);
  ~ClientService() override;
  ClientService(const ClientService&) = delete;
  ClientService& operator=(const ClientService&) = delete;

 private:
  void on_open(runtime::SessionId, const Endpoint& peer) override;
  void on_message(runtime::SessionId, Bytes message) override;
  void on_close(runtime::SessionId, const Error& why) override;

  // Who asked, and how long they wait for an answer; 0: they do not say.
  struct Asked {
    runtime::SessionId session;
    std::uint64_t tag = 0;
    Duration timeout{};
  };
  void take(const Asked&, ClientHello&&);
  void take(const Asked&, ClientAppend&&);
  void take(const Asked&, ClientRead&&);
  void take(const Asked&, ClientCatchUp&&);
  template <class Other>
  void take(const Asked&, Other&&);
  template <class T, class Answer>
  Promise<T> answer_later(const Asked&, Answer to_body);

  void hand_on();
  void welcome(runtime::SessionId);
  void answer(runtime::SessionId, std::uint64_t tag, ClientBody);
  void refuse(runtime::SessionId, Error why);

  runtime::Host& host_;
  runtime::ListenerId listener_;
  Driver& driver_;
  Logger log_;
  std::map<runtime::SessionId, bool> sessions_;  // Whether it was welcomed.
  std::vector<AppendCall> gathered_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::replog
