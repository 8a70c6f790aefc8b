// Appends per second of the log: three replicas over loopback, each with its own runtime, directory
// and real syncs, callers in the leader's process; beside it, in the same run, the limits of the
// machine.
//
//   log_bench [--seconds 3] [--size 128] [--dir DIR] [--callers 1,16,256]
//
// One JSON line per figure. The directory decides which disk is measured.
#include <arpa/inet.h>
#include <fcntl.h>
#include <lmdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cluster/log.hpp"

namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  double seconds = 3;
  std::size_t size = 128;
  std::string directory = "/tmp/log_bench." + std::to_string(::getpid());
  std::vector<int> callers = {1, 16, 256};
};

double micros(Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

void report(const char* what, int callers, std::uint64_t count, double seconds,
            std::vector<double>& latencies) {
  std::sort(latencies.begin(), latencies.end());
  auto at = [&](double q) {
    return latencies.empty()
               ? 0.0
               : latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))];
  };
  std::printf(
      "{\"bench\":\"%s\",\"callers\":%d,\"per_second\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,"
      "\"seconds\":%.1f}\n",
      what, callers, static_cast<double>(count) / seconds, at(0.5), at(0.99), seconds);
  std::fflush(stdout);
}

// Runs `once` until the time is over.
template <class F>
void measure(const char* what, double seconds, F once) {
  std::vector<double> latencies;
  Clock::time_point begin = Clock::now();
  Clock::time_point end =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (Clock::time_point now = begin; now < end;) {
    once();
    Clock::time_point after = Clock::now();
    latencies.push_back(micros(after - now));
    now = after;
  }
  report(what, 1, latencies.size(), micros(Clock::now() - begin) / 1e6, latencies);
}

void measure_sync(const Settings& settings) {
  std::string path = settings.directory + "/sync";
  int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  std::vector<char> zeros(16 << 20, '\0');
  if (::write(file, zeros.data(), zeros.size()) < 0 || ::fsync(file) != 0) std::abort();
  off_t at = 0;
  measure("limit: fdatasync of 4 KiB, preallocated file", settings.seconds / 3, [&] {
    if (::pwrite(file, zeros.data(), 4096, at) != 4096 || ::fdatasync(file) != 0) std::abort();
    at = (at + 4096) % static_cast<off_t>(zeros.size());
  });
  ::close(file);
}

void measure_lmdb(const Settings& settings) {
  std::string path = settings.directory + "/lmdb";
  std::filesystem::create_directories(path);
  MDB_env* env = nullptr;
  mdb_env_create(&env);
  mdb_env_set_mapsize(env, std::size_t{1} << 30);
  if (mdb_env_open(env, path.c_str(), 0, 0600) != 0) std::abort();
  std::string value(settings.size, 'x');
  std::uint64_t key = 0;
  measure("limit: LMDB commit of one entry", settings.seconds / 3, [&] {
    MDB_txn* txn = nullptr;
    MDB_dbi table = 0;
    if (mdb_txn_begin(env, nullptr, 0, &txn) != 0) std::abort();
    mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &table);
    MDB_val k{sizeof(key), &key};
    MDB_val v{value.size(), value.data()};
    if (mdb_put(txn, table, &k, &v, MDB_APPEND) != 0 || mdb_txn_commit(txn) != 0) std::abort();
    key += 1;
  });
  mdb_env_close(env);
}

void measure_round_trip(const Settings& settings) {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, raw, length) != 0 || ::listen(listener, 1) != 0) std::abort();
  ::getsockname(listener, raw, &length);
  int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(client, raw, length) != 0) std::abort();
  int server = ::accept(listener, nullptr, nullptr);
  int one = 1;
  ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  ::setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  std::string message(settings.size, 'x');
  auto receive = [&](int socket, char* to) {
    for (std::size_t got = 0; got < message.size();) {
      ssize_t n = ::recv(socket, to + got, message.size() - got, 0);
      if (n <= 0) return false;
      got += static_cast<std::size_t>(n);
    }
    return true;
  };
  std::thread echo([&] {
    std::string buffer(message.size(), '\0');
    while (receive(server, buffer.data())) {
      if (::send(server, buffer.data(), buffer.size(), MSG_NOSIGNAL) < 0) break;
    }
  });
  std::string buffer(message.size(), '\0');
  measure("limit: loopback round trip", settings.seconds / 3, [&] {
    if (::send(client, message.data(), message.size(), MSG_NOSIGNAL) < 0 ||
        !receive(client, buffer.data())) {
      std::abort();
    }
  });
  ::shutdown(client, SHUT_RDWR);
  echo.join();
  ::close(client);
  ::close(server);
  ::close(listener);
}

