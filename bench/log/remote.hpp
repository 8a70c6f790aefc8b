// Callers in another process: a small face of the bench's own on the replica's listener, by the
// library's transport. A request is a number and the entry, its answer the number and the position.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "bench/log/measure.hpp"
#include "bench/log/settings.hpp"
#include "cluster/log.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace bench {

// Until the runtime ends.
void serve_remote_callers(cluster::runtime::Host&, cluster::runtime::ListenerId, cluster::Log&);

// At most 16 connections, shared by the callers.
LoadResult run_remote_load(const Settings&, std::uint16_t port, int callers, pid_t leader);

}  // namespace bench
