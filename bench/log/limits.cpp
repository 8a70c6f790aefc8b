#include "bench/log/limits.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <lmdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "bench/log/measure.hpp"

namespace bench {
namespace {

struct Rate {
  double per_s = 0;
  double p50_us = 0;
};

template <class F>
Rate measure(double length, F once) {
  Histogram latencies;
  auto begin = Clock::now();
  auto end = begin + seconds(length);
  auto now = begin;
  while (now < end) {
    once();
    auto after = Clock::now();
    latencies.add(after - now);
    now = after;
  }
  return {static_cast<double>(latencies.count()) / (micros(now - begin) / 1e6),
          latencies.quantile(0.5)};
}

Rate measure_sync(const Settings& settings, std::size_t bytes, double length) {
  std::string path = settings.directory + "/sync";
  int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  std::vector<char> zeros(64 << 20, '\0');
  if (::write(file, zeros.data(), zeros.size()) < 0 || ::fsync(file) != 0) std::abort();
  off_t at = 0;
  auto size = static_cast<ssize_t>(bytes);
  Rate rate = measure(length, [&] {
    if (::pwrite(file, zeros.data(), bytes, at) != size || ::fdatasync(file) != 0) std::abort();
    at = (at + size) % static_cast<off_t>(zeros.size());
  });
  ::close(file);
  ::unlink(path.c_str());
  return rate;
}

Rate measure_lmdb(const Settings& settings, double length) {
  std::string path = settings.directory + "/lmdb";
  std::filesystem::create_directories(path);
  MDB_env* env = nullptr;
  mdb_env_create(&env);
  mdb_env_set_mapsize(env, std::size_t{1} << 30);
  if (mdb_env_open(env, path.c_str(), 0, 0600) != 0) std::abort();
  std::string value(settings.size, 'x');
  std::uint64_t key = 0;
  Rate rate = measure(length, [&] {
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
  std::filesystem::remove_all(path);
  return rate;
}

bool receive(int socket, std::string& buffer) {
  for (std::size_t got = 0; got < buffer.size();) {
    ssize_t n = ::recv(socket, buffer.data() + got, buffer.size() - got, 0);
    if (n <= 0) return false;
    got += static_cast<std::size_t>(n);
  }
  return true;
}

Rate measure_round_trip(const Settings& settings, double length) {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, raw, size) != 0 || ::listen(listener, 1) != 0) std::abort();
  ::getsockname(listener, raw, &size);
  int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(client, raw, size) != 0) std::abort();
  int server = ::accept(listener, nullptr, nullptr);
  int one = 1;
  ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  ::setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  std::thread echo([&] {
    std::string buffer(settings.size, '\0');
    while (receive(server, buffer)) {
      if (::send(server, buffer.data(), buffer.size(), MSG_NOSIGNAL) < 0) break;
    }
  });
  std::string buffer(settings.size, '\0');
  Rate rate = measure(length, [&] {
    bool is_sent = ::send(client, buffer.data(), buffer.size(), MSG_NOSIGNAL) >= 0;
    if (!is_sent || !receive(client, buffer)) std::abort();
  });
  ::shutdown(client, SHUT_RDWR);
  echo.join();
  ::close(client);
  ::close(server);
  ::close(listener);
  return rate;
}

}  // namespace

Limits measure_limits(const Settings& settings) {
  double length = std::min(1.0, settings.seconds / 3);
  Rate sync = measure_sync(settings, 4096, length);
  Rate large = measure_sync(settings, 1 << 20, length);
  Rate lmdb = measure_lmdb(settings, length);
  Rate round_trip = measure_round_trip(settings, length);
  return Limits{.sync_per_s = sync.per_s,
                .sync_p50_us = sync.p50_us,
                .sync_mb_per_s = large.per_s * 1.048576,
                .lmdb_commit_per_s = lmdb.per_s,
                .round_trip_us = round_trip.p50_us};
}

std::string to_json(const Limits& limits) {
  char text[256];
  std::snprintf(text, sizeof(text),
                "{\"sync_per_s\":%.0f,\"sync_p50_us\":%.0f,\"sync_mb_per_s\":%.0f,"
                "\"lmdb_commit_per_s\":%.0f,\"round_trip_us\":%.0f}",
                limits.sync_per_s, limits.sync_p50_us, limits.sync_mb_per_s,
                limits.lmdb_commit_per_s, limits.round_trip_us);
  return text;
}

}  // namespace bench
