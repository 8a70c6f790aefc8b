// What a certificate says of its owner, and whether that is who we wanted.
#pragma once

#include <openssl/types.h>

#include <string>

#include "cluster/types.hpp"
#include "runtime/transport.hpp"

namespace cluster::net {

// Whom a dialer wants to reach.
struct WantedPeer {
  Endpoint endpoint;
  runtime::Lane lane{};
  NodeId member;  // None: see `problem_with`.
};

runtime::PeerIdentity identity_of(X509* certificate);

// What is wrong with who answers; empty when nothing is. A member that is named must be itself. The
// agents' and schedulers' lanes are served by masters, whichever they are, so any member's
// certificate will do there and no other. On the admin lane agents answer too: they are known by
// the endpoint's host.
std::string problem_with(X509* certificate, const WantedPeer&);

// Empty unless the certificate is out of its time now.
std::string problem_of_time(X509* certificate);

// What a failed check of a certificate means, from X509_STORE_CTX_get_error().
std::string describe_verification(int code, X509* certificate);

// What the peer means by an alert, as "it ...".
std::string describe_alert(int alert);

}  // namespace cluster::net
