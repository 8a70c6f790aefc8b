// Plain text, or certificates of an authority that lives as long as the run.
#pragma once

#include <string>

#include "bench/log/settings.hpp"
#include "cluster/tls.hpp"

namespace bench {

void make_authority(Settings&);

// Of `name`: "cluster:member:1", "cluster:client:bench".
cluster::Security security_of(const Settings&, const std::string& name);

}  // namespace bench
