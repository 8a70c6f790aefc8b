// Callers in a process that is no member: `cluster::LogClient`s, at most 16, each with a connection
// of its own to the leader.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "bench/log/measure.hpp"
#include "bench/log/settings.hpp"

namespace bench {

LoadResult run_remote_load(const Settings&, std::uint16_t port, int callers, pid_t leader);

}  // namespace bench
