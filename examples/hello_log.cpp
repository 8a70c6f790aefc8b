// Copies of this program agree on one history: a line typed into any of them appears in all, in the
// same order, on disk. Run three:  hello_log 1 7001 7002 7003,  hello_log 2 7001 7002 7003, ...
#include <cluster/log.hpp>
#include <iostream>

int main(int argc, char** argv) {
  cluster::LogOptions options;
  options.cluster = cluster::ClusterUid(42);  // The same in every copy.
  options.self = cluster::NodeId(std::stoul(argv[1]));
  options.directory = std::string("hello_log.") + argv[1];
  for (int i = 2; i < argc; ++i) {
    cluster::Endpoint endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::stoul(argv[i]))};
    options.members.push_back({cluster::NodeId(options.members.size() + 1), endpoint});
  }

  // All on this machine, so plain text may do; elsewhere it is cluster::Tls with certificates.
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  auto log = cluster::Log::open(runtime, options);
  if (!log) return std::cerr << log.error().message() << "\n", 1;
  log->follow(cluster::Position(1), [](const std::vector<cluster::Entry>& entries) {
    for (auto& entry : entries) std::cout << entry.data.view() << std::endl;
  });

  for (std::string line; std::getline(std::cin, line);) {
    auto position = log->append(cluster::Bytes(std::move(line))).get();  // On a majority's disks.
    if (!position) std::cerr << position.error().message() << "\n";
  }
}
