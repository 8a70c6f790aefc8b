// What handshakes are made with: one set of certificates as OpenSSL holds it, and the choice of the
// set to use now.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "cluster/logger.hpp"
#include "cluster/result.hpp"
#include "cluster/tls.hpp"
#include "net/openssl.hpp"

namespace cluster::net {

// Connections hold the one that they began with. Sessions to be resumed belong to it too: new
// certificates are verified anew.
class TlsContext {
 public:
  // `invalid_argument` says what is wrong with which part.
  static Result<std::shared_ptr<TlsContext>> make(const Certificates&);

  SSL_CTX* get() const { return context_.get(); }

  // The newest session for a place that was dialed before; none, or one of which the caller shares
  // the ownership.
  SslSessionPointer find_session(const std::string& place) const;
  void remember_session(const std::string& place, SslSessionPointer);

  std::string describe() const;        // Whose our certificate is, and until when.
  std::string problem_of_own() const;  // Empty while our own certificate is in its time.

 private:
  explicit TlsContext(SslContextPointer context) : context_(std::move(context)) {}

  SslContextPointer context_;
  std::map<std::string, SslSessionPointer> sessions_;
};

// Asks the source at each handshake, and makes a context anew when its answer changes.
class TlsContexts {
 public:
  TlsContexts(std::shared_ptr<CertificateSource> source, Logger logger);

  // The context of now: the last good one, where what the source gives now is broken.
  Result<std::shared_ptr<TlsContext>> current();

 private:
  Result<void> refresh();

  std::shared_ptr<CertificateSource> source_;
  Logger logger_;
  std::shared_ptr<const Certificates> tried_;  // The last answer, good or not.
  Result<void> outcome_;                       // Of trying it.
  std::shared_ptr<TlsContext> good_;
  std::string warned_of_;
};

}  // namespace cluster::net
