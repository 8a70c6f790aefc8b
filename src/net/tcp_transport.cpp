#include "net/tcp_transport.hpp"

#include <cerrno>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/endpoint.hpp"

namespace cluster::net {

TcpTransport::TcpTransport(asio::io_context& io, const Logger& logger, const Security& security,
                           TcpOptions options)
    : context_(
          io, options, security, logger.with_part("net"),
          [this](runtime::ListenerId listener, runtime::Lane lane) {
            return find_handler(listener, lane);
          },
          [this](runtime::SessionId id) { sessions_.erase(id); }) {}

TcpTransport::~TcpTransport() {
  context_.flush_now();
  for (auto& [id, session] : sessions_) session->abandon();
}

Result<runtime::ListenerId> TcpTransport::listen(const Endpoint& endpoint) {
  auto security = context_.security();
  if (!security) {
    return Error{security.error().code,
                 "cannot listen on " + to_string(endpoint) + ": " + security.error().context};
  }
  if (*security == nullptr && !is_loopback(endpoint)) {
    context_.logger.warning("plain text on an address that other machines reach", "endpoint",
                            endpoint, "means", "whoever reaches it can run programs");
  }
  auto socket = open_listener(endpoint);
  if (!socket) return std::move(socket).error();
  runtime::ListenerId id{++listener_last_};
  auto listener = std::make_shared<Listener>(id, context_.io);
  listener->endpoint = {.host = endpoint.host, .port = local_endpoint(socket->get()).port};
  asio::error_code failure;
  listener->stream.assign(socket->get(), failure);
  if (failure) {
    return Error{Errc::failed,
                 "cannot listen on " + to_string(endpoint) + ": " + failure.message()};
  }
  socket->release();
  listeners_.emplace(id, listener);
  wait_acceptable(listener);
  return id;
}

Endpoint TcpTransport::endpoint(runtime::ListenerId id) const {
  auto found = listeners_.find(id);
  return found == listeners_.end() ? Endpoint{} : found->second->endpoint;
}

void TcpTransport::serve(runtime::ListenerId id, runtime::Lane lane,
                         runtime::SessionHandler* handler) {
  auto found = listeners_.find(id);
  if (found == listeners_.end()) return;
  auto& served = found->second->handlers[lane];
  if (served == handler) return;
  served = handler;
  close_sessions([&](const TcpSession& session) { return session.is_of(id, lane); });
}

void TcpTransport::stop_listening(runtime::ListenerId id) {
  auto found = listeners_.find(id);
  if (found == listeners_.end()) return;
  auto listener = std::move(found->second);
  listeners_.erase(found);
  listener->is_open = false;
  asio::error_code ignored;
  listener->stream.close(ignored);
  listener->pause.cancel();
  close_sessions([&](const TcpSession& session) { return session.is_of(id); });
}

runtime::SessionId TcpTransport::dial(const Endpoint& endpoint, runtime::Lane lane,
                                      runtime::SessionHandler& handler, NodeId member) {
  auto id = next_session();
  sessions_.emplace(id, TcpSession::dial(context_, id, endpoint, lane, handler, member));
  return id;
}

const runtime::PeerIdentity& TcpTransport::peer(runtime::SessionId id) const {
  static const runtime::PeerIdentity nobody;
  auto found = sessions_.find(id);
  return found == sessions_.end() ? nobody : found->second->peer();
}

bool TcpTransport::send(runtime::SessionId id, Bytes message) {
  auto found = sessions_.find(id);
  return found != sessions_.end() && found->second->send(std::move(message));
}

std::size_t TcpTransport::queued_bytes(runtime::SessionId id) const {
  auto found = sessions_.find(id);
  return found == sessions_.end() ? 0 : found->second->queued_bytes();
}

void TcpTransport::close(runtime::SessionId id) {
  auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  auto session = found->second;  // It leaves the table in the call.
  session->close();
}

Metrics TcpTransport::metrics() const { return context_.counters.metrics(); }

runtime::SessionHandler* TcpTransport::find_handler(runtime::ListenerId id,
                                                    runtime::Lane lane) const {
  auto listener = listeners_.find(id);
  if (listener == listeners_.end()) return nullptr;
  auto handler = listener->second->handlers.find(lane);
  return handler == listener->second->handlers.end() ? nullptr : handler->second;
}

void TcpTransport::wait_acceptable(const std::shared_ptr<Listener>& listener) {
  listener->stream.async_wait(asio::posix::stream_descriptor::wait_read,
                              [this, listener](const asio::error_code&) {
                                if (listener->is_open) accept_some(listener);
                              });
}

// A burst of connections is taken in portions, so that sessions that are open get their turns.
void TcpTransport::accept_some(const std::shared_ptr<Listener>& listener) {
  for (int portion = 0; portion < 64; ++portion) {
    if (context_.counters.accepted_sessions.get() >= context_.options.accepted_max) {
      return pause_accepting(listener, "there are as many sessions as are allowed");
    }
    auto [socket, number] = accept_connection(listener->stream.native_handle());
    if (number == 0) {
      auto id = next_session();
      auto session = TcpSession::accept(context_, id, listener->id, std::move(socket));
      if (session) sessions_.emplace(id, std::move(session));
    } else if (number == EAGAIN) {
      break;
    } else if (number != EINTR && number != ECONNABORTED) {
      // EMFILE above all: the connection stays where it is, and asking again at once would spin.
      return pause_accepting(listener, describe_errno(number));
    }
  }
  wait_acceptable(listener);
}

void TcpTransport::pause_accepting(const std::shared_ptr<Listener>& listener,
                                   const std::string& why) {
  context_.counters.accept_pauses.add();
  context_.warn("accepting paused", listener->endpoint, why);
  listener->pause.expires_after(context_.options.accept_pause);
  listener->pause.async_wait([this, listener](const asio::error_code&) {
    if (listener->is_open) accept_some(listener);
  });
}

template <class Predicate>
void TcpTransport::close_sessions(Predicate is_meant) {
  std::vector<std::shared_ptr<TcpSession>> meant;
  for (const auto& [id, session] : sessions_) {
    if (is_meant(*session)) meant.push_back(session);
  }
  for (const auto& session : meant) session->close();
}

}  // namespace cluster::net
