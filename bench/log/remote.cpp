#include "bench/log/remote.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/log/security.hpp"
#include "cluster/log_client.hpp"
#include "cluster/runtime.hpp"

namespace bench {
namespace {

constexpr int clients_max = 16;

// Each caller appends again when it is answered, on the thread that answers.
class Callers {
 public:
  Callers(const Settings& settings, std::vector<cluster::LogClient>& clients, int callers,
          pid_t leader)
      : clients_(clients),
        payload_(std::string(settings.size, 'x')),
        open_(callers),
        book_(settings.seconds, leader) {
    for (int i = 0; i < callers; ++i) append(static_cast<std::size_t>(i));
  }
  LoadResult wait() {
    for (int left = open_.load(); left != 0; left = open_.load()) open_.wait(left);
    return book_.result();
  }

 private:
  void append(std::size_t caller) {
    auto asked = Clock::now();
    clients_[caller % clients_.size()].append(payload_).then([this, caller, asked](auto at) {
      auto now = Clock::now();
      at ? book_.done(asked, now) : book_.failed();
      if (!book_.is_over(now)) return append(caller);
      if (open_.fetch_sub(1) == 1) open_.notify_all();
    });
  }

  std::vector<cluster::LogClient>& clients_;
  cluster::Bytes payload_;
  std::atomic<int> open_;
  LoadBook book_;  // Only continuations touch it, one at a time.
};

}  // namespace

LoadResult run_remote_load(const Settings& settings, std::uint16_t port, int callers,
                           pid_t leader) {
  cluster::RuntimeOptions options;
  options.security = security_of(settings, "cluster:client:bench");
  options.deliver_on_node_thread = true;
  cluster::Runtime runtime = cluster::Runtime::threads(options);
  std::vector<cluster::LogClient> clients;
  for (int i = 0; i < std::min(callers, clients_max); ++i) {
    cluster::LogClientOptions client;
    client.cluster = cluster::ClusterUid(1);
    client.members = {{"127.0.0.1", port}};
    auto opened = cluster::LogClient::open(runtime, client);
    // Connected before the load begins.
    if (!opened || !opened->catch_up().get()) {
      std::fprintf(stderr, "log_bench: a client found no leader\n");
      std::exit(1);
    }
    clients.push_back(*std::move(opened));
  }
  return Callers(settings, clients, callers, leader).wait();
}

}  // namespace bench
