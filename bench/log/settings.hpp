// What a run of log_bench is asked to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct Settings {
  double seconds = 3;  // Of each load.
  int repeats = 3;     // Of each mode, in turns; the median is told.
  std::size_t size = 128;
  std::string directory;  // Decides which disk is measured. Ours while we run, and removed then.
  std::vector<int> callers = {1, 16, 256};
  std::vector<std::string> modes = {"bare", "log", "etcd"};
  std::string store = "default";  // default, lmdb; file, null (stores.hpp).
  double slow_sync_ms = 0;        // Added to every sync of all processes.
  bool remote = false;            // Callers in a process of their own, over TCP.
  bool tls = false;               // On every connection of the log, by an authority of our own.
  std::string authority_certificate;
  std::string authority_key;
  int failover = 0;        // Trials.
  double idle = 0;         // Seconds.
  std::uint64_t fill = 0;  // Entries.
  bool large = false;
  bool verbose = false;
};

}  // namespace bench
