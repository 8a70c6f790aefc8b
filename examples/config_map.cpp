// A configuration that all copies of a program share, and reload as it changes. Each copy prints
// what it is told; "KEY VALUE" typed into any of them changes it for all.
// Run:  config_map 1 7001 7002 7003,  config_map 2 7001 7002 7003, ...
#include <cluster/recipes.hpp>
#include <iostream>
#include <sstream>

int main(int argc, char** argv) {
  cluster::RegistryOptions options;
  options.log.cluster = cluster::ClusterUid(44);
  options.log.self = cluster::NodeId(std::stoul(argv[1]));
  options.log.directory = std::string("config_map.") + argv[1];
  for (int i = 2; i < argc; ++i) {
    cluster::Endpoint endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::stoul(argv[i]))};
    options.log.members.push_back({cluster::NodeId(options.log.members.size() + 1), endpoint});
  }
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  auto registry = cluster::Registry::open(runtime, options);
  if (!registry) return std::cerr << registry.error().message() << "\n", 1;

  // Called with all of it, first as it is and then after each change.
  auto reload = [](const cluster::ConfigMap::Values& values) {
    std::string line = "config:";
    for (const auto& [key, value] : values) line += " " + key + "=" + std::string(value.view());
    std::cout << line << std::endl;
  };
  auto config = cluster::ConfigMap::open(*registry, "example", reload).get();
  if (!config) return std::cerr << config.error().message() << "\n", 1;

  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string key, value;
    words >> key >> value;
    auto done = config->set(key, cluster::Bytes(std::move(value))).get();
    if (!done) std::cerr << done.error().message() << "\n";
  }
}
