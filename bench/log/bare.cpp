#include "bench/log/bare.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>

#include "bench/log/processes.hpp"

namespace bench {
namespace {

// Before each batch that a follower is sent. The follower answers with `end`.
struct Header {
  std::uint64_t end;
  std::uint64_t size;
};

class Disk {
 public:
  explicit Disk(const std::string& path) {
    file_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    std::vector<char> zeros(size_);
    if (::write(file_, zeros.data(), size_) < 0 || ::fsync(file_) != 0) std::abort();
  }
  ~Disk() { ::close(file_); }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      if (at_ == size_) at_ = 0;
      std::size_t part = std::min(bytes.size(), size_ - at_);
      if (::pwrite(file_, bytes.data(), part, static_cast<off_t>(at_)) < 0) std::abort();
      at_ += part;
      bytes.remove_prefix(part);
    }
    if (::fdatasync(file_) != 0) std::abort();
  }

 private:
  const std::size_t size_ = 64 << 20;
  std::size_t at_ = 0;
  int file_;
};

void set_options(int socket) {
  int one = 1;
  int room = 4 << 20;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
  ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

void send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) std::abort();
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Writes and syncs all whole batches that have arrived as one group, then answers once.
void follow(int socket, const std::string& path) {
  Disk disk(path);
  std::vector<char> buffer(8 << 20);
  std::size_t filled = 0;
  for (;;) {
    ssize_t got = ::recv(socket, buffer.data() + filled, buffer.size() - filled, 0);
    if (got <= 0) return;
    filled += static_cast<std::size_t>(got);
    std::size_t whole = 0;
    Header header{};
    std::uint64_t end = 0;
    while (filled - whole >= sizeof(header)) {
      std::memcpy(&header, buffer.data() + whole, sizeof(header));
      if (filled - whole < sizeof(header) + header.size) break;
      whole += sizeof(header) + header.size;
      end = header.end;
    }
    if (whole == 0) continue;
    disk.write({buffer.data(), whole});
    send_all(socket, {reinterpret_cast<const char*>(&end), sizeof(end)});
    std::memmove(buffer.data(), buffer.data() + whole, filled - whole);
    filled -= whole;
  }
}

class Leader {
 public:
  Leader(const Settings& settings, std::array<int, 2> peers)
      : settings_(settings),
        disk_(settings.directory + "/bare1"),
        peers_(peers),
        payload_(settings.size, 'x') {}

  LoadResult run(int callers) {
    LoadBook book(settings_.seconds, ::getpid());
    for (int i = 0; i < callers; ++i) append(Clock::now());
    while (!open_.empty()) {
      send_batch();
      hear();
      settle(book);
    }
    return book.result();
  }

 private:
  void append(Clock::time_point now) {
    if (batch_.empty()) batch_.resize(sizeof(Header));
    auto size = static_cast<std::uint32_t>(payload_.size());
    batch_.append(reinterpret_cast<const char*>(&size), sizeof(size));
    batch_.append(payload_);
    open_.push_back(now);
    end_ += 1;
  }

  // To the peers first, so that our own sync runs beside theirs.
  void send_batch() {
    if (batch_.empty()) return;
    Header header{.end = end_, .size = batch_.size() - sizeof(header)};
    std::memcpy(batch_.data(), &header, sizeof(header));
    for (int peer : peers_) send_all(peer, batch_);
    disk_.write(batch_);
    own_ = end_;
    batch_.clear();
  }

  void hear() {
    std::array<pollfd, 2> polled;
    for (std::size_t i = 0; i < 2; ++i) polled[i] = {.fd = peers_[i], .events = POLLIN};
    bool must_wait = agreed() == settled_;
    ::poll(polled.data(), polled.size(), must_wait ? -1 : 0);
    for (std::size_t i = 0; i < 2; ++i) {
      if (polled[i].revents == 0) continue;
      std::array<char, 4096> answers;
      ssize_t got = ::recv(peers_[i], answers.data(), answers.size(), 0);
      if (got <= 0 || got % static_cast<ssize_t>(sizeof(std::uint64_t)) != 0) std::abort();
      std::memcpy(&held_[i], answers.data() + got - sizeof(std::uint64_t), sizeof(std::uint64_t));
    }
  }

  std::uint64_t agreed() const {
    std::array<std::uint64_t, 3> ends = {own_, held_[0], held_[1]};
    std::sort(ends.begin(), ends.end());
    return ends[1];
  }

  void settle(LoadBook& book) {
    for (std::uint64_t agreed_end = agreed(); settled_ < agreed_end; ++settled_) {
      auto now = Clock::now();
      book.done(open_.front(), now);
      open_.pop_front();
      if (!book.is_over(now)) append(now);
    }
  }

  const Settings& settings_;
  Disk disk_;
  std::array<int, 2> peers_;
  std::string payload_;
  std::string batch_;
  std::deque<Clock::time_point> open_;
  std::uint64_t end_ = 0;
  std::uint64_t own_ = 0;
  std::array<std::uint64_t, 2> held_{};
  std::uint64_t settled_ = 0;
};

int listen_on_loopback(sockaddr_in& address) {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, raw, length) != 0 || ::listen(listener, 2) != 0) std::abort();
  ::getsockname(listener, raw, &length);
  return listener;
}

}  // namespace

std::vector<LoadResult> run_bare(const Settings& settings) {
  auto& results = shared<RunResults>();
  sockaddr_in address{};
  int listener = listen_on_loopback(address);
  auto follower = [&](int number) {
    return [&, number](const std::function<void()>&) {
      int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return;
      set_options(socket);
      follow(socket, settings.directory + "/bare" + std::to_string(number));
    };
  };
  Child second(follower(2));
  Child third(follower(3));
  Child leader([&](const std::function<void()>&) {
    std::array<int, 2> peers;
    for (int& peer : peers) {
      peer = ::accept(listener, nullptr, nullptr);
      set_options(peer);
    }
    Leader bare(settings, peers);
    for (std::size_t i = 0; i < settings.callers.size(); ++i) {
      results.loads[i] = bare.run(settings.callers[i]);
    }
  });
  ::close(listener);
  double patience = 30 + settings.seconds * 2 * static_cast<double>(settings.callers.size());
  if (!leader.wait(patience)) std::fprintf(stderr, "log_bench: the bare leader did not end well\n");
  second.finish();
  third.finish();
  for (int number : {1, 2, 3}) {
    std::filesystem::remove(settings.directory + "/bare" + std::to_string(number));
  }
  return {results.loads.begin(),
          results.loads.begin() + static_cast<long>(settings.callers.size())};
}

}  // namespace bench
