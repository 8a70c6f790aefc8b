#include "net/tcp_session.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace cluster::net {
namespace {

constexpr std::size_t flush_at_once_min = 1 << 20;  // Bytes that are not held back until later.

}  // namespace

TcpSession::TcpSession(SessionContext& context, runtime::SessionId id, Endpoint peer)
    : context_(context),
      id_(id),
      peer_(std::move(peer)),
      stream_(context.io),
      timer_(context.io),
      reader_(runtime::message_size_max) {}

std::shared_ptr<TcpSession> TcpSession::dial(SessionContext& context, runtime::SessionId id,
                                             const Endpoint& peer, runtime::Lane lane,
                                             runtime::SessionHandler& handler, NodeId member) {
  std::shared_ptr<TcpSession> session(new TcpSession(context, id, peer));
  session->lane_ = lane;
  session->handler_ = &handler;
  session->member_ = member;
  session->queue_.push_raw(
      ByteView(wire::encode_preamble({.lane = static_cast<std::uint8_t>(lane)}).data(),
               wire::preamble_size));
  context.counters.dialed.add();
  session->set_timer(context.options.dial_timeout);
  asio::post(context.io, [session] { session->resolve(); });
  return session;
}

std::shared_ptr<TcpSession> TcpSession::accept(SessionContext& context, runtime::SessionId id,
                                               runtime::ListenerId listener, Descriptor socket) {
  std::shared_ptr<TcpSession> session(new TcpSession(context, id, peer_endpoint(socket.get())));
  session->listener_ = listener;
  context.counters.accepted.add();
  if (auto secured = session->begin_tls(); !secured) {
    context.warn("session refused", session->peer_, secured.error().context);
    return nullptr;
  }
  if (!session->adopt(std::move(socket))) return nullptr;
  session->state_ = State::greeting;
  session->is_connected_ = true;
  context.counters.sessions.add();
  context.counters.accepted_sessions.add();
  session->set_timer(context.options.preamble_timeout);
  session->wait_readable();
  return session;
}

bool TcpSession::send(Bytes message) {
  if (handler_ == nullptr || state_ == State::failing || state_ == State::over) return false;
  if (message.size() > runtime::message_size_max) {
    fail_later({Errc::too_large, "a message of " + std::to_string(message.size()) +
                                     " bytes is over the limit of " +
                                     std::to_string(runtime::message_size_max)});
    return false;
  }
  if (queued_bytes() + message.size() > context_.options.queue_bytes_max) {
    context_.counters.overloaded.add();
    context_.warn("session overloaded", peer_, "it does not read what it is sent");
    fail_later({Errc::overloaded,
                to_string(peer_) + " does not read: " + std::to_string(queued_bytes()) +
                    " bytes are queued for it",
                Outcome::maybe});
    return false;
  }
  context_.counters.frames_sent.add();
  bool is_overtaken = runtime::is_log_lane(lane_) && message.size() >= runtime::large_message_min;
  if (is_overtaken) {
    queue_.push_parts(std::move(message));
  } else {
    const auto& header = context_.frame_header(message);
    queue_.push_frame(std::move(message), header);
  }
  if (queue_.bytes() >= flush_at_once_min && !is_blocked_) {
    flush();
  } else if (!is_flush_due_ && !is_blocked_ && is_connected_) {
    is_flush_due_ = true;
    context_.flush_later(shared_from_this());
  }
  return true;
}

void TcpSession::close() {
  handler_ = nullptr;
  context_.forget(id_);
  switch (state_) {
    case State::connecting:
      // Messages that were sent before there is a connection are sent once there is one.
      if (queue_.bytes() <= wire::preamble_size) finish();
      break;
    case State::greeting:
      if (is_dialed()) {
        begin_flushing();
      } else {
        finish();
      }
      break;
    case State::open: begin_flushing(); break;
    case State::failing:
    case State::flushing:
    case State::lingering:
    case State::over: break;
  }
}

