// What the agent finds out about the machine it starts on.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/result.hpp"

namespace cluster::agentlib {

std::string system_hostname();

// `wanted`, or where it is empty: beside the running program, in ../libexec/cluster of it, or where
// the package was installed. `not_found` names the places.
Result<std::string> find_supervisor(const std::string& wanted);

// MiB for tasks on a machine with so many in all: a quarter is the system's, at most 1 GiB.
constexpr std::int64_t usable_mem_mib(std::int64_t total) {
  std::int64_t system = total / 4 < 1024 ? total / 4 : 1024;
  return total - system;
}

}  // namespace cluster::agentlib
