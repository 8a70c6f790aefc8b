// Real runtimes on loopback, with directories that go in the end.
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/check.hpp"
#include "cluster/testing.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace cluster::testing {

struct LocalCluster::Impl {
  std::string directory;
  std::vector<std::unique_ptr<Runtime>> runtimes;
  std::map<std::string, std::vector<Endpoint>> endpoints;  // By log.

  // Held together, so that they differ, and let go: others may take one before it is used.
  const std::vector<Endpoint>& endpoints_of(const std::string& name) {
    auto [at, is_new] = endpoints.try_emplace(name);
    if (!is_new) return at->second;
    runtime::Host& host = runtimes.front()->host();
    runtime::run_on_node(host, [&, found = &at->second] {
      std::vector<runtime::ListenerId> held;
      for (std::size_t i = 0; i < runtimes.size(); ++i) {
        auto listener = host.transport().listen({"127.0.0.1", 0});
        CLUSTER_CHECK(listener.has_value(), "loopback has a free port");
        found->push_back(host.transport().endpoint(*listener));
        held.push_back(*listener);
      }
      for (runtime::ListenerId listener : held) host.transport().stop_listening(listener);
    });
    return at->second;
  }
};

LocalCluster::LocalCluster(std::size_t nodes) : impl_(std::make_unique<Impl>()) {
  CLUSTER_CHECK(nodes > 0, "a cluster has nodes");
  std::string path = (std::filesystem::temp_directory_path() / "cluster_XXXXXX").string();
  CLUSTER_CHECK(::mkdtemp(path.data()) != nullptr, "a temporary directory can be made", path);
  impl_->directory = path;
  for (std::size_t i = 0; i < nodes; ++i) {
    impl_->runtimes.push_back(
        std::make_unique<Runtime>(Runtime::threads({.security = Insecure{}})));
  }
}

LocalCluster::~LocalCluster() {
  const bool is_forked = impl_->runtimes.front()->host().is_forked();
  impl_->runtimes.clear();
  if (is_forked) return;  // The directories are the parent's.
  std::error_code ignored;
  std::filesystem::remove_all(impl_->directory, ignored);
}

std::size_t LocalCluster::size() const { return impl_->runtimes.size(); }
Runtime& LocalCluster::runtime(std::size_t i) { return *impl_->runtimes.at(i); }

std::string LocalCluster::directory(std::size_t i) const {
  return impl_->directory + "/node-" + std::to_string(i);
}

LogOptions LocalCluster::log_options(std::size_t i, const std::string& name) {
  const std::vector<Endpoint>& endpoints = impl_->endpoints_of(name);
  LogOptions options;
  options.directory = directory(i) + "/" + name;
  options.cluster = ClusterUid(7);
  options.self = NodeId(i + 1);
  for (std::size_t k = 0; k < size(); ++k) options.members.push_back({NodeId(k + 1), endpoints[k]});
  return options;
}

}  // namespace cluster::testing
