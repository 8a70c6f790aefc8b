// A replicated counter: copies of this program agree on a number, and snapshots keep the log short.
// Run three:  counter 1 7001 7002 7003,  counter 2 7001 ...; type a number to add it, "?" to read.
#include <cluster/log.hpp>
#include <iostream>

struct Counter final : cluster::StateMachine {
  std::atomic<long> value = 0;
  void apply(const std::vector<cluster::Entry>& entries) override {
    for (auto& entry : entries) value += std::stol(std::string(entry.data.view()));
  }
  cluster::Result<cluster::SnapshotJob> begin_snapshot() override {
    return cluster::SnapshotJob([now = value.load()](cluster::SnapshotWriter& to) {
      return to.write(std::to_string(now));
    });
  }
  cluster::Result<void> restore(cluster::SnapshotReader& from) override {
    auto bytes = from.read(32);
    if (bytes) value = std::stol(std::string(bytes->view()));
    return bytes ? cluster::Result<void>{} : std::move(bytes).error();
  }
};

int main(int argc, char** argv) {
  Counter counter;
  cluster::LogOptions options{.directory = std::string("counter.") + argv[1],
                              .cluster = cluster::ClusterUid(43),
                              .self = cluster::NodeId(std::stoul(argv[1]))};
  for (int i = 2; i < argc; ++i)
    options.members.push_back({cluster::NodeId(static_cast<std::uint64_t>(i - 1)),
                               {"127.0.0.1", static_cast<std::uint16_t>(std::stoul(argv[i]))}});
  options.state_machine = &counter;
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  auto log = cluster::Log::open(runtime, options).value();  // Throws where it can't.
  for (std::string line; std::getline(std::cin, line);) {
    auto done = line == "?" ? log.read_barrier().get()  // All that was added anywhere is in it.
                            : log.append(cluster::Bytes(std::move(line))).get();
    std::cout << (done ? std::to_string(counter.value) : done.error().message()) << std::endl;
  }
}