void TcpSession::abandon() {
  handler_ = nullptr;
  finish();
}

void TcpSession::resolve() {
  if (state_ != State::connecting) return;
  if (auto security = context_.security(); !security) return fail(std::move(security).error());
  if (auto address = numeric_address(peer_)) {
    addresses_ = {*address};
    return connect_next({});
  }
  auto resolver = std::make_shared<asio::ip::tcp::resolver>(context_.io);
  resolver->async_resolve(
      peer_.host, std::to_string(peer_.port),
      [self = shared_from_this(), resolver](const asio::error_code& failure, const auto& found) {
        if (self->state_ != State::connecting) return;
        if (failure) {
          return self->fail({Errc::unreachable,
                             "no address for '" + self->peer_.host + "': " + failure.message()});
        }
        for (const auto& entry : found) {
          auto endpoint = entry.endpoint();
          SocketAddress address;
          address.size = static_cast<socklen_t>(endpoint.size());
          std::copy_n(reinterpret_cast<const char*>(endpoint.data()), endpoint.size(),
                      reinterpret_cast<char*>(&address.storage));
          self->addresses_.push_back(address);
        }
        std::reverse(self->addresses_.begin(), self->addresses_.end());
        self->connect_next({Errc::unreachable, "no address for '" + self->peer_.host + "'"});
      });
}

// Tries the addresses one after another, as long as the dial's time lasts.
void TcpSession::connect_next(Error last_failure) {
  while (!addresses_.empty()) {
    auto socket = start_connect(addresses_.back());
    addresses_.pop_back();
    if (!socket) {
      last_failure = std::move(socket).error();
    } else if (!adopt(*std::move(socket))) {
      last_failure = {Errc::unreachable, "the socket cannot be watched"};
    } else {
      return stream_.async_wait(asio::posix::stream_descriptor::wait_write,
                                [self = shared_from_this()](const asio::error_code&) {
                                  if (self->state_ == State::connecting) self->on_connected();
                                });
    }
  }
  fail({Errc::unreachable, "cannot reach " + to_string(peer_) + ": " + last_failure.context});
}

void TcpSession::on_connected() {
  if (auto outcome = connect_outcome(stream_.native_handle()); !outcome) {
    asio::error_code ignored;
    stream_.close(ignored);
    return connect_next(std::move(outcome).error());
  }
  addresses_.clear();
  is_connected_ = true;
  context_.counters.sessions.add();
  if (auto secured = begin_tls(); !secured) return fail(std::move(secured).error());
  peer_ = peer_endpoint(stream_.native_handle());
  wait_readable();
  if (handler_ != nullptr) {
    state_ = State::greeting;
    flush();
  } else {
    begin_flushing();  // It was closed meanwhile.
  }
}

void TcpSession::wait_readable() {
  stream_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const asio::error_code&) {
                       if (self->state_ != State::over) self->on_readable();
                     });
}

// Reads once, into the buffer that all sessions share: no session starves the others, and one that
// is idle needs no memory.
void TcpSession::on_readable() {
  if (state_ == State::failing) return;
  auto& buffer = context_.read_buffer;
  ssize_t size = ::recv(stream_.native_handle(), buffer.data(), buffer.size(), 0);
  if (size > 0) {
    context_.counters.bytes_received.add(static_cast<std::uint64_t>(size));
    ByteView bytes(buffer.data(), static_cast<std::size_t>(size));
    tls_ ? on_cipher(bytes) : on_bytes(bytes);
  } else if (size == 0) {
    fail({Errc::closed, to_string(peer_) + " closed the session", Outcome::maybe});
  } else if (errno != EAGAIN && errno != EINTR) {
    fail({Errc::unreachable, "lost " + to_string(peer_) + ": " + describe_errno(errno),
          Outcome::maybe});
  }
  if (state_ != State::over) wait_readable();
}

