// One session over TCP, dialed or accepted. See src/wire/frame.hpp for what it speaks.
//
//   connecting -> greeting -> open -> flushing -> lingering -> over      our close()
//        any of these ------> over                                      the peer's, or a fault
//
// An accepted session begins with `greeting`, of which a TLS handshake is the first part. After our
// close() what is queued is still sent, and then we wait for the peer's end: closing a socket that
// holds unread bytes resets the connection, and the peer would lose what it has not read yet.
//
// Pending Asio handlers keep a session alive, and it may outlive its transport that way, unused.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "net/asio.hpp"
#include "net/send_queue.hpp"
#include "net/session_context.hpp"
#include "net/socket.hpp"
#include "net/tls_stream.hpp"
#include "runtime/transport.hpp"
#include "wire/frame.hpp"

namespace cluster::net {

class TcpSession : public std::enable_shared_from_this<TcpSession> {
 public:
  static std::shared_ptr<TcpSession> dial(SessionContext&, runtime::SessionId, const Endpoint&,
                                          runtime::Lane, runtime::SessionHandler&, NodeId member);
  // nullptr when the system cannot watch one more socket, or there are no certificates.
  static std::shared_ptr<TcpSession> accept(SessionContext&, runtime::SessionId,
                                            runtime::ListenerId, Descriptor);

  bool send(Bytes message);
  std::size_t queued_bytes() const { return queue_.bytes() + (tls_ ? tls_->unsent().size() : 0); }
  const runtime::PeerIdentity& peer() const;
  void close();
  void abandon();  // Ends it at once, without a word to anybody.

  // Writes what is queued as far as the socket takes it. Calls no handler.
  void flush();

  bool is_of(runtime::ListenerId listener) const { return listener_ == listener; }
  bool is_of(runtime::ListenerId listener, runtime::Lane lane) const {
    return listener_ == listener && lane_ == lane;
  }

 private:
  enum class State { connecting, greeting, open, failing, flushing, lingering, over };

  TcpSession(SessionContext&, runtime::SessionId, Endpoint peer);

  // Dialing.
  void resolve();
  void connect_next(Error last_failure);
  void on_connected();
  void greet();

  // Reading.
  void wait_readable();
  void on_readable();
  void on_bytes(ByteView);
  void on_preamble(const wire::Preamble&);
  void on_frames(ByteView);

  // TLS, in tcp_session_tls.cpp.
  Result<void> begin_tls();
  void on_cipher(ByteView);
  void on_secured();
  void on_tls_failed(const Error& why);
  void on_stranger();  // One end speaks TLS, the other plain text.
  bool flush_tls();    // As `flush_plain`.

  // Writing.
  bool flush_plain();  // False when the socket takes no more.
  void on_blocked(int number);
  void wait_writable();
  void on_write_failed(int number);

  // Ending.
  void begin_flushing();
  void fail(Error why);
  void fail_later(Error why);
  void part(Error why);  // As `fail`, but what is queued is still sent.
  void drop_garbage(const Error& why);
  void finish();

  bool adopt(Descriptor);
  void set_timer(Duration);
  void on_timer();
  bool is_dialed() const { return !listener_; }
  // Few sessions with many messages.
  bool is_busy_lane() const {
    return runtime::is_log_lane(lane_) || lane_ == runtime::Lane::log_client;
  }

  SessionContext& context_;
  const runtime::SessionId id_;
  runtime::ListenerId listener_;  // None: dialed.
  runtime::Lane lane_{};
  runtime::SessionHandler* handler_ = nullptr;
  NodeId member_;  // Whom we dialed; may be none.
  Endpoint peer_;
  std::unique_ptr<TlsStream> tls_;  // None: plain text, or not connected yet.
  State state_ = State::connecting;

  asio::posix::stream_descriptor stream_;
  asio::steady_timer timer_;
  std::uint64_t timer_round_ = 0;
  std::vector<SocketAddress> addresses_;  // Yet to be tried, the next one last.

  std::string preamble_;  // What has arrived of the peer's.
  wire::FrameReader reader_;
  SendQueue queue_;
  bool is_connected_ = false;
  bool is_opened_ = false;  // The first bytes of a TLS session have arrived.
  bool is_flush_due_ = false;
  bool is_blocked_ = false;  // The socket takes no more; we wait until it does.
  bool is_mute_ = false;     // Writing failed; what the peer said before is still read.
  std::size_t queued_at_timer_ = 0;
};

}  // namespace cluster::net
