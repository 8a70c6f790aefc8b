// Many logs in one process: what idle ones cost, what all of them append together, and how long
// they are without a leader when the process that leads them is killed.
//
//   group_bench [--mode idle,appends,failover] [--logs 1,16,256] [--idle-logs 1000] [--callers 256]
//               [--size 128] [--seconds 3] [--dir DIR] [--verbose]
//
// Three processes over loopback with real syncs. One JSON line per figure. `appends`: so many
// callers in the leader's process, spread over so many logs, beside one `Log` of its own with as
// many callers and the limits of the machine. `idle`: processor time of each process while all logs
// rest, and memory for each log. `failover`: all logs are led by the process that is killed;
// told is when so many of them have taken an append again, as callers in another process see it.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bench/log/limits.hpp"
#include "bench/log/processes.hpp"
#include "bench/log/replicas.hpp"
#include "cluster/log_host.hpp"

namespace {

using namespace std::chrono_literals;
using bench::Child;
using bench::Clock;
using cluster::LogId;

struct Options {
  bench::Settings log;
  std::vector<std::string> modes = {"idle", "appends", "failover"};
  std::vector<int> logs = {1, 16, 256};
  int idle_logs = 1000;
  int callers = 256;
};

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "group_bench: %s; the head of group_bench.cpp lists the options\n",
               why.c_str());
  std::exit(2);
}

template <class T>
T must(cluster::Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "group_bench: %s\n", result.error().message().c_str());
  std::exit(1);
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

double resident_kb() {
  std::ifstream file("/proc/self/statm");
  long pages = 0, resident = 0;
  file >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
}

class StderrSink final : public cluster::LogSink {
 public:
  void write(const cluster::LogLine& line) override {
    std::fprintf(stderr, "[%d] %s\n", static_cast<int>(::getpid()), cluster::to_text(line).c_str());
  }
};

// One of the three processes.
class Member {
 public:
  Member(const Options& options, std::size_t number, const std::vector<std::uint16_t>& ports,
         int logs)
      : runtime_(make_runtime(options, sink_)) {
    cluster::LogHostOptions host;
    host.directory = options.log.directory + "/host" + std::to_string(number + 1);
    host.cluster = cluster::ClusterUid(1);
    host.self = cluster::NodeId(number + 1);
    host.listen = {"127.0.0.1", ports[number]};
    host_.emplace(must(cluster::LogHost::open(runtime_, host)));
    kb_before_ = resident_kb();
    cluster::LogOptions log;
    for (std::size_t i = 0; i < ports.size(); ++i) {
      log.members.push_back({cluster::NodeId(i + 1), {"127.0.0.1", ports[i]}});
    }
    log.request_timeout = 60s;
    for (int i = 1; i <= logs; ++i) {
      logs_.push_back(std::make_unique<cluster::Log>(
          must(host_->open_log(LogId(static_cast<std::uint64_t>(i)), log))));
    }
  }

  std::vector<std::unique_ptr<cluster::Log>>& logs() { return logs_; }
  double kb_before() const { return kb_before_; }

  void lead_all() {
    std::vector<cluster::Op<cluster::Log::Writer>> writers;
    for (auto& log : logs_) writers.push_back(log->start_writer());
    for (std::size_t i = 0; i < writers.size(); ++i) {
      auto writer = writers[i].get();
      while (!writer) writer = logs_[i]->start_writer().get();
    }
  }

  std::size_t resting() {
    std::size_t count = 0;
    for (auto& log : logs_) {
      for (const cluster::Metric& metric : log->metrics()) {
        if (metric.name == "cluster_log_resting" && metric.value == 1) count += 1;
      }
    }
    return count;
  }
  void wait_for_rest() {
    while (resting() < logs_.size()) std::this_thread::sleep_for(500ms);
  }

 private:
  static cluster::Runtime make_runtime(const Options& options, StderrSink& sink) {
    cluster::RuntimeOptions runtime;
    runtime.security = cluster::Insecure{};
    runtime.deliver_on_node_thread = true;
    if (options.log.verbose) runtime.log_sink = &sink;
    return cluster::Runtime::threads(runtime);
  }

  StderrSink sink_;
  cluster::Runtime runtime_;
  std::optional<cluster::LogHost> host_;
  std::vector<std::unique_ptr<cluster::Log>> logs_;
  double kb_before_ = 0;
};

void remove_hosts(const Options& options) {
  for (int number : {1, 2, 3}) {
    std::filesystem::remove_all(options.log.directory + "/host" + std::to_string(number));
  }
}

