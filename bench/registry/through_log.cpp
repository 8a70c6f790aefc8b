#include "bench/registry/through_log.hpp"

#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cluster/key_registry.hpp"

using namespace cluster;

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t members = 3;
constexpr std::size_t value_bytes = 128;
// Of a put's entry beside its value: key, request, kind.
constexpr std::size_t put_overhead = 48;

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "registry_bench: %s\n", result.error().message().c_str());
  std::exit(1);
}

std::string key_of(std::uint64_t i) {
  char text[40];
  std::snprintf(text, sizeof text, "services/tasks/%010llu", static_cast<unsigned long long>(i));
  return text;
}

// Ports that were free a moment ago; held together, so that they differ.
std::vector<std::uint16_t> free_ports() {
  std::vector<int> sockets;
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < members; ++i) {
    int one = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(one, reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(one, reinterpret_cast<sockaddr*>(&address), &size);
    ports.push_back(ntohs(address.sin_port));
    sockets.push_back(one);
  }
  for (int one : sockets) ::close(one);
  return ports;
}

LogOptions log_options(const std::string& directory, std::size_t number,
                       const std::vector<std::uint16_t>& ports) {
  LogOptions options;
  for (std::size_t i = 0; i < members; ++i) {
    options.members.push_back({NodeId(i + 1), {"127.0.0.1", ports[i]}});
  }
  options.directory = directory + "/" + std::to_string(number + 1);
  options.self = NodeId(number + 1);
  options.cluster = ClusterUid(1);
  options.request_timeout = std::chrono::seconds(60);
  options.election_timeout = std::chrono::seconds(2);
  return options;
}

// Latencies, by whatever thread answers.
class Times {
 public:
  void add(Clock::duration time) {
    std::lock_guard lock(mutex_);
    all_.push_back(std::chrono::duration<double, std::micro>(time).count());
  }
  std::size_t count() const { return all_.size(); }
  double quantile(double q) {
    if (all_.empty()) return 0;
    auto at = all_.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(all_.size() - 1));
    std::nth_element(all_.begin(), at, all_.end());
    return *at;
  }

 private:
  std::mutex mutex_;
  std::vector<double> all_;
};

struct Loaded {
  double rate = 0;
  double p50_us = 0;
  double p99_us = 0;
};

// So many callers, each of which calls again when it is answered. `call(caller, answered)`.
using Call = std::function<void(std::size_t caller, std::function<void(bool)> answered)>;

class Load {
 public:
  Load(double seconds, std::size_t callers, Call call)
      : call_(std::move(call)),
        begin_(Clock::now() + std::chrono::milliseconds(300)),
        end_(begin_ +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))),
        open_(callers) {
    for (std::size_t i = 0; i < callers; ++i) next(i);
  }
  Loaded wait() {
    for (std::size_t left = open_.load(); left != 0; left = open_.load()) open_.wait(left);
    const double span = std::chrono::duration<double>(end_ - begin_).count();
    return {static_cast<double>(times_.count()) / span, times_.quantile(0.5),
            times_.quantile(0.99)};
  }

 private:
  void next(std::size_t caller) {
    const auto asked = Clock::now();
    call_(caller, [this, caller, asked](bool is_good) {
      const auto now = Clock::now();
      if (is_good && now >= begin_ && now < end_) times_.add(now - asked);
      if (now < end_) return next(caller);
      if (open_.fetch_sub(1) == 1) open_.notify_all();
    });
  }

  Call call_;
  Clock::time_point begin_, end_;
  std::atomic<std::size_t> open_;
  Times times_;
};

Runtime make_runtime() {
  RuntimeOptions options;
  options.security = Insecure{};
  options.deliver_on_node_thread = true;
  return Runtime::threads(std::move(options));
}

Loaded bare_appends(const RegistrySettings& settings, std::size_t callers) {
  const std::string directory = settings.directory + "/bare";
  const auto ports = free_ports();
  std::array<Runtime, members> runtimes{make_runtime(), make_runtime(), make_runtime()};
  std::vector<Log> logs;
  for (std::size_t i = 0; i < members; ++i) {
    logs.push_back(must(Log::open(runtimes[i], log_options(directory, i, ports))));
  }
  must(logs[0].start_writer().get());
  const Bytes entry(std::string(value_bytes + put_overhead, 'x'));
  Load load(settings.seconds, callers, [&](std::size_t, auto answered) {
    logs[0].append(entry).then(
        [answered](const Result<Position>& at) { answered(at.has_value()); });
  });
  return load.wait();
}

class Bench {
 public:
  explicit Bench(const RegistrySettings& settings) : settings_(settings) {
    const auto ports = free_ports();
    for (std::size_t i = 0; i < members; ++i) {
      RegistryOptions options;
      options.log = log_options(settings.directory + "/keys", i, ports);
      registries_.push_back(must(Registry::open(runtimes_[i], std::move(options))));
    }
    must(registries_[0].log().start_writer().get());
  }