void TcpSession::on_bytes(ByteView bytes) {
  if (state_ == State::greeting) {
    std::size_t take = std::min(wire::preamble_size - preamble_.size(), bytes.size());
    preamble_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    // What cannot become a preamble is not waited for.
    bool is_hopeless = !ByteView("CLU1").starts_with(ByteView(preamble_).substr(0, 4));
    if (is_hopeless && !tls_ && wire::is_tls(preamble_)) return on_stranger();
    if (preamble_.size() < wire::preamble_size && !is_hopeless) return;
    auto preamble = wire::decode_preamble(preamble_);
    if (!preamble) return drop_garbage(preamble.error());
    on_preamble(*preamble);
  }
  if (state_ == State::open) on_frames(bytes);
}

void TcpSession::on_preamble(const wire::Preamble& preamble) {
  auto expected_side = is_dialed() ? wire::Side::acceptor : wire::Side::dialer;
  if (preamble.side != expected_side) {
    return drop_garbage({Errc::protocol, "the peer's preamble is of the wrong side"});
  }
  timer_.cancel();
  ++timer_round_;
  if (is_dialed()) {
    if (preamble.lane != static_cast<std::uint8_t>(lane_)) {
      return fail({Errc::unsupported, to_string(peer_) + " does not serve lane " +
                                          std::to_string(static_cast<int>(lane_))});
    }
    state_ = State::open;
    return handler_->on_open(id_, peer_);
  }

  lane_ = static_cast<runtime::Lane>(preamble.lane);
  if (tls_ && is_busy_lane()) tls_->keep_buffers();
  handler_ = preamble.lane == 0 ? nullptr : context_.find_handler(listener_, lane_);
  auto reply = wire::encode_preamble({.lane = handler_ == nullptr ? std::uint8_t{0} : preamble.lane,
                                      .side = wire::Side::acceptor});
  queue_.push_raw(ByteView(reply.data(), reply.size()));
  if (handler_ == nullptr) {
    context_.counters.refused.add();
    context_.logger.debug("session refused", "peer", peer_, "lane",
                          static_cast<int>(preamble.lane));
    context_.forget(id_);
    return begin_flushing();
  }
  state_ = State::open;
  is_flush_due_ = true;
  context_.flush_later(shared_from_this());
  handler_->on_open(id_, peer_);
}

void TcpSession::on_frames(ByteView bytes) {
  auto payloads = std::exchange(context_.payloads, {});
  auto outcome = reader_.feed(bytes, payloads);
  context_.counters.frames_received.add(payloads.size());
  for (auto& payload : payloads) {
    if (state_ != State::open) break;  // Closed by the handler, or by a message it sent.
    handler_->on_message(id_, std::move(payload));
  }
  payloads.clear();
  context_.payloads = std::move(payloads);
  if (!outcome && state_ == State::open) drop_garbage(outcome.error());
}

void TcpSession::flush() {
  is_flush_due_ = false;
  if (!is_connected_ || is_blocked_ || is_mute_) return;
  if (state_ == State::failing || state_ == State::over) return;
  if (tls_ ? !flush_tls() : !flush_plain()) return;
  if (state_ != State::flushing || !queue_.is_empty()) return;
  ::shutdown(stream_.native_handle(), SHUT_WR);
  state_ = State::lingering;
  set_timer(context_.options.linger_timeout);
}

bool TcpSession::flush_plain() {
  std::array<iovec, 256> pieces;
  while (!queue_.is_empty()) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = queue_.gather(pieces);
    ssize_t size = ::sendmsg(stream_.native_handle(), &message, MSG_NOSIGNAL);
    if (size >= 0) {
      context_.counters.bytes_sent.add(static_cast<std::uint64_t>(size));
      queue_.consume(static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      on_blocked(errno);
      return false;
    }
  }
  return true;
}

void TcpSession::on_blocked(int number) {
  number == EAGAIN ? wait_writable() : on_write_failed(number);
}