// Closed loops, spread over the logs. Continuations run on one thread.
class Load {
 public:
  Load(const Options& options, std::vector<std::unique_ptr<cluster::Log>>& logs)
      : payload_(std::string(options.log.size, 'x')),
        open_(options.callers),
        book_(options.log.seconds, ::getpid()) {
    for (int i = 0; i < options.callers; ++i) {
      append(*logs[static_cast<std::size_t>(i) % logs.size()]);
    }
  }
  bench::LoadResult wait() {
    for (int left = open_.load(); left != 0; left = open_.load()) open_.wait(left);
    return book_.result();
  }

 private:
  void append(cluster::Log& log) {
    auto asked = Clock::now();
    log.append(payload_).then([this, &log, asked](cluster::Result<cluster::Position> at) {
      auto now = Clock::now();
      at ? book_.done(asked, now) : book_.failed();
      if (!book_.is_over(now)) return append(log);
      if (open_.fetch_sub(1) == 1) open_.notify_all();
    });
  }

  cluster::Bytes payload_;
  std::atomic<int> open_;
  bench::LoadBook book_;
};

void run_appends(const Options& options) {
  bench::Limits limits = measure_limits(options.log);
  bench::Settings alone = options.log;
  alone.callers = {options.callers};
  for (int logs : options.logs) {
    auto& results = bench::shared<bench::RunResults>();
    auto ports = bench::free_ports(3);
    auto follower = [&](std::size_t number) {
      return [&, number](const std::function<void()>& wait_for_end) {
        Member member(options, number, ports, logs);
        wait_for_end();
      };
    };
    {
      Child second(follower(1));
      Child third(follower(2));
      Child leader([&](const std::function<void()>&) {
        Member member(options, 0, ports, logs);
        member.lead_all();
        results.loads[0] = Load(options, member.logs()).wait();
      });
      if (!leader.wait(120 + options.log.seconds)) {
        std::fprintf(stderr, "group_bench: the leader did not end well\n");
      }
      second.finish();
      third.finish();
    }
    remove_hosts(options);
    bench::LoadResult one = bench::run_log(alone).front();
    const bench::LoadResult& many = results.loads[0];
    std::printf(
        "{\"bench\":\"many_logs\",\"replicas\":3,\"logs\":%d,\"callers\":%d,\"bytes\":%zu,"
        "\"ops_per_s\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"leader_cpu_us_per_op\":%.2f,"
        "\"failed\":%llu,\"of_one_log\":%.2f,\"one_log_ops_per_s\":%.0f,\"limit\":%s}\n",
        logs, options.callers, options.log.size, ops_per_s(many), many.p50_us, many.p99_us,
        many.count > 0 ? many.leader_cpu_us / static_cast<double>(many.count) : 0,
        static_cast<unsigned long long>(many.failed),
        ops_per_s(one) > 0 ? ops_per_s(many) / ops_per_s(one) : 0, ops_per_s(one),
        to_json(limits).c_str());
    std::fflush(stdout);
  }
}

struct IdleState {
  std::array<std::atomic<bool>, 3> rests;
  std::array<std::atomic<double>, 3> kb_per_log;
};

void run_idle(const Options& options) {
  auto& state = bench::shared<IdleState>();
  auto ports = bench::free_ports(3);
  std::array<std::unique_ptr<Child>, 3> members;
  auto begun = Clock::now();
  for (std::size_t i = 0; i < 3; ++i) {
    members[i] = std::make_unique<Child>([&, i](const std::function<void()>& wait) {
      Member member(options, i, ports, options.idle_logs);
      member.wait_for_rest();
      state.kb_per_log[i] = (resident_kb() - member.kb_before()) / options.idle_logs;
      state.rests[i] = true;
      wait();
    });
  }
  bool all_rest = false;
  while (!all_rest && Clock::now() - begun < 180s) {
    std::this_thread::sleep_for(100ms);
    all_rest = state.rests[0] && state.rests[1] && state.rests[2];
  }
  double until_rest = bench::micros(Clock::now() - begun) / 1e6;
  std::this_thread::sleep_for(1s);
  std::array<double, 3> cpu;
  for (std::size_t i = 0; i < 3; ++i) cpu[i] = bench::processor_micros(members[i]->id());
  double length = std::max(options.log.seconds, 10.0);
  std::this_thread::sleep_for(bench::seconds(length));
  double most = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    cpu[i] = (bench::processor_micros(members[i]->id()) - cpu[i]) / (length * 1e4);
    most = std::max(most, cpu[i]);
  }
  std::printf(
      "{\"bench\":\"idle_logs\",\"replicas\":3,\"logs\":%d,\"all_rest\":%s,\"seconds\":%.0f,"
      "\"cpu_percent_of_most\":%.3f,\"cpu_percent_of_all\":%.3f,\"kb_per_log\":%.1f,"
      "\"seconds_until_rest\":%.1f}\n",
      options.idle_logs, all_rest ? "true" : "false", length, most, cpu[0] + cpu[1] + cpu[2],
      state.kb_per_log[0].load(), until_rest);
  std::fflush(stdout);
  for (auto& member : members) member->finish();
  remove_hosts(options);
}

