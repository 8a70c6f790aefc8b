// Three copies of this program elect a leader among themselves; when it is gone, another leads.
// Run:  elect 1 7001 7002 7003,  elect 2 7001 7002 7003,  elect 3 7001 7002 7003
#include <cluster/recipes.hpp>
#include <iostream>

int main(int argc, char** argv) {
  cluster::RegistryOptions options;
  options.log.cluster = cluster::ClusterUid(43);  // The same in every copy.
  options.log.self = cluster::NodeId(std::stoul(argv[1]));
  options.log.directory = std::string("elect.") + argv[1];
  for (int i = 2; i < argc; ++i) {
    cluster::Endpoint endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::stoul(argv[i]))};
    options.log.members.push_back({cluster::NodeId(options.log.members.size() + 1), endpoint});
  }
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  auto registry = cluster::Registry::open(runtime, options);
  if (!registry) return std::cerr << registry.error().message() << "\n", 1;

  for (;;) {
    auto leading = cluster::Election::win(*registry, "example", cluster::Bytes(argv[1]),
                                          {.ttl = std::chrono::seconds(3)})
                       .get();
    if (!leading && leading.error().code == cluster::Errc::storage) return 1;
    if (!leading) continue;  // No majority is up yet.
    // What it does as the leader goes along with the token: it grows from leader to leader.
    std::cout << argv[1] << " leads by token " << leading->token().value() << std::endl;
    (void)leading->lost().get();
    std::cout << argv[1] << " leads no more" << std::endl;
  }
}
