#include "bench/log/replicas.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "bench/log/remote.hpp"
#include "bench/log/security.hpp"
#include "bench/log/stores.hpp"
#include "replog/open.hpp"

namespace bench {
namespace {

class StderrSink final : public cluster::LogSink {
 public:
  void write(const cluster::LogLine& line) override {
    std::lock_guard lock(mutex_);
    std::fprintf(stderr, "[%d] %s\n", static_cast<int>(::getpid()), cluster::to_text(line).c_str());
  }

 private:
  std::mutex mutex_;
};

template <class T>
T must(cluster::Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "log_bench: %s\n", result.error().message().c_str());
  std::exit(1);
}

cluster::LogOptions log_options(const Settings& settings, std::size_t number,
                                const std::vector<std::uint16_t>& ports) {
  cluster::LogOptions options;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    options.members.push_back({cluster::NodeId(i + 1), {"127.0.0.1", ports[i]}});
  }
  options.directory = settings.directory + "/log" + std::to_string(number + 1);
  options.self = cluster::NodeId(number + 1);
  options.cluster = cluster::ClusterUid(1);
  options.serve_clients = settings.remote;
  options.entry_size_max = 16u << 20;
  return options;
}

}  // namespace

Replica::Replica(const Settings& settings, std::size_t number,
                 const std::vector<std::uint16_t>& ports, ReplicaView& view) {
  cluster::RuntimeOptions runtime;
  runtime.security = security_of(settings, "cluster:member:" + std::to_string(number + 1));
  runtime.deliver_on_node_thread = true;
  if (settings.verbose) sink_ = std::make_unique<StderrSink>();
  runtime.log_sink = sink_.get();
  runtime_ = std::make_unique<cluster::Runtime>(cluster::Runtime::threads(runtime));
  auto options = log_options(settings, number, ports);
  cluster::runtime::ListenerId listener;
  cluster::runtime::run_on_node(host(), [&] {
    listener = must(host().transport().listen({"127.0.0.1", ports[number]}));
  });
  if (settings.store == "lmdb") options.store = cluster::StoreKind::lmdb;
  auto store = open_bench_store(settings.store, options);
  auto log = store ? cluster::replog::open_on_store(host(), listener, options, std::move(store))
                   : cluster::replog::open_on(host(), listener, options);
  log_ = std::make_unique<cluster::Log>(must(std::move(log)));
  log_->watch_leadership([&view](const cluster::Leadership& leadership) {
    view.leader = leadership.leader.value();
    view.is_leading = leadership.is_self;
    view.term = leadership.term;
  });
}

void Replica::lead() { must(log_->start_writer().get()); }

void Replica::tell_groups(std::size_t number) {
  double groups = 0, changes = 0;
  for (const cluster::Metric& metric : log_->metrics()) {
    if (metric.name == "cluster_log_groups_total") groups = metric.value;
    if (metric.name == "cluster_log_changes_total") changes = metric.value;
  }
  std::fprintf(stderr, "replica %zu: %.0f groups of %.1f changes\n", number + 1, groups,
               groups > 0 ? changes / groups : 0);
}

namespace {

// Callers in this process: each appends again when it is answered, on the thread that answers.
class Load {
 public:
  Load(const Settings& settings, cluster::Log& log, int callers)
      : log_(log),
        payload_(std::string(settings.size, 'x')),
        open_(callers),
        book_(settings.seconds, ::getpid()) {
    for (int i = 0; i < callers; ++i) append();
  }
  LoadResult wait() {
    for (int left = open_.load(); left != 0; left = open_.load()) open_.wait(left);
    return book_.result();
  }

 private:
  void append() {
    auto asked = Clock::now();
    log_.append(payload_).then([this, asked](cluster::Result<cluster::Position> at) {
      auto now = Clock::now();
      if (at) {
        book_.done(asked, now);
      } else {
        book_.failed();
      }
      if (!book_.is_over(now)) return append();
      if (open_.fetch_sub(1) == 1) open_.notify_all();
    });
  }

  cluster::Log& log_;
  cluster::Bytes payload_;
  std::atomic<int> open_;
  LoadBook book_;  // Only continuations touch it, one at a time.
};

}  // namespace

std::vector<LoadResult> run_log(const Settings& settings) {
  auto& state = shared<SharedState>();
  auto ports = free_ports(replicas);
  auto follower = [&](std::size_t number) {
    return [&, number](const std::function<void()>& wait_for_end) {
      Replica replica(settings, number, ports, state.views[number]);
      wait_for_end();
      if (settings.verbose) replica.tell_groups(number);
    };
  };
  Child second(follower(1));
  Child third(follower(2));
  Child leader([&](const std::function<void()>& wait_for_end) {
    Replica replica(settings, 0, ports, state.views[0]);
    replica.lead();
    if (settings.remote) return wait_for_end();
    for (std::size_t i = 0; i < settings.callers.size(); ++i) {
      state.results.loads[i] = Load(settings, replica.log(), settings.callers[i]).wait();
      if (settings.verbose) replica.tell_groups(0);
    }
  });
  double patience = 40 + settings.seconds * 2 * static_cast<double>(settings.callers.size());
  if (settings.remote) {
    Child callers([&](const std::function<void()>&) {
      while (!state.views[0].is_leading) ::usleep(1000);
      for (std::size_t i = 0; i < settings.callers.size(); ++i) {
        state.results.loads[i] =
            run_remote_load(settings, ports[0], settings.callers[i], leader.id());
      }
    });
    if (!callers.wait(patience)) std::fprintf(stderr, "log_bench: the callers did not end well\n");
    leader.finish();
  } else if (!leader.wait(patience)) {
    std::fprintf(stderr, "log_bench: the leader did not end well\n");
  }
  second.finish();
  third.finish();
  for (int number : {1, 2, 3}) {
    std::filesystem::remove_all(settings.directory + "/log" + std::to_string(number));
  }
  const auto& loads = state.results.loads;
  return {loads.begin(), loads.begin() + static_cast<long>(settings.callers.size())};
}

}  // namespace bench
