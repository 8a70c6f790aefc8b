#include "net/tls_stream.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.hpp"

namespace cluster::net {
namespace {

constexpr std::size_t record_size_max = 16 * 1024;
constexpr std::size_t batch_size = 256 * 1024;  // Encrypted before it is sent.

// The first of what is queued, as one record: where it lies, or copied together.
ByteView next_record(SendQueue& queue, std::array<char, record_size_max>& buffer) {
  std::array<iovec, 64> pieces;
  std::size_t count = queue.gather(pieces);
  auto view = [](const iovec& piece) {
    return ByteView(static_cast<const char*>(piece.iov_base), piece.iov_len);
  };
  if (count == 1 || pieces[0].iov_len >= buffer.size()) {
    return view(pieces[0]).substr(0, buffer.size());
  }
  std::size_t size = 0;
  for (std::size_t i = 0; i < count && size < buffer.size(); ++i) {
    ByteView part = view(pieces[i]).substr(0, buffer.size() - size);
    std::memcpy(buffer.data() + size, part.data(), part.size());
    size += part.size();
  }
  return {buffer.data(), size};
}

}  // namespace

// The BIO under OpenSSL: reads `incoming_`, writes `unsent_`.
struct StreamBio {
  static TlsStream& stream_of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, int size) {
    BIO_clear_retry_flags(bio);
    ByteView& incoming = stream_of(bio).incoming_;
    if (incoming.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    std::size_t take = std::min(static_cast<std::size_t>(size), incoming.size());
    std::memcpy(to, incoming.data(), take);
    incoming.remove_prefix(take);
    return static_cast<int>(take);
  }

  static int write(BIO* bio, const char* from, int size) {
    TlsStream& stream = stream_of(bio);
    BIO_clear_retry_flags(bio);
    if (stream.unsent_.empty()) stream.unsent_.swap(stream.spare_);
    stream.unsent_.append(from, static_cast<std::size_t>(size));
    return size;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* made = [] {
      BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cluster");
      BIO_meth_set_read(fresh, read);
      BIO_meth_set_write(fresh, write);
      BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
};

TlsStream::TlsStream(std::shared_ptr<TlsContext> context, std::string& spare)
    : context_(std::move(context)), spare_(spare), ssl_(SSL_new(context_->get())) {
  begin();
  SSL_set_accept_state(ssl_.get());
}

TlsStream::TlsStream(std::shared_ptr<TlsContext> context, std::string& spare, WantedPeer wanted)
    : context_(std::move(context)),
      spare_(spare),
      wanted_(std::move(wanted)),
      place_(to_string(wanted_->endpoint) + " " + std::to_string(static_cast<int>(wanted_->lane)) +
             " " + std::to_string(wanted_->member.value())),
      ssl_(SSL_new(context_->get())) {
  begin();
  SSL_set_connect_state(ssl_.get());
  bool is_name = !wanted_->endpoint.host.empty() &&
                 wanted_->endpoint.host.find_first_not_of("0123456789.:") != std::string::npos;
  if (is_name) SSL_set_tlsext_host_name(ssl_.get(), wanted_->endpoint.host.c_str());
  if (auto session = context_->find_session(place_)) SSL_set_session(ssl_.get(), session.get());
  ERR_clear_error();
  SSL_do_handshake(ssl_.get());  // Its first words; the rest comes with the answer.
}

void TlsStream::begin() {
  CLUSTER_CHECK(ssl_ != nullptr, "OpenSSL has memory for a connection");
  BIO* bio = BIO_new(StreamBio::method());
  CLUSTER_CHECK(bio != nullptr, "OpenSSL has memory for a connection");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
}

TlsStream::~TlsStream() {
  // OpenSSL would never resume the session of a connection that ended without goodbye; ours end so
  // as a rule, and a message that was cut off is noticed elsewhere.
  if (is_ready_ && !is_over_) {
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

TlsStream::Received TlsStream::receive(ByteView cipher, std::span<char> plain) {
  Received received;
  if (is_over_) return received;
  incoming_ = cipher;
  ERR_clear_error();
  if (!is_ready_ && !shake_hands(received)) return received;
  while (received.plain_size < plain.size()) {
    auto room = plain.subspan(received.plain_size);
    int size = SSL_read(ssl_.get(), room.data(), static_cast<int>(room.size()));
    if (size > 0) {
      received.plain_size += static_cast<std::size_t>(size);
      if (incoming_.empty() && SSL_has_pending(ssl_.get()) == 0) return received;
      continue;
    }
    int why = SSL_get_error(ssl_.get(), size);
    if (why == SSL_ERROR_WANT_READ) return received;
    is_over_ = true;
    // The other possibility is that the peer says goodbye; that TCP ends too tells the session.
    if (why != SSL_ERROR_ZERO_RETURN) received.failure = take_failure();
    return received;
  }
  received.has_more = true;
  return received;
}

bool TlsStream::shake_hands(Received& received) {
  int outcome = SSL_do_handshake(ssl_.get());
  if (outcome != 1) {
    if (SSL_get_error(ssl_.get(), outcome) == SSL_ERROR_WANT_READ) return false;
    is_over_ = true;
    received.failure = take_failure();
    return false;
  }
  // Again here, since nobody looks at the certificate of a session that is resumed.
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  std::string problem =
      certificate == nullptr ? "it showed no certificate" : problem_of_peer(certificate);
  if (!problem.empty()) {
    is_over_ = true;
    received.failure = Error{Errc::permission, std::move(problem)};
    return false;
  }
  peer_ = identity_of(certificate);
  is_ready_ = true;
  return true;
}

std::string TlsStream::problem_of_peer(X509* certificate) const {
  std::string problem = problem_of_time(certificate);
  if (problem.empty() && wanted_) problem = problem_with(certificate, *wanted_);
  return problem;
}

Error TlsStream::take_failure() {
  unsigned long code = ERR_peek_last_error();
  int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  std::string words = take_openssl_error();
  if (!refusal_.empty()) return Error{Errc::permission, refusal_};
  if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255) {
    return Error{Errc::permission, describe_alert(reason - SSL_AD_REASON_OFFSET)};
  }
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return Error{Errc::permission, "it showed no certificate"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
      return Error{Errc::unsupported, describe_alert(SSL_AD_PROTOCOL_VERSION)};
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return Error{Errc::protocol, "it does not speak TLS (" + words + ")"};
    default: return Error{Errc::protocol, "TLS failed: " + words};
  }
}

Result<void> TlsStream::encrypt(SendQueue& queue) {
  CLUSTER_CHECK(is_ready_, "nothing is encrypted before the handshake is over");
  std::array<char, record_size_max> buffer;
  while (!is_over_ && !queue.is_empty() && unsent().size() < batch_size) {
    ByteView record = next_record(queue, buffer);
    ERR_clear_error();
    int size = SSL_write(ssl_.get(), record.data(), static_cast<int>(record.size()));
    if (size <= 0) {
      is_over_ = true;
      return take_failure();
    }
    queue.consume(static_cast<std::size_t>(size));
  }
  return {};
}

void TlsStream::end() {
  if (!is_ready_ || is_over_) return;
  is_over_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

void TlsStream::say_raw(ByteView words) {
  is_over_ = true;
  unsent_.append(words);
}

void TlsStream::sent(std::size_t bytes) {
  sent_ += bytes;
  CLUSTER_CHECK(sent_ <= unsent_.size(), "what was sent was unsent", sent_, unsent_.size());
  if (sent_ < unsent_.size()) return;
  sent_ = 0;
  unsent_.clear();
  if (spare_.capacity() < unsent_.capacity()) spare_.swap(unsent_);
  std::string().swap(unsent_);
}

int TlsStream::on_verify(int is_good, X509_STORE_CTX* check) {
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& stream = *static_cast<TlsStream*>(SSL_get_app_data(ssl));
  X509* certificate = X509_STORE_CTX_get_current_cert(check);
  if (is_good != 1) {
    stream.refusal_ = describe_verification(X509_STORE_CTX_get_error(check), certificate);
    return 0;
  }
  if (X509_STORE_CTX_get_error_depth(check) > 0 || !stream.wanted_) return 1;
  stream.refusal_ = problem_with(certificate, *stream.wanted_);
  if (stream.refusal_.empty()) return 1;
  X509_STORE_CTX_set_error(check, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

// 1 takes the session over.
int TlsStream::on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto& stream = *static_cast<TlsStream*>(SSL_get_app_data(ssl));
  if (!stream.wanted_) return 0;
  stream.context_->remember_session(stream.place_, SslSessionPointer(session));
  return 1;
}

}  // namespace cluster::net
