// Failover, and what an idle log costs.
#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "bench/log/replicas.hpp"
#include "runtime/host.hpp"

namespace bench {
namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

// Appends without end, one at a time, and notes the first that came true in each term. A moment
// after each that did, so that the log does not grow by more than a restart reads at once; at once
// after one that failed.
class Prober {
 public:
  Prober(Replica& replica, ReplicaView& view)
      : host_(replica.host()), log_(replica.log()), view_(view) {
    cluster::runtime::run_on_node(host_, [this] {
      alarm_ = host_.make_alarm([this] { probe(); });
      probe();
    });
  }

 private:
  void probe() {
    log_.append(cluster::Bytes(std::string("probe"))).then([this](auto at) {
      std::uint64_t term = view_.term;
      if (at && term != 0 && term != view_.probed_term) {
        view_.probed_at_ns = now_ns();
        view_.probed_term = term;
      }
      if (at) return alarm_->set(host_.now() + std::chrono::milliseconds(5));
      if (at.error().code != cluster::Errc::closed) probe();
    });
  }

  cluster::runtime::Host& host_;
  cluster::Log& log_;
  ReplicaView& view_;
  std::unique_ptr<cluster::runtime::Alarm> alarm_;
};

using Members = std::array<std::unique_ptr<Child>, replicas>;

// Which replica leads, as itself and a majority see it; `replicas` when none does in time.
std::size_t wait_for_leader(const SharedState& state, const Members& members, bool is_probed) {
  for (auto end = Clock::now() + std::chrono::seconds(20); Clock::now() < end; ::usleep(2000)) {
    for (std::size_t i = 0; i < replicas; ++i) {
      if (!members[i] || !state.views[i].is_leading) continue;
      std::size_t followers = 0;
      for (const ReplicaView& view : state.views) {
        bool is_with_it = view.term == state.views[i].term &&
                          (!is_probed || view.probed_term == state.views[i].term);
        followers += is_with_it ? 1 : 0;
      }
      if (followers == replicas) return i;
    }
  }
  return replicas;
}

struct Trial {
  double commit_ms = -1;  // -1: none came.
  double leader_ms = -1;
};

Trial kill_and_watch(SharedState& state, Members& members, std::size_t leader) {
  std::uint64_t old_term = state.views[leader].term;
  std::int64_t killed_at = now_ns();
  members[leader]->kill();
  Trial trial;
  while (now_ns() - killed_at < 20'000'000'000 && trial.commit_ms < 0) {
    for (std::size_t i = 0; i < replicas; ++i) {
      if (i == leader) continue;
      const ReplicaView& view = state.views[i];
      auto passed = static_cast<double>(now_ns() - killed_at) / 1e6;
      if (trial.leader_ms < 0 && view.is_leading && view.term > old_term) trial.leader_ms = passed;
      if (view.probed_term <= old_term) continue;
      auto at = static_cast<double>(view.probed_at_ns - killed_at) / 1e6;
      if (trial.commit_ms < 0 || at < trial.commit_ms) trial.commit_ms = at;
    }
    ::usleep(200);
  }
  members[leader].reset();
  return trial;
}

}  // namespace

void run_failover(const Settings& settings) {
  auto& state = shared<SharedState>();
  auto ports = free_ports(replicas);
  Members members;
  auto start = [&](std::size_t number) {
    auto& view = *new (&state.views[number]) ReplicaView{};
    members[number] = std::make_unique<Child>([&, number](const std::function<void()>& wait) {
      Replica replica(settings, number, ports, view);
      Prober prober(replica, view);
      wait();
      ::_exit(0);  // The prober has no end.
    });
  };
  for (std::size_t i = 0; i < replicas; ++i) start(i);
  std::vector<double> commits;
  std::vector<double> leads;
  int failed = 0;
  for (int trial = 0; trial < settings.failover; ++trial) {
    std::size_t leader = wait_for_leader(state, members, true);
    if (leader == replicas) {
      std::fprintf(stderr, "log_bench: no leader came; stopped after %d trials\n", trial);
      break;
    }
    // Not in step with the heartbeats.
    ::usleep(static_cast<useconds_t>(700'000 + (trial * 37'123) % 200'000));
    Trial seen = kill_and_watch(state, members, leader);
    if (seen.commit_ms < 0) {
      failed += 1;
    } else {
      commits.push_back(seen.commit_ms);
      if (seen.leader_ms >= 0) leads.push_back(seen.leader_ms);
      if (settings.verbose) std::fprintf(stderr, "failover %.1f ms\n", seen.commit_ms);
    }
    start(leader);
  }
  std::sort(commits.begin(), commits.end());
  auto at = [&](double q) {
    return commits.empty()
               ? 0
               : commits[static_cast<std::size_t>(q * static_cast<double>(commits.size() - 1))];
  };
  std::printf(
      "{\"bench\":\"failover\",\"replicas\":3,\"trials\":%zu,\"failed\":%d,\"median_ms\":%.0f,"
      "\"p90_ms\":%.0f,\"max_ms\":%.0f,\"median_until_led_ms\":%.0f}\n",
      commits.size(), failed, at(0.5), at(0.9), at(1), median(leads));
  std::fflush(stdout);
}

namespace {

std::uint64_t written_bytes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/io");
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

}  // namespace

void run_idle(const Settings& settings) {
  auto& state = shared<SharedState>();
  auto ports = free_ports(replicas);
  Members members;
  for (std::size_t i = 0; i < replicas; ++i) {
    members[i] = std::make_unique<Child>([&, i](const std::function<void()>& wait) {
      Replica replica(settings, i, ports, state.views[i]);
      wait();
    });
  }
  std::size_t leader = wait_for_leader(state, members, false);
  ::usleep(1'000'000);
  std::array<double, replicas> cpu;
  std::array<std::uint64_t, replicas> written;
  for (std::size_t i = 0; i < replicas; ++i) {
    cpu[i] = processor_micros(members[i]->id());
    written[i] = written_bytes(members[i]->id());
  }
  std::this_thread::sleep_for(seconds(settings.idle));
  double most = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < replicas; ++i) {
    cpu[i] = (processor_micros(members[i]->id()) - cpu[i]) / (settings.idle * 1e4);
    most = std::max(most, cpu[i]);
    bytes += written_bytes(members[i]->id()) - written[i];
  }
  std::printf(
      "{\"bench\":\"idle\",\"replicas\":3,\"seconds\":%.0f,\"cpu_percent_of_all\":%.3f,"
      "\"cpu_percent_of_most\":%.3f,\"cpu_percent_of_leader\":%.3f,\"bytes_written\":%llu}\n",
      settings.idle, cpu[0] + cpu[1] + cpu[2], most, leader < replicas ? cpu[leader] : -1.0,
      static_cast<unsigned long long>(bytes));
  std::fflush(stdout);
}

}  // namespace bench
