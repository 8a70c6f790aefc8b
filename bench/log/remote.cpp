#include "bench/log/remote.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cluster/runtime.hpp"

namespace bench {
namespace {

using cluster::Bytes;
using cluster::runtime::Host;
using cluster::runtime::Lane;
using cluster::runtime::SessionId;

constexpr Lane callers_lane = Lane::admin;

struct Answer {
  std::uint64_t number;
  std::uint64_t position;  // 0: it failed.
};

template <class T>
Bytes to_bytes(const T& value) {
  return Bytes(cluster::ByteView(reinterpret_cast<const char*>(&value), sizeof(value)));
}

class Server final : public cluster::runtime::SessionHandler {
 public:
  Server(Host& host, cluster::Log& log) : host_(host), log_(log) {}
  void on_open(SessionId, const cluster::Endpoint&) override {}
  void on_close(SessionId, const cluster::Error&) override {}
  void on_message(SessionId session, Bytes message) override {
    std::uint64_t number = 0;
    std::memcpy(&number, message.data(), sizeof(number));
    Bytes entry = message.slice(sizeof(number), message.size() - sizeof(number));
    log_.append(std::move(entry)).then([this, session, number](auto at) {
      Answer answer{.number = number, .position = at ? at->value() : 0};
      host_.transport().send(session, to_bytes(answer));
    });
  }

 private:
  Host& host_;
  cluster::Log& log_;
};

class Callers final : public cluster::runtime::SessionHandler {
 public:
  Callers(const Settings& settings, Host& host, std::uint16_t port, int callers, pid_t leader)
      : host_(host),
        open_(callers),
        asked_(static_cast<std::size_t>(callers)),
        book_(settings.seconds, leader) {
    request_.assign(sizeof(std::uint64_t) + settings.size, 'x');
    cluster::runtime::run_on_node(host_, [&] {
      for (int i = 0; i < std::min(callers, 16); ++i) {
        sessions_.push_back(host_.transport().dial({"127.0.0.1", port}, callers_lane, *this));
      }
    });
  }
  LoadResult wait() {
    for (int left = open_.load(); left != 0; left = open_.load()) open_.wait(left);
    cluster::runtime::run_on_node(host_, [&] {
      for (SessionId session : sessions_) host_.transport().close(session);
    });
    return book_.result();
  }

  void on_open(SessionId session, const cluster::Endpoint&) override {
    auto at = std::find(sessions_.begin(), sessions_.end(), session) - sessions_.begin();
    for (auto i = static_cast<std::size_t>(at); i < asked_.size(); i += sessions_.size()) ask(i);
  }
  void on_message(SessionId, Bytes message) override {
    Answer answer{};
    std::memcpy(&answer, message.data(), sizeof(answer));
    auto now = Clock::now();
    if (answer.position != 0) {
      book_.done(asked_[answer.number], now);
    } else {
      book_.failed();
    }
    if (!book_.is_over(now)) return ask(answer.number);
    if (open_.fetch_sub(1) == 1) open_.notify_all();
  }
  void on_close(SessionId, const cluster::Error& why) override {
    std::fprintf(stderr, "log_bench: %s\n", why.message().c_str());
    std::exit(1);
  }

 private:
  void ask(std::uint64_t number) {
    asked_[number] = Clock::now();
    std::memcpy(request_.data(), &number, sizeof(number));
    host_.transport().send(sessions_[number % sessions_.size()],
                           Bytes(cluster::ByteView(request_)));
  }

  Host& host_;
  std::atomic<int> open_;
  std::vector<Clock::time_point> asked_;
  LoadBook book_;
  std::string request_;
  std::vector<SessionId> sessions_;
};

}  // namespace

void serve_remote_callers(Host& host, cluster::runtime::ListenerId listener, cluster::Log& log) {
  // It outlives every session: the process ends with it.
  static std::unique_ptr<Server> server;
  server = std::make_unique<Server>(host, log);
  cluster::runtime::run_on_node(
      host, [&] { host.transport().serve(listener, callers_lane, server.get()); });
}

LoadResult run_remote_load(const Settings& settings, std::uint16_t port, int callers,
                           pid_t leader) {
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  return Callers(settings, runtime.host(), port, callers, leader).wait();
}

}  // namespace bench
