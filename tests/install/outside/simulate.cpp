// The test kit alone: an entry reaches all simulated nodes, one of which dies on the way.
#include <cluster/testing.hpp>

#include <cstdio>
#include <memory>
#include <string>

int main() {
  using namespace cluster;
  testing::Cluster sim({.seed = 5});
  sim.start_all([](testing::Node& node) {
    return std::make_unique<Log>(Log::open(node.runtime(), node.log_options()).value());
  });
  Position at = sim.wait(sim.running<Log>(0)->append(Bytes("hello"))).value();
  sim.restart(1);
  std::size_t found = 0;
  for (std::size_t i = 0; i < sim.size(); ++i) {
    Log& log = *sim.running<Log>(i);
    if (!sim.wait(log.catch_up())) continue;
    auto entries = sim.wait(log.read(at, at.next())).value();
    if (entries.size() == 1 && entries.front().data.view() == "hello") ++found;
  }
  std::printf("hello on %zu nodes\n", found);
  return found == 3 ? 0 : 1;
}
