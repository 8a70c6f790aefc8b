// How a runtime secures its connections: mutual TLS, or plain text where it is named.
//
//   auto files = cluster::certificate_files(
//       {.chain = "cert.pem", .key = "key.pem", .authorities = "ca.pem"});
//   cluster::Runtime::threads({.security = cluster::Tls{files}});
//   cluster::Runtime::threads({.security = cluster::Insecure{}});
//
// With TLS both ends show a certificate, and each takes only those of its own authorities. What a
// certificate says of its owner stands in its subject alternative names: `cluster:member:7` (a URI)
// for member 7, `cluster:agent:NAME`, `cluster:client:NAME`, and the hosts as DNS names or
// addresses where it listens. Who dials member 7 takes nobody else, and a message of the log that
// claims to come from member 7 is refused where the certificate does not say so. `cluster certs`
// makes such certificates; any other authority will do as well.
//
// TLS 1.3 or 1.2, nothing older. OpenSSL does the work and shows in no header.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "cluster/result.hpp"

namespace cluster {

// Plain text, and everyone is who they say: whoever reaches a port can run programs.
struct Insecure {};

// What one end of a connection shows and trusts, as PEM text.
struct Certificates {
  std::string chain;        // Our certificate first, then those between it and the authority.
  std::string key;          // Of our certificate; not encrypted.
  std::string authorities;  // Whose certificates we take.

  friend bool operator==(const Certificates&, const Certificates&) = default;
};

// Asked at each handshake, so that new certificates are used without a restart. Connections that
// are open go on with what they began with.
class CertificateSource {
 public:
  virtual ~CertificateSource() = default;
  // On the node thread, of each runtime that shares the source: must not block for long. The same
  // pointer again means that nothing has changed. After an error, or a set that makes no sense, the
  // last good set is used on, with a warning.
  virtual Result<std::shared_ptr<const Certificates>> certificates() = 0;
};

struct CertificateFiles {
  std::string chain;
  std::string key;
  std::string authorities;
};

// Reads the files, and again whenever one of them has changed. To change them under a running
// process, write new ones beside them and rename.
std::shared_ptr<CertificateSource> certificate_files(CertificateFiles files);

struct Tls {
  std::shared_ptr<CertificateSource> certificates;
};

// Unset, nothing listens and nothing dials: the error says what to choose.
using Security = std::variant<std::monostate, Insecure, Tls>;

}  // namespace cluster
