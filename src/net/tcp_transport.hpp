// Sessions over TCP. Node thread only, but for `metrics`.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "net/tcp_session.hpp"

namespace cluster::net {

class TcpTransport final : public runtime::Transport {
 public:
  TcpTransport(asio::io_context&, const Logger&, const Security&, TcpOptions options = {});
  // Sends at once what is queued as far as sockets take it, and drops every session without a word
  // to its handler.
  ~TcpTransport() override;

  Result<runtime::ListenerId> listen(const Endpoint&) override;
  Endpoint endpoint(runtime::ListenerId) const override;
  void serve(runtime::ListenerId, runtime::Lane, runtime::SessionHandler*) override;
  void stop_listening(runtime::ListenerId) override;
  runtime::SessionId dial(const Endpoint&, runtime::Lane, runtime::SessionHandler&,
                          NodeId member) override;
  const runtime::PeerIdentity& peer(runtime::SessionId) const override;
  bool send(runtime::SessionId, Bytes message) override;
  std::size_t queued_bytes(runtime::SessionId) const override;
  void close(runtime::SessionId) override;

  Metrics metrics() const;  // Any thread.

 private:
  // Its pending Asio handlers keep it alive after `stop_listening`.
  struct Listener {
    Listener(runtime::ListenerId listener, asio::io_context& io)
        : id(listener), stream(io), pause(io) {}

    runtime::ListenerId id;
    Endpoint endpoint;
    asio::posix::stream_descriptor stream;
    asio::steady_timer pause;
    std::map<runtime::Lane, runtime::SessionHandler*> handlers;
    bool is_open = true;
  };

  runtime::SessionHandler* find_handler(runtime::ListenerId, runtime::Lane) const;
  void wait_acceptable(const std::shared_ptr<Listener>&);
  void accept_some(const std::shared_ptr<Listener>&);
  void pause_accepting(const std::shared_ptr<Listener>&, const std::string& why);
  template <class Predicate>
  void close_sessions(Predicate);
  runtime::SessionId next_session() { return runtime::SessionId{++session_last_}; }

  SessionContext context_;
  std::map<runtime::ListenerId, std::shared_ptr<Listener>> listeners_;
  std::unordered_map<runtime::SessionId, std::shared_ptr<TcpSession>> sessions_;
  std::uint64_t listener_last_ = 0;
  std::uint64_t session_last_ = 0;
};

}  // namespace cluster::net
