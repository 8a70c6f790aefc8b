// The allocator alone: two frameworks of equal right share two agents.
#include <cluster/allocator.hpp>

#include <chrono>
#include <cstdio>

int main() {
  cluster::Allocator allocator;
  const cluster::FrameworkId a{"a"}, b{"b"};
  allocator.add_framework(a, "*");
  allocator.add_framework(b, "*");
  for (const char* agent : {"left", "right"}) {
    allocator.add_agent(cluster::AgentId{agent}, *cluster::Resources::parse("cpus:4;mem:1024"));
  }
  auto grants = allocator.allocate(cluster::Time{std::chrono::seconds(1)});
  for (const cluster::Grant& grant : grants) {
    std::printf("%s gets %s on %s\n", grant.framework.value().c_str(),
                grant.resources.to_string().c_str(), grant.agent.value().c_str());
  }
  return allocator.dominant_share(a) == 0.5 && allocator.dominant_share(b) == 0.5 ? 0 : 1;
}
