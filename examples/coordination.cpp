// Copies of this program wait for each other at a barrier, write one after another under a lock,
// read together under a shared one, and count.
// Run:  coordination 1 7001 7002 7003,  coordination 2 7001 7002 7003, ...
#include <cluster/recipes.hpp>
#include <iostream>

int main(int argc, char** argv) {
  cluster::RegistryOptions options;
  options.log.cluster = cluster::ClusterUid(46);
  options.log.self = cluster::NodeId(std::stoul(argv[1]));
  options.log.directory = std::string("coordination.") + argv[1];
  for (int i = 2; i < argc; ++i) {
    cluster::Endpoint endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::stoul(argv[i]))};
    options.log.members.push_back({cluster::NodeId(options.log.members.size() + 1), endpoint});
  }
  options.log.request_timeout = std::chrono::seconds(60);
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  auto registry = cluster::Registry::open(runtime, options);
  if (!registry) return std::cerr << registry.error().message() << "\n", 1;

  // All start together.
  const auto copies = options.log.members.size();
  cluster::Barrier::enter(*registry, "start", copies).get().value();
  std::cout << "started" << std::endl;

  // What a lock protects is read and written by one at a time.
  for (int i = 0; i < 10; ++i) {
    auto lock = cluster::Lock::acquire(*registry, "balance").get().value();
    auto found = registry->get("balance").get().value();
    int balance = found ? std::stoi(std::string(found->value.view())) : 0;
    registry->put("balance", cluster::Bytes(std::to_string(balance + 1))).get().value();
    lock.release().get().value();
  }
  // A number alone needs no lock.
  cluster::Counter(*registry, "done").add(1).get().value();
  cluster::Barrier::enter(*registry, "end", copies).get().value();

  // Any number share it, and nobody writes meanwhile.
  auto shared =
      cluster::Lock::acquire(*registry, "balance", cluster::Lock::Kind::shared).get().value();
  std::cout << "balance " << registry->get("balance").get().value()->value.view() << ", done "
            << cluster::Counter(*registry, "done").get().get().value() << std::endl;
  shared.release().get().value();

  for (std::string line; std::getline(std::cin, line);) {  // Others need this copy's vote.
  }
}
