// cluster_log_options as the library takes them.
#pragma once

#include "bindings/c/handles.hpp"

namespace cluster::c {

Result<LogOptions> taken_log_options(const cluster_log_options*);

}  // namespace cluster::c
