#include "bench/log/etcd.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/log/processes.hpp"

namespace bench {
namespace {

constexpr std::size_t members = 3;
constexpr std::size_t connections_max = 16;
constexpr std::uint64_t keys = 10'000;

int connect_to(std::uint16_t port) {
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(socket);
    return -1;
  }
  int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  return socket;
}

void send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) std::abort();
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// HTTP/2 and gRPC, as much of it as a Put needs (RFC 9113, RFC 7541). Headers are sent without
// compression, and of an answer only its end is looked at: one with a message before it is a
// success.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(connect_to(port)) {
    if (socket_ < 0) std::abort();
    out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    frame(settings, 0, 0, {});
    // Answers are small, and never held up.
    frame(window_update, 0, 0, std::string_view("\x7f\xfe\xff\xff", 4));
    // :method POST, :scheme http, :path, :authority, content-type, te.
    headers_ =
        "\x83\x86\x04\x14/etcdserverpb.KV/Put\x01\x09localhost\x0f\x10\x10"
        "application/grpc";
    headers_ += std::string_view("\x00\x02te\x08trailers", 13);
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int socket() const { return socket_; }

  void put(std::size_t caller, std::string_view request) {
    std::uint32_t stream = next_stream_;
    next_stream_ += 2;
    open_[stream] = {caller, false};
    frame(headers, 0x4, stream, headers_);
    frame(data, 0x1, stream, request);
  }
  void flush() {
    send_all(socket_, out_);
    out_.clear();
  }

  // `done(caller, is_success)` for each answer that has arrived.
  template <class F>
  void receive(F done) {
    std::array<char, 64 << 10> buffer;
    ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (got <= 0) std::abort();
    in_.append(buffer.data(), static_cast<std::size_t>(got));
    std::string_view rest = in_;
    while (rest.size() >= header_size) {
      std::size_t size = number(rest.substr(0, 3));
      if (rest.size() < header_size + size) break;
      take(static_cast<std::uint8_t>(rest[3]), static_cast<std::uint8_t>(rest[4]),
           number(rest.substr(5, 4)) & 0x7fff'ffff, rest.substr(header_size, size), done);
      rest.remove_prefix(header_size + size);
    }
    in_.erase(0, in_.size() - rest.size());
  }

 private:
  static constexpr std::size_t header_size = 9;
  static constexpr std::uint8_t data = 0, headers = 1, reset = 3, settings = 4, ping = 6,
                                go_away = 7, window_update = 8;

  static std::uint32_t number(std::string_view bytes) {
    std::uint32_t value = 0;
    for (char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
    return value;
  }

  void frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view body) {
    std::array<char, header_size> header{};
    for (std::size_t i = 0; i < 3; ++i) header[i] = static_cast<char>(body.size() >> (16 - 8 * i));
    header[3] = static_cast<char>(type);
    header[4] = static_cast<char>(flags);
    for (std::size_t i = 0; i < 4; ++i) header[5 + i] = static_cast<char>(stream >> (24 - 8 * i));
    out_.append(header.data(), header.size()).append(body);
  }

  template <class F>
  void take(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view body,
            F done) {
    bool is_acknowledgement = (flags & 0x1) != 0;
    if (type == settings && !is_acknowledgement) frame(settings, 0x1, 0, {});
    if (type == ping && !is_acknowledgement) frame(ping, 0x1, 0, body);
    if (type == go_away) std::abort();
    auto open = open_.find(stream);
    if (open == open_.end()) return;
    if (type == data) open->second.has_message = true;
    bool is_end = type == reset || ((type == headers || type == data) && (flags & 0x1) != 0);
    if (!is_end) return;
    Open ended = open->second;
    open_.erase(open);
    done(ended.caller, ended.has_message && type != reset);
  }

  struct Open {
    std::size_t caller;
    bool has_message;
  };

  int socket_;
  std::string headers_;
  std::string in_;
  std::string out_;
  std::uint32_t next_stream_ = 1;
  std::unordered_map<std::uint32_t, Open> open_;
};

// A PutRequest (key 1, value 2) behind gRPC's prefix.
std::string put_request(std::uint64_t key, std::size_t size) {
  char name[17];
  std::snprintf(name, sizeof(name), "%016llu", static_cast<unsigned long long>(key));
  std::string body = "\x0a\x10" + std::string(name) + "\x12";
  for (std::size_t left = size;; left >>= 7) {
    body += static_cast<char>(left < 128 ? left : (left & 127) | 128);
    if (left < 128) break;
  }
  body.append(size, 'x');
  std::string request(1, '\0');
  for (std::size_t i = 0; i < 4; ++i) request += static_cast<char>(body.size() >> (24 - 8 * i));
  return request + body;
}