  Loaded puts(std::size_t callers) {
    const Bytes value(std::string(value_bytes, 'v'));
    std::vector<std::uint64_t> count(callers);
    Load load(settings_.seconds, callers, [&](std::size_t caller, auto answered) {
      registries_[0]
          .put(key_of((count[caller]++ * 7919 + caller) % 100'000), value)
          .then([answered](const Result<Revision>& at) { answered(at.has_value()); });
    });
    return load.wait();
  }

  Loaded gets(std::size_t callers) {
    std::vector<std::uint64_t> count(callers);
    Load load(settings_.seconds, callers, [&](std::size_t caller, auto answered) {
      registries_[caller % members]
          .get(key_of((count[caller]++ * 7919 + caller) % 100'000))
          .then([answered](const Result<std::optional<KeyValue>>& found) {
            answered(found.has_value());
          });
    });
    return load.wait();
  }

  // Watchers on a follower; puts at a steady rate, whoever waits. The time is from the put's call
  // to the watcher's hearing of it.
  Loaded watch(std::size_t watchers, double puts_per_s, bool has_own_keys) {
    Times times;
    std::atomic<bool> is_counted = false;
    struct Told {
      std::optional<Registry::Watch> watch;
      std::function<void()> next;
    };
    std::vector<std::unique_ptr<Told>> told;
    const auto bytes_before = mallinfo2().uordblks;
    for (std::size_t i = 0; i < watchers; ++i) {
      told.push_back(std::make_unique<Told>());
      Told& one = *told.back();
      const auto range = has_own_keys ? KeyRange::key("w/" + key_of(i)) : KeyRange::prefix("w/");
      one.watch.emplace(must(registries_[1].watch(range, {.queue_events_max = 1'000'000})));
      one.next = [&one, &times, &is_counted] {
        one.watch->next().then([&one, &times, &is_counted](const Result<WatchBatch>& batch) {
          if (!batch) return;
          const auto now = Clock::now();
          for (const KeyEvent& event : batch->events) {
            std::int64_t sent = 0;
            std::memcpy(&sent, event.now.value.data(), sizeof sent);
            if (is_counted) times.add(now - Clock::time_point(Clock::duration(sent)));
          }
          one.next();
        });
      };
      one.next();
    }
    bytes_per_watcher_ = (mallinfo2().uordblks - bytes_before) / watchers;
    const auto begin = Clock::now();
    const double span = settings_.seconds + 0.3;
    std::atomic<std::uint64_t> answered = 0;
    std::uint64_t sent = 0;
    for (double passed = 0; passed < span;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      passed = std::chrono::duration<double>(Clock::now() - begin).count();
      is_counted = passed > 0.3;
      for (; static_cast<double>(sent) < passed * puts_per_s; ++sent) {
        std::string value(value_bytes, 'v');
        const std::int64_t now = Clock::now().time_since_epoch().count();
        std::memcpy(value.data(), &now, sizeof now);
        registries_[0]
            .put("w/" + key_of(sent * 7919 % watchers), Bytes(std::move(value)))
            .then([&answered](const Result<Revision>&) { ++answered; });
      }
    }
    while (answered < sent) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    must(registries_[1].get("w/").get());
    is_counted = false;
    for (auto& one : told) one->watch.reset();
    // What was on its way to a watcher comes before this.
    must(registries_[1].get("w/").get());
    return {static_cast<double>(times.count()) / settings_.seconds, times.quantile(0.5),
            times.quantile(0.99)};
  }

  std::size_t bytes_per_watcher() const { return bytes_per_watcher_; }

 private:
  const RegistrySettings& settings_;
  std::size_t bytes_per_watcher_ = 0;  // Of the last watch.
  std::array<Runtime, members> runtimes_{make_runtime(), make_runtime(), make_runtime()};
  std::vector<Registry> registries_;
};

void print(const char* name, std::size_t callers, const Loaded& load, const std::string& more) {
  std::printf(
      "{\"bench\":\"%s\",\"callers\":%zu,\"ops_per_s\":%.0f,\"p50_us\":%.0f,"
      "\"p99_us\":%.0f%s}\n",
      name, callers, load.rate, load.p50_us, load.p99_us, more.c_str());
  std::fflush(stdout);
}

}  // namespace

void run_through_log(const RegistrySettings& settings) {
  std::filesystem::create_directories(settings.directory);
  auto wants = [&](const char* name) { return settings.only.empty() || settings.only == name; };
  std::string limit;
  if (wants("log_puts")) {
    const Loaded bare = bare_appends(settings, 256);
    limit =
        ",\"limit\":{\"bare_appends_per_s\":" + std::to_string(static_cast<long>(bare.rate)) + "}";
  }
  {
    Bench bench(settings);
    if (wants("log_puts")) print("log_puts", 256, bench.puts(256), limit);
    if (wants("log_gets")) print("log_gets", 256, bench.gets(256), "");
    if (wants("log_watch_100")) {
      print("log_watch_100", 100, bench.watch(100, 10'000, true), ",\"puts_per_s\":10000");
    }
    if (wants("log_watch_100_same")) {
      print("log_watch_100_same", 100, bench.watch(100, 100, false), ",\"puts_per_s\":100");
    }
    if (wants("log_watch_10000")) {
      const Loaded load = bench.watch(10'000, 1'000, true);
      print("log_watch_10000", 10'000, load,
            ",\"puts_per_s\":1000,\"bytes_per_watcher\":" +
                std::to_string(bench.bytes_per_watcher()));
    }
  }
  std::filesystem::remove_all(settings.directory);
}

}  // namespace bench
