// Three members of a registry in one process, with real sockets and disks.
#pragma once

#include <cstdlib>

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/key_registry.hpp"
#include "tests/catch.hpp"
#include "tests/unit/sockets.hpp"

namespace cluster::test {

using namespace std::chrono_literals;

template <class T>
T get(Op<T> op) {
  Result<T> result = op.get();
  if (!result) FAIL(result.error().message());
  return *std::move(result);
}

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "cluster-registry-XXXXXX";
    REQUIRE(::mkdtemp(name.data()));
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

class Registries {
 public:
  // The last member's disk may be a small one.
  explicit Registries(std::size_t last_store_bytes = std::size_t{64} << 30)
      : last_store_bytes_(last_store_bytes) {
    for (std::uint64_t i = 1; i <= 3; ++i) {
      peers_.push_back({NodeId(i), {"127.0.0.1", cluster::test::free_port()}});
    }
    for (std::size_t i = 0; i < 3; ++i) start(i);
    lead(0);
  }
  void start(std::size_t i) {
    RegistryOptions options;
    options.log.directory = folder_ / std::to_string(i + 1);
    options.log.self = peers_[i].id;
    options.log.members = peers_;
    options.log.cluster = ClusterUid(9);
    options.log.election_timeout = 3s;
    options.log.heartbeat_interval = 50ms;
    options.log.request_timeout = 60s;
    options.progress_interval = 100ms;
    if (i == 2) options.log.store_bytes_max = last_store_bytes_;
    auto registry = Registry::open(runtime_, options);
    if (!registry) FAIL(registry.error().message());
    registries_[i].emplace(*std::move(registry));
  }
  void stop(std::size_t i) { registries_[i].reset(); }
  // Makes it the leader now: nobody waits for an election's timeout.
  void lead(std::size_t i) {
    while (!registries_[i]->log().start_writer().get()) {
    }
  }
  Registry& operator[](std::size_t i) { return *registries_[i]; }

  std::string value(std::size_t i, const std::string& key) {
    auto found = get(registries_[i]->get(key));
    return found ? std::string(found->value.view()) : "-";
  }

 private:
  std::size_t last_store_bytes_;
  Folder folder_;
  Runtime runtime_ = Runtime::threads({.security = cluster::Insecure{}});
  std::vector<Peer> peers_;
  std::array<std::optional<Registry>, 3> registries_;
};

// Until `is_so`; false where that takes too long on any machine.
template <class Is>
bool comes_true(Is is_so) {
  auto end = std::chrono::steady_clock::now() + 60s;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);  // poll
  }
  return true;
}

}  // namespace cluster::test