void TcpSession::on_write_failed(int number) {
  is_mute_ = true;
  queue_.clear();
  if (state_ == State::flushing) return finish();
  // Reading will say that the peer is gone, after what it said before it went.
  if (number == EPIPE || number == ECONNRESET) return;
  fail_later({Errc::unreachable,
              "cannot send to " + to_string(peer_) + ": " + describe_errno(number),
              Outcome::maybe});
}

void TcpSession::wait_writable() {
  is_blocked_ = true;
  stream_.async_wait(asio::posix::stream_descriptor::wait_write,
                     [self = shared_from_this()](const asio::error_code&) {
                       self->is_blocked_ = false;
                       self->flush();
                     });
}

// After our close, or a refusal: nothing is said to a handler any more.
void TcpSession::begin_flushing() {
  state_ = State::flushing;
  if (is_mute_) return finish();
  queued_at_timer_ = queued_bytes();
  set_timer(context_.options.linger_timeout);
  if (!is_flush_due_ && !is_blocked_) {
    is_flush_due_ = true;
    context_.flush_later(shared_from_this());
  }
}

void TcpSession::fail(Error why) {
  if (state_ == State::over) return;
  if (state_ == State::connecting) context_.counters.dials_failed.add();
  auto* handler = std::exchange(handler_, nullptr);
  finish();
  context_.forget(id_);
  if (handler != nullptr) handler->on_close(id_, why);
}

void TcpSession::part(Error why) {
  auto* handler = std::exchange(handler_, nullptr);
  context_.forget(id_);
  begin_flushing();
  if (handler != nullptr) handler->on_close(id_, why);
}

void TcpSession::fail_later(Error why) {
  state_ = State::failing;
  queue_.clear();
  asio::post(context_.io, [self = shared_from_this(), why = std::move(why)]() mutable {
    self->fail(std::move(why));
  });
}

void TcpSession::drop_garbage(const Error& why) {
  context_.counters.garbage.add();
  context_.warn("session dropped", peer_, why.context);
  fail({why.code, to_string(peer_) + ": " + why.context, Outcome::maybe});
}

void TcpSession::finish() {
  if (state_ == State::over) return;
  state_ = State::over;
  ++timer_round_;
  timer_.cancel();
  asio::error_code ignored;
  stream_.close(ignored);
  queue_.clear();
  if (!is_connected_) return;
  context_.counters.sessions.subtract();
  if (!is_dialed()) context_.counters.accepted_sessions.subtract();
}

bool TcpSession::adopt(Descriptor socket) {
  asio::error_code failure;
  stream_.assign(socket.get(), failure);
  if (failure) return false;
  socket.release();
  stream_.non_blocking(true, failure);
  return !failure;
}

void TcpSession::set_timer(Duration after) {
  timer_.expires_after(after);
  timer_.async_wait([self = shared_from_this(), round = ++timer_round_](const asio::error_code&) {
    if (self->timer_round_ == round) self->on_timer();
  });
}

void TcpSession::on_timer() {
  auto within = [](Duration time) {
    return " within " + std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) +
           " s";
  };
  switch (state_) {
    case State::connecting:
      return fail({Errc::unreachable, "cannot reach " + to_string(peer_) + ": no answer" +
                                          within(context_.options.dial_timeout)});
    case State::greeting:
      if (!is_dialed()) {
        bool is_greeted = !tls_ || tls_->is_ready();
        return drop_garbage({Errc::protocol, (is_greeted ? "no preamble" : "no TLS handshake") +
                                                 within(context_.options.preamble_timeout)});
      }
      return fail({Errc::unreachable, to_string(peer_) + " accepts connections and says nothing" +
                                          within(context_.options.dial_timeout)});
    case State::flushing:
      if (queued_bytes() >= queued_at_timer_) return finish();
      queued_at_timer_ = queued_bytes();
      return set_timer(context_.options.linger_timeout);
    case State::lingering: return finish();
    case State::open:
    case State::failing:
    case State::over: return;
  }
}

}  // namespace cluster::net
