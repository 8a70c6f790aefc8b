// What the tests of src/net share: waiting with a deadline, sessions that record, raw peers.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/runtime.hpp"
#include "net/threads_host.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"
#include "tests/catch.hpp"

namespace net_test {

using cluster::Bytes;
using cluster::ByteView;
using cluster::Endpoint;
using cluster::Errc;
using cluster::Error;
using cluster::Result;
using cluster::runtime::Lane;
using cluster::runtime::ListenerId;
using cluster::runtime::SessionHandler;
using cluster::runtime::SessionId;

inline Bytes bytes(ByteView text) { return Bytes(text); }

inline const Endpoint any_port{.host = "127.0.0.1", .port = 0};

// Polls `condition` until it holds; false after ten seconds.
inline bool eventually(const std::function<bool()>& condition) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return condition();
}

// Records what happens to sessions. Declare it before its world, which must end first. It lives on
// the node thread, is asked from any.
class Recorder : public SessionHandler {
 public:
  void on_open(SessionId id, const Endpoint& peer) override {
    note([&] {
      opened.push_back(id);
      peers.push_back(peer);
    });
    if (when_open) when_open(id);
  }
  void on_message(SessionId id, Bytes message) override {
    if (when_message) when_message(id, message);
    note([&] { messages.push_back(std::move(message)); });
  }
  void on_close(SessionId id, const Error& why) override {
    note([&] {
      closed.push_back(id);
      errors.push_back(why);
    });
    if (when_close) when_close(id);
  }

  // Waits until `condition` holds of this, under its lock.
  template <class F>
  bool wait(F condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), condition);
  }
  bool wait_messages(std::size_t n) {
    return wait([&] { return messages.size() >= n; });
  }
  bool wait_open() {
    return wait([&] { return !opened.empty(); });
  }
  bool wait_closed() {
    return wait([&] { return !closed.empty(); });
  }

  std::vector<SessionId> opened;
  std::vector<Endpoint> peers;
  std::vector<Bytes> messages;
  std::vector<SessionId> closed;
  std::vector<Error> errors;
  std::function<void(SessionId)> when_open;  // On the node thread.
  std::function<void(SessionId, const Bytes&)> when_message;
  std::function<void(SessionId)> when_close;

 private:
  template <class F>
  void note(F f) {
    std::lock_guard lock(mutex_);
    f();
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
};

// A host with its transport, driven from the test's thread.
class World {
 public:
  explicit World(cluster::net::TcpOptions tcp = {},
                 cluster::RuntimeOptions options = {.security = cluster::Insecure{}})
      : host(options, tcp) {}

  template <class F>
  auto on_node(F f) {
    if constexpr (std::is_void_v<decltype(f())>) {
      cluster::runtime::run_on_node(host, f);
    } else {
      std::optional<decltype(f())> result;
      cluster::runtime::run_on_node(host, [&] { result.emplace(f()); });
      return *std::move(result);
    }
  }

  // Listens on a free port and serves `lane` there.
  Endpoint serve(Lane lane, SessionHandler& handler) {
    return on_node([&] {
      listener = host.transport().listen(any_port).value();
      host.transport().serve(listener, lane, &handler);
      return host.transport().endpoint(listener);
    });
  }
  SessionId dial(const Endpoint& endpoint, Lane lane, SessionHandler& handler) {
    return on_node([&] { return host.transport().dial(endpoint, lane, handler); });
  }
  bool send(SessionId id, Bytes message) {
    return on_node([&] { return host.transport().send(id, std::move(message)); });
  }
  void close(SessionId id) {
    on_node([&] { host.transport().close(id); });
  }
  double metric(const std::string& name) const {
    for (const auto& metric : host.metrics()) {
      if (metric.name == name) return metric.value;
    }
    FAIL("no metric " << name);
    return 0;
  }

  ListenerId listener;
  cluster::net::ThreadsHost host;
};

// A peer below our protocol: a plain blocking socket.
class RawPeer {
 public:
  explicit RawPeer(const Endpoint& endpoint) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ =
        ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~RawPeer() { ::close(fd_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool is_connected() const { return is_connected_; }
  void stop_writing() { ::shutdown(fd_, SHUT_WR); }
  int get() const { return fd_; }
  bool write(ByteView bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // Everything until the other end closes; nothing more after ten silent seconds.
  std::string read_all() {
    std::string all;
    char buffer[4096];
    for (;;) {
      ssize_t size = ::recv(fd_, buffer, sizeof buffer, 0);
      if (size <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(size));
    }
  }
  bool is_ended() {  // The other end has closed or reset, within ten seconds.
    char byte;
    for (;;) {
      ssize_t size = ::recv(fd_, &byte, 1, 0);
      if (size == 0) return true;
      if (size < 0) return errno == ECONNRESET;
    }
  }

 private:
  int fd_;
  bool is_connected_ = false;
};

}  // namespace net_test
