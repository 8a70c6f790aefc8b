// How a command secures its connections, from what it was told.
#pragma once

#include <string>

#include "cluster/result.hpp"
#include "cluster/tls.hpp"
#include "options.hpp"

namespace cluster::app {

// What the options name; nothing at all where they name nothing. Certificates are read and checked,
// so that what is wrong with them is said at once.
Result<Security> named_security(const SecurityOptions&);

// The same for a daemon, which must be told.
Result<Security> daemon_security(const SecurityOptions&);

// The certificates in a folder of `cluster certs`.
Security tls_in(const std::string& folder);

}  // namespace cluster::app
