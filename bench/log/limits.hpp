// What the machine can do at best, measured beside the log.
#pragma once

#include <string>

#include "bench/log/settings.hpp"

namespace bench {

struct Limits {
  double sync_per_s = 0;  // fdatasync of 4 KiB in a preallocated, zeroed file.
  double sync_p50_us = 0;
  double sync_mb_per_s = 0;      // The same with 1 MiB at a time.
  double lmdb_commit_per_s = 0;  // Of one entry.
  double round_trip_us = 0;      // Over loopback TCP, two blocking threads.
};

Limits measure_limits(const Settings&);
std::string to_json(const Limits&);

}  // namespace bench
