// The cluster that `cluster up` started on this machine: what `up` wrote about it in its directory,
// and its processes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/tls.hpp"
#include "cluster/types.hpp"
#include "process.hpp"

namespace cluster::app {

struct LocalDaemon {
  std::string name;  // "master-1", "agent-2"
  std::uint64_t number = 0;
  Endpoint endpoint;
  Process process;
  std::vector<std::string> arguments;  // Of the program `cluster`.
};

struct LocalCluster {
  std::string directory;
  ClusterUid cluster;
  bool keep = false;      // `down` leaves the directory.
  bool insecure = false;  // It speaks plain text.
  std::vector<LocalDaemon> masters;
  std::vector<LocalDaemon> agents;

  std::vector<Endpoint> master_endpoints() const;
  std::string certificates() const { return directory + "/certs"; }
  std::string client_certificate() const { return certificates() + "/client-local"; }
  Security security() const;  // Of those who use it.
};

// The directory that commands use when told none: CLUSTER_DIR, else that of the user's state.
std::string default_directory();
// `directory`, or the default one; absolute.
std::string chosen_directory(const std::string& directory);

// None when the directory holds no cluster; `corrupt` when its file cannot be understood.
Result<std::optional<LocalCluster>> load_local_cluster(const std::string& directory);
Result<void> save_local_cluster(const LocalCluster&);  // At once or not at all.

// Keeps a second `up` or `down` away from the directory while this lives.
class DirectoryLock {
 public:
  static Result<DirectoryLock> take(const std::string& directory);  // Creates the directory.
  DirectoryLock(DirectoryLock&& other) noexcept : descriptor_(other.descriptor_) {
    other.descriptor_ = -1;
  }
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// A port on 127.0.0.1 that nobody listens on now, outside the range that the kernel hands out by
// itself, and not among `taken`.
Result<std::uint16_t> free_port(const std::vector<std::uint16_t>& taken);
bool is_port_free(std::uint16_t port);

}  // namespace cluster::app
