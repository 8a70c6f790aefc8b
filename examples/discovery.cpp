// Copies of this program announce themselves as "web" and know of each other: one that dies is
// gone from the list when its lease has ended, one that ends in good order at once.
// Run:  discovery 1 7001 7002 7003,  discovery 2 7001 7002 7003, ...
#include <cluster/recipes.hpp>
#include <iostream>

int main(int argc, char** argv) {
  cluster::RegistryOptions options;
  options.log.cluster = cluster::ClusterUid(45);
  options.log.self = cluster::NodeId(std::stoul(argv[1]));
  options.log.directory = std::string("discovery.") + argv[1];
  for (int i = 2; i < argc; ++i) {
    cluster::Endpoint endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::stoul(argv[i]))};
    options.log.members.push_back({cluster::NodeId(options.log.members.size() + 1), endpoint});
  }
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  auto registry = cluster::Registry::open(runtime, options);
  if (!registry) return std::cerr << registry.error().message() << "\n", 1;

  auto list = [](const cluster::Services::Values& members) {
    std::string line = "serving:";
    for (const auto& [name, about] : members) line += " " + name + "@" + std::string(about.view());
    std::cout << line << std::endl;
  };
  auto services = cluster::Services::watch(*registry, "web", list).get();
  if (!services) return std::cerr << services.error().message() << "\n", 1;
  std::string address = "host-" + std::string(argv[1]) + ":80";
  auto entry =
      cluster::ServiceEntry::announce(*registry, "web", argv[1], cluster::Bytes(std::move(address)),
                                      {.ttl = std::chrono::seconds(3)})
          .get();
  if (!entry) return std::cerr << entry.error().message() << "\n", 1;

  for (std::string line; std::getline(std::cin, line);) {  // Until the input ends.
  }
}
