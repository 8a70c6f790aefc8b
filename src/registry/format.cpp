#include "registry/format.hpp"

#ifndef CLUSTER_STATE_FORMAT
#define CLUSTER_STATE_FORMAT 2
#endif

namespace cluster::registry {

std::uint32_t format_newest() { return CLUSTER_STATE_FORMAT; }

}  // namespace cluster::registry
