// Reads what a task wrote. The file is the task's, so nothing about it is trusted.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster::agentlib {

struct LogPart {
  Bytes data;
  std::uint64_t offset = 0;  // Of the first byte of `data`.
  bool reached_end = false;
};

// Up to `size_max` bytes of a sandbox's "stdout" or "stderr" from `offset`, or from the first that
// are there after it when those were released (OutputLimiter). `not_found` without the sandbox;
// nothing without the file, which comes with the task's start.
Result<LogPart> read_log(const std::string& sandbox, const char* file, std::uint64_t offset,
                         std::size_t size_max);

}  // namespace cluster::agentlib