LoadResult run_callers(const Settings& settings, std::uint16_t port, int callers, pid_t leader) {
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<pollfd> polled;
  auto count = std::min(static_cast<std::size_t>(callers), connections_max);
  for (std::size_t i = 0; i < count; ++i) {
    connections.push_back(std::make_unique<Connection>(port));
    polled.push_back({.fd = connections.back()->socket(), .events = POLLIN, .revents = 0});
  }
  std::vector<Clock::time_point> asked(static_cast<std::size_t>(callers));
  LoadBook book(settings.seconds, leader);
  std::uint64_t key = 0;
  auto ask = [&](std::size_t caller) {
    asked[caller] = Clock::now();
    connections[caller % count]->put(caller, put_request(++key % keys, settings.size));
  };
  for (std::size_t caller = 0; caller < asked.size(); ++caller) ask(caller);
  for (auto& connection : connections) connection->flush();
  for (std::size_t open = asked.size(); open > 0;) {
    ::poll(polled.data(), polled.size(), -1);
    for (std::size_t i = 0; i < count; ++i) {
      if (polled[i].revents == 0) continue;
      connections[i]->receive([&](std::size_t caller, bool is_success) {
        auto now = Clock::now();
        is_success ? book.done(asked[caller], now) : book.failed();
        book.is_over(now) ? static_cast<void>(--open) : ask(caller);
      });
      connections[i]->flush();
    }
  }
  return book.result();
}

std::string url(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

void become_member(const Settings& settings, std::size_t number,
                   const std::vector<std::uint16_t>& ports) {
  std::string cluster;
  for (std::size_t i = 0; i < members; ++i) {
    cluster += (i == 0 ? "m" : ",m") + std::to_string(i) + "=" + url(ports[members + i]);
  }
  std::string client = url(ports[number]);
  std::string peer = url(ports[members + number]);
  std::vector<std::string> words = {
      "etcd",
      "--name=m" + std::to_string(number),
      "--data-dir=" + settings.directory + "/etcd" + std::to_string(number),
      "--listen-client-urls=" + client,
      "--advertise-client-urls=" + client,
      "--listen-peer-urls=" + peer,
      "--initial-advertise-peer-urls=" + peer,
      "--initial-cluster=" + cluster,
      "--initial-cluster-state=new",
      "--logger=zap",
      "--log-level=error"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  if (!settings.verbose) {
    int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
  }
  ::execvp("etcd", arguments.data());
}

bool is_leader(std::uint16_t port) {
  int socket = connect_to(port);
  if (socket < 0) return false;
  send_all(socket, "GET /metrics HTTP/1.0\r\n\r\n");
  std::string answer;
  std::array<char, 16 << 10> buffer;
  for (ssize_t got = 0; (got = ::recv(socket, buffer.data(), buffer.size(), 0)) > 0;) {
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(socket);
  return answer.find("\netcd_server_is_leader 1") != std::string::npos;
}

std::size_t wait_for_leader(const std::vector<std::uint16_t>& ports) {
  for (auto end = Clock::now() + seconds(30); Clock::now() < end; ::usleep(50'000)) {
    for (std::size_t i = 0; i < members; ++i) {
      if (is_leader(ports[i])) return i;
    }
  }
  return members;
}

bool is_installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (::access((directory + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::string why_no_etcd(const Settings& settings) {
  if (settings.slow_sync_ms > 0) return "its syncs cannot be slowed down from here";
  if (settings.tls) return "its callers speak plain text here";
  return is_installed("etcd") ? "" : "it is not installed (Debian: etcd-server)";
}

std::vector<LoadResult> run_etcd(const Settings& settings) {
  auto& results = shared<RunResults>();
  auto ports = free_ports(2 * members);
  std::array<std::unique_ptr<Child>, members> etcd;
  for (std::size_t i = 0; i < members; ++i) {
    etcd[i] = std::make_unique<Child>(
        [&, i](const std::function<void()>&) { become_member(settings, i, ports); });
  }
  std::size_t leader = wait_for_leader(ports);
  if (leader == members) {
    std::fprintf(stderr, "log_bench: etcd chose no leader\n");
  } else {
    Child callers([&](const std::function<void()>&) {
      for (std::size_t i = 0; i < settings.callers.size(); ++i) {
        results.loads[i] =
            run_callers(settings, ports[leader], settings.callers[i], etcd[leader]->id());
      }
    });
    double patience = 30 + settings.seconds * 2 * static_cast<double>(settings.callers.size());
    if (!callers.wait(patience)) std::fprintf(stderr, "log_bench: etcd's callers ended badly\n");
  }
  for (std::size_t i = 0; i < members; ++i) {
    etcd[i].reset();
    std::filesystem::remove_all(settings.directory + "/etcd" + std::to_string(i));
  }
  return {results.loads.begin(),
          results.loads.begin() + static_cast<long>(settings.callers.size())};
}

}  // namespace bench
