// Several logs in one program: each an account's history, with a state machine of its own. All of
// them share the program's connections, disk thread and store, and those at rest cost nothing.
//
//   ./many_logs DIRECTORY PORT ACCOUNTS       one process; three with three endpoints in `members`
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>

#include "cluster/log_host.hpp"

struct Account final : cluster::StateMachine {
  long balance = 0;

  void apply(const std::vector<cluster::Entry>& entries) override {
    for (const auto& entry : entries) balance += std::atol(std::string(entry.data.view()).c_str());
  }
  cluster::Result<cluster::SnapshotJob> begin_snapshot() override {
    return cluster::SnapshotJob(
        [text = std::to_string(balance)](cluster::SnapshotWriter& to) { return to.write(text); });
  }
  cluster::Result<void> restore(cluster::SnapshotReader& from) override {
    auto text = from.read(32);
    if (!text) return std::move(text).error();
    balance = std::atol(std::string(text->view()).c_str());
    return {};
  }
};

template <class T>
T must(cluster::Result<T> result) {
  if (result) return *std::move(result);
  std::cerr << result.error().message() << "\n";
  std::exit(1);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto count = static_cast<std::uint64_t>(std::atoi(argv[3]));
  const cluster::Endpoint here{"127.0.0.1", static_cast<std::uint16_t>(std::atoi(argv[2]))};
  auto runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  cluster::LogHostOptions options{.directory = argv[1],
                                  .cluster = cluster::ClusterUid(1),
                                  .self = cluster::NodeId(1),
                                  .listen = here};
  auto host = must(cluster::LogHost::open(runtime, options));
  std::map<std::uint64_t, Account> accounts;
  std::map<std::uint64_t, cluster::Log> logs;
  for (std::uint64_t id = 1; id <= count; ++id) {
    cluster::LogOptions log{.members = {{cluster::NodeId(1), here}}};
    log.state_machine = &accounts[id];
    logs.emplace(id, must(host.open_log(cluster::LogId(id), log)));
    must(logs.at(id).append(cluster::Bytes(std::to_string(id))).get());
    must(logs.at(id).read_barrier().get());
    std::cout << "account " << id << ": " << accounts[id].balance << "\n";
  }
}
