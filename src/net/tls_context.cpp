#include "net/tls_context.hpp"

#include <openssl/err.h>

#include <utility>

#include "net/tls_peer.hpp"
#include "net/tls_stream.hpp"

namespace cluster::net {
namespace {

constexpr std::size_t sessions_max = 1000;
constexpr const unsigned char id_context[] = "cluster";

Error wrong(const std::string& what) {
  ERR_clear_error();
  return Error{Errc::invalid_argument, what};
}

Result<void> use_chain(SSL_CTX* context, const std::string& text) {
  auto pem = open_pem(text);
  auto own = read_certificate(pem.get());
  if (!own) return wrong("the certificate is no PEM text (BEGIN CERTIFICATE)");
  if (SSL_CTX_use_certificate(context, own.get()) != 1) {
    return wrong("the certificate is refused: " + take_openssl_error());
  }
  while (auto next = read_certificate(pem.get())) {
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) {
      return wrong("the certificate's chain is refused: " + take_openssl_error());
    }
  }
  ERR_clear_error();  // The end of the text is one.
  return {};
}

Result<void> use_key(SSL_CTX* context, const std::string& text) {
  auto pem = open_pem(text);
  auto key = read_key(pem.get());
  if (!key) return wrong("the key is no PEM text (BEGIN PRIVATE KEY), or it is encrypted");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return wrong("the key is not that of the certificate");
  }
  return {};
}

Result<void> use_authorities(SSL_CTX* context, const std::string& text) {
  auto pem = open_pem(text);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (auto authority = read_certificate(pem.get())) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) {
      return wrong("the authority's certificate is refused: " + take_openssl_error());
    }
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return wrong("the authority's certificate is no PEM text (BEGIN CERTIFICATE)");
  // An authority below a public one is trusted without that one.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

void set_protocol(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // With AES in hardware, 128 bits cost least and are enough.
  SSL_CTX_set_ciphersuites(
      context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A record is not fetched in two steps, header and rest.
  SSL_CTX_set_read_ahead(context, 1);
  // An idle connection holds no buffers; see `TlsStream::keep_buffers`.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     TlsStream::on_verify);
  // Acceptors keep nothing: what is resumed is in the ticket. Dialers keep it here.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_session_id_context(context, id_context, sizeof id_context);
  SSL_CTX_sess_set_new_cb(context, TlsStream::on_new_session);
  SSL_CTX_set_num_tickets(context, 1);
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::make(const Certificates& certificates) {
  SslContextPointer context(SSL_CTX_new(TLS_method()));
  if (!context) return Error{Errc::failed, "OpenSSL cannot start: " + take_openssl_error()};
  set_protocol(context.get());
  for (auto& outcome :
       {use_chain(context.get(), certificates.chain), use_key(context.get(), certificates.key),
        use_authorities(context.get(), certificates.authorities)}) {
    if (!outcome) return outcome.error();
  }
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(context)));
}

SslSessionPointer TlsContext::find_session(const std::string& place) const {
  auto found = sessions_.find(place);
  if (found == sessions_.end()) return nullptr;
  SSL_SESSION_up_ref(found->second.get());
  return SslSessionPointer(found->second.get());
}

void TlsContext::remember_session(const std::string& place, SslSessionPointer session) {
  if (sessions_.size() >= sessions_max) sessions_.clear();  // They save time, nothing else.
  sessions_[place] = std::move(session);
}

std::string TlsContext::describe() const {
  X509* own = SSL_CTX_get0_certificate(context_.get());
  std::string text;
  for (const auto& name : identity_of(own).names) text += (text.empty() ? "" : ", ") + name;
  return (text.empty() ? "no name" : text) + ", until " + to_text(X509_get0_notAfter(own));
}

std::string TlsContext::problem_of_own() const {
  return problem_of_time(SSL_CTX_get0_certificate(context_.get()));
}

TlsContexts::TlsContexts(std::shared_ptr<CertificateSource> source, Logger logger)
    : source_(std::move(source)), logger_(std::move(logger)) {}

Result<std::shared_ptr<TlsContext>> TlsContexts::current() {
  auto outcome = refresh();
  if (outcome) {
    warned_of_.clear();
    return good_;
  }
  if (!good_) return std::move(outcome).error();
  if (std::exchange(warned_of_, outcome.error().context) != warned_of_) {
    logger_.warning("new certificates are broken, the last good ones stay in use", "why",
                    outcome.error().context);
  }
  return good_;
}

Result<void> TlsContexts::refresh() {
  auto asked = source_->certificates();
  if (!asked) return std::move(asked).error();
  if (*asked == nullptr) return Error{Errc::invalid_argument, "the source gave no certificates"};
  if (*asked == tried_ || (tried_ && **asked == *tried_)) return outcome_;
  tried_ = *asked;
  auto made = TlsContext::make(*tried_);
  outcome_ = made ? Result<void>() : Result<void>(made.error());
  if (!made) return outcome_;
  bool is_first = good_ == nullptr;
  good_ = *std::move(made);
  logger_.info(is_first ? "certificates in use" : "new certificates in use", "certificate",
               good_->describe());
  if (auto problem = good_->problem_of_own(); !problem.empty()) {
    logger_.warning("peers will refuse our certificate", "why", problem);
  }
  return outcome_;
}

}  // namespace cluster::net
