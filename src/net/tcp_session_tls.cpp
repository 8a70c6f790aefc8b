// The part of a session that knows TLS: what is received goes through the stream before it is read,
// and what is queued before it is sent.
#include <cerrno>
#include <utility>

#include "net/tcp_session.hpp"

namespace cluster::net {
namespace {

// A fatal alert "unexpected message": what a peer gets that speaks plain text to a TLS port, so
// that it can tell its user.
constexpr ByteView tls_alert("\x15\x03\x03\x00\x02\x02\x0a", 7);

}  // namespace

// Before it is connected nobody can be known.
const runtime::PeerIdentity& TcpSession::peer() const {
  static const runtime::PeerIdentity anyone{.is_authenticated = false, .names = {}, .members = {}};
  return tls_ ? tls_->peer() : anyone;
}

Result<void> TcpSession::begin_tls() {
  auto security = context_.security();
  if (!security) return std::move(security).error();
  if (*security == nullptr) return {};
  if (is_dialed()) {
    WantedPeer wanted{.endpoint = peer_, .lane = lane_, .member = member_};
    tls_ =
        std::make_unique<TlsStream>(*std::move(security), context_.cipher_spare, std::move(wanted));
  } else {
    tls_ = std::make_unique<TlsStream>(*std::move(security), context_.cipher_spare);
  }
  if (is_busy_lane()) tls_->keep_buffers();
  return {};
}

void TcpSession::on_cipher(ByteView cipher) {
  if (tls_->is_over() || state_ == State::lingering) return;
  if (!is_opened_ && cipher.front() == 'C') return on_stranger();
  is_opened_ = true;
  auto& buffer = context_.plain_buffer;
  for (bool has_more = true; has_more;) {
    bool was_ready = tls_->is_ready();
    auto received = tls_->receive(std::exchange(cipher, {}), buffer);
    if (!was_ready && tls_->is_ready()) on_secured();
    has_more = received.has_more;
    if (received.plain_size > 0) on_bytes(ByteView(buffer.data(), received.plain_size));
    if (state_ == State::failing || state_ == State::over) return;
    if (received.failure) return on_tls_failed(*received.failure);
    bool has_words = !was_ready && tls_->is_ready() && !queue_.is_empty();
    if ((has_words || !tls_->unsent().empty()) && !is_blocked_) flush();
  }
}

void TcpSession::on_secured() {
  context_.counters.tls_handshakes.add();
  if (tls_->is_resumed()) context_.counters.tls_resumed.add();
  const auto& names = tls_->peer().names;
  context_.logger.debug("peer authenticated", "peer", peer_, "certificate",
                        names.empty() ? std::string("no name") : names.front(), "resumed",
                        tls_->is_resumed());
}

void TcpSession::on_tls_failed(const Error& why) {
  // The acceptor's verdict on a dialer's certificate comes when the dialer takes the handshake for
  // finished.
  bool is_handshake = state_ == State::greeting || !tls_->is_ready();
  (is_handshake ? context_.counters.tls_failed : context_.counters.garbage).add();
  context_.warn(is_handshake ? "handshake failed" : "session dropped", peer_, why.context);
  queue_.clear();
  part({why.code, "no trust between us and " + to_string(peer_) + ": " + why.context,
        is_handshake ? Outcome::not_applied : Outcome::maybe});
}

void TcpSession::on_stranger() {
  context_.counters.tls_failed.add();
  queue_.clear();
  std::string why = tls_ ? "it speaks plain text, and here TLS is required (did it start with "
                           "--insecure?)"
                         : "it speaks TLS, and here is plain text (--insecure); both ends must use "
                           "certificates (--certs DIR), or neither";
  // So that the other end can say as much.
  if (tls_) {
    tls_->say_raw(tls_alert);
  } else if (!is_dialed()) {
    auto refusal = wire::encode_preamble({.lane = 0, .side = wire::Side::acceptor});
    queue_.push_raw(ByteView(refusal.data(), refusal.size()));
  }
  context_.warn("handshake failed", peer_, why);
  part({Errc::protocol, to_string(peer_) + ": " + why});
}

bool TcpSession::flush_tls() {
  for (bool is_ended = false;;) {
    if (tls_->is_ready() && !tls_->is_over()) {
      if (auto encrypted = tls_->encrypt(queue_); !encrypted) {
        fail_later(std::move(encrypted).error());
        return false;
      }
    }
    if (tls_->unsent().empty()) {
      if (state_ != State::flushing || !queue_.is_empty() || is_ended) return true;
      tls_->end();
      is_ended = true;
      continue;
    }
    ByteView unsent = tls_->unsent();
    ssize_t size = ::send(stream_.native_handle(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
    if (size >= 0) {
      context_.counters.bytes_sent.add(static_cast<std::uint64_t>(size));
      tls_->sent(static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      on_blocked(errno);
      return false;
    }
  }
}

}  // namespace cluster::net