std::uint16_t free_port() {
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket, raw, length) != 0) std::abort();
  ::getsockname(socket, raw, &length);
  ::close(socket);
  return ntohs(address.sin_port);
}

// A closed loop of callers on the leader's node thread: each appends again when it is answered.
class Load {
 public:
  Load(cluster::Log& log, const Settings& settings, int callers)
      : log_(log), settings_(settings), open_(callers), end_(Clock::now() + duration(settings)) {
    begin_ = Clock::now();
    for (int i = 0; i < callers; ++i) append();
  }
  void wait() {
    for (int left = open_.load(); left != 0; left = open_.load()) open_.wait(left);
  }
  void print(const char* what, int callers) {
    report(what, callers, latencies_.size(), micros(last_ - begin_) / 1e6, latencies_);
    if (failed_ != 0) std::printf("{\"failed\":%d}\n", failed_);
  }

 private:
  static Clock::duration duration(const Settings& settings) {
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(settings.seconds));
  }
  void append() {
    Clock::time_point asked = Clock::now();
    log_.append(payload_).then([this, asked](cluster::Result<cluster::Position> at) {
      last_ = Clock::now();
      if (at) {
        latencies_.push_back(micros(last_ - asked));
      } else {
        failed_ += 1;
      }
      if (last_ < end_) return append();
      if (open_.fetch_sub(1) == 1) open_.notify_all();
    });
  }

  cluster::Log& log_;
  const Settings& settings_;
  cluster::Bytes payload_{std::string(settings_.size, 'x')};
  std::atomic<int> open_;
  Clock::time_point begin_;
  Clock::time_point end_;
  Clock::time_point last_;
  std::vector<double> latencies_;  // Only continuations touch these, one at a time.
  int failed_ = 0;
};

void measure_log(const Settings& settings) {
  std::vector<cluster::Peer> members;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    members.push_back({cluster::NodeId(id), {"127.0.0.1", free_port()}});
  }
  std::vector<cluster::Runtime> runtimes;
  std::vector<cluster::Log> logs;
  for (const cluster::Peer& member : members) {
    cluster::RuntimeOptions runtime;
    runtime.deliver_on_node_thread = true;
    runtimes.push_back(cluster::Runtime::threads(runtime));
    cluster::LogOptions options;
    options.directory = settings.directory + "/" + std::to_string(member.id.value());
    options.self = member.id;
    options.members = members;
    options.cluster = cluster::ClusterUid(1);
    auto log = cluster::Log::open(runtimes.back(), options);
    if (!log) {
      std::fprintf(stderr, "log_bench: %s\n", log.error().message().c_str());
      std::exit(1);
    }
    logs.push_back(*std::move(log));
  }
  // The first is made to lead, wherever the election went.
  auto writer = logs[0].start_writer().get();
  if (!writer) {
    std::fprintf(stderr, "log_bench: %s\n", writer.error().message().c_str());
    std::exit(1);
  }
  for (int callers : settings.callers) {
    Load load(logs[0], settings, callers);
    load.wait();
    load.print("log: append on the leader", callers);
  }
  Load remote(logs[1], settings, 256);
  remote.wait();
  remote.print("log: append on a follower, forwarded", 256);
  logs.clear();
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string flag = argv[i];
    if (flag == "--seconds") settings.seconds = std::atof(argv[i + 1]);
    if (flag == "--size") settings.size = static_cast<std::size_t>(std::atoi(argv[i + 1]));
    if (flag == "--dir") settings.directory = argv[i + 1];
    if (flag == "--callers") {
      settings.callers.clear();
      for (char* at = argv[i + 1]; *at != '\0';) {
        settings.callers.push_back(static_cast<int>(std::strtol(at, &at, 10)));
        if (*at == ',') ++at;
      }
    }
  }
  std::filesystem::create_directories(settings.directory);
  measure_sync(settings);
  measure_lmdb(settings);
  measure_round_trip(settings);
  measure_log(settings);
  std::filesystem::remove_all(settings.directory);
}
