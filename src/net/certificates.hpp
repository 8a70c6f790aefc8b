// Makes authorities and the certificates that they issue: ECDSA on P-256, as PEM text. For
// `cluster certs`, `cluster up` and tests; any other authority's certificates serve as well.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/tls.hpp"
#include "cluster/types.hpp"

namespace cluster::net {

struct KeyAndCertificate {
  std::string certificate;
  std::string key;
};

// From `begin` to `end`, in whole seconds.
struct Validity {
  WallTime begin;
  WallTime end;
};

struct CertificateRequest {
  std::string common_name;         // For people; nothing is decided by it.
  std::vector<std::string> uris;   // "cluster:member:7"
  std::vector<std::string> hosts;  // DNS names and addresses where it listens.
  bool serves = true;              // False: shown by those who dial only.
  Validity validity;
};

Result<KeyAndCertificate> make_authority(const std::string& common_name, Validity);

// `invalid_argument` when the authority's key is not its own, or a name makes no sense.
Result<KeyAndCertificate> issue(const KeyAndCertificate& authority, const CertificateRequest&);

struct CertificateFacts {
  std::string common_name;
  std::string issuer;  // Its common name.
  std::vector<std::string> names;
  bool is_authority = false;
  Validity validity;
};

// Of the first certificate in the text.
Result<CertificateFacts> describe_certificate(const std::string& pem);

// Whether handshakes could be made with these.
Result<void> check_certificates(const Certificates&);

}  // namespace cluster::net
