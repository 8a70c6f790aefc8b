// The registry on three replicas, each with a runtime of its own, over loopback and real syncs.
#pragma once

#include <string>

namespace bench {

struct RegistrySettings {
  double seconds = 3;
  std::string directory;
  std::string only;  // A load's name; empty: all of them.
};

// One JSON line for each load. `limit` is what the bare log appends of entries of that size, by as
// many callers, in the same run.
void run_through_log(const RegistrySettings&);

}  // namespace bench