struct FailoverState {
  std::atomic<bool> leads;
  std::array<std::atomic<bool>, 3> rests;
  std::atomic<std::int64_t> killed_at;
  std::atomic<int> done;
  std::array<std::atomic<std::int64_t>, 1 << 16> done_at;
};

void run_failover(const Options& options) {
  auto& state = bench::shared<FailoverState>();
  auto ports = bench::free_ports(3);
  auto body = [&](std::size_t number) {
    return [&, number](const std::function<void()>& wait) {
      Member member(options, number, ports, options.idle_logs);
      if (number == 0) member.lead_all();
      if (number == 0) state.leads = true;
      while (!state.leads) std::this_thread::sleep_for(50ms);
      member.wait_for_rest();
      state.rests[number] = true;
      if (number == 1) {
        while (state.killed_at == 0) std::this_thread::sleep_for(1ms);
        std::function<void(cluster::Log&)> probe = [&](cluster::Log& log) {
          log.append(cluster::Bytes(std::string("probe"))).then([&](auto at) {
            if (!at) return probe(log);
            state.done_at[static_cast<std::size_t>(state.done)] = now_ns();
            state.done += 1;
          });
        };
        for (auto& log : member.logs()) probe(*log);
      }
      wait();
      ::_exit(0);  // A probe may have no end.
    };
  };
  std::array<std::unique_ptr<Child>, 3> members;
  for (std::size_t i = 0; i < 3; ++i) members[i] = std::make_unique<Child>(body(i));
  auto begun = Clock::now();
  auto all_rest = [&] { return state.rests[0] && state.rests[1] && state.rests[2]; };
  while (!all_rest() && Clock::now() - begun < 180s) std::this_thread::sleep_for(50ms);
  std::this_thread::sleep_for(1s);
  std::int64_t killed_at = now_ns();
  members[0]->kill();
  state.killed_at = killed_at;
  auto killed = Clock::now();
  while (state.done < options.idle_logs && Clock::now() - killed < 60s) {
    std::this_thread::sleep_for(5ms);
  }
  auto after_ms = [&](double part) {
    auto nth = static_cast<std::size_t>(part * (options.idle_logs - 1));
    if (static_cast<int>(nth) >= state.done) return -1.0;
    return static_cast<double>(state.done_at[nth] - killed_at) / 1e6;
  };
  std::printf(
      "{\"bench\":\"failover_of_logs\",\"replicas\":3,\"logs\":%d,\"rested\":%s,\"recovered\":%d,"
      "\"first_ms\":%.0f,\"median_ms\":%.0f,\"p99_ms\":%.0f,\"last_ms\":%.0f}\n",
      options.idle_logs, all_rest() ? "true" : "false", state.done.load(), after_ms(0),
      after_ms(0.5), after_ms(0.99), after_ms(1));
  std::fflush(stdout);
  for (auto& member : members) member.reset();
  remove_hosts(options);
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= text.size();) {
    std::size_t comma = std::min(text.find(',', at), text.size());
    words.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return words;
}

Options read_options(int argc, char** argv) {
  Options options;
  std::string directory = "/tmp";
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--verbose") {
      options.log.verbose = true;
      continue;
    }
    if (i + 1 == argc) refuse("no value for " + flag);
    std::string value = argv[++i];
    if (flag == "--mode") {
      options.modes = words_of(value);
    } else if (flag == "--logs") {
      options.logs.clear();
      for (const std::string& word : words_of(value)) options.logs.push_back(std::stoi(word));
    } else if (flag == "--idle-logs") {
      options.idle_logs = std::stoi(value);
    } else if (flag == "--callers") {
      options.callers = std::stoi(value);
    } else if (flag == "--size") {
      options.log.size = std::stoul(value);
    } else if (flag == "--seconds") {
      options.log.seconds = std::stod(value);
    } else if (flag == "--dir") {
      directory = value;
    } else {
      refuse("unknown: " + flag);
    }
  }
  if (options.idle_logs < 1 || options.idle_logs > 1 << 16) refuse("--idle-logs is 1 to 65536");
  options.log.directory = directory + "/group_bench." + std::to_string(::getpid());
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  Options options = read_options(argc, argv);
  std::filesystem::create_directories(options.log.directory);
  bench::clean_up_on_signals(options.log.directory);
  for (const std::string& mode : options.modes) {
    if (mode == "idle") {
      run_idle(options);
    } else if (mode == "appends") {
      run_appends(options);
    } else if (mode == "failover") {
      run_failover(options);
    } else {
      refuse("no such mode: " + mode);
    }
  }
  std::filesystem::remove_all(options.log.directory);
}
