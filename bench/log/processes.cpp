#include "bench/log/processes.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "bench/log/measure.hpp"

namespace bench {
namespace {

std::set<pid_t> children;
std::set<int> pipes;  // Parent's ends: a later child must not hold them open.

void nap() { ::usleep(1000); }

}  // namespace

Child::Child(const std::function<void(const std::function<void()>&)>& body) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  std::fflush(nullptr);
  id_ = ::fork();
  if (id_ < 0) {
    std::perror("log_bench: fork");
    std::exit(1);
  }
  if (id_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGINT, SIG_IGN);  // The parent ends us.
    ::close(ends[1]);
    for (int pipe : pipes) ::close(pipe);
    body([end = ends[0]] {
      char byte;
      while (::read(end, &byte, 1) < 0 && errno == EINTR) {
      }
    });
    std::fflush(nullptr);
    ::_exit(0);
  }
  ::close(ends[0]);
  pipe_ = ends[1];
  pipes.insert(pipe_);
  children.insert(id_);
}

Child::~Child() {
  if (id_ != 0) kill();
}

bool Child::wait(double seconds_max) {
  auto end = Clock::now() + seconds(seconds_max);
  int status = 0;
  for (pid_t ended = 0; ended == 0; nap()) {
    ended = ::waitpid(id_, &status, WNOHANG);
    if (ended == 0 && Clock::now() >= end) return false;
  }
  children.erase(id_);
  id_ = 0;
  pipes.erase(pipe_);
  ::close(pipe_);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void Child::finish() {
  if (id_ == 0) return;
  pipes.erase(pipe_);
  ::close(std::exchange(pipe_, -1));
  if (!wait(5) && id_ != 0) kill();
}

void Child::kill() {
  ::kill(id_, SIGKILL);
  wait(60);
}

void* shared_memory(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return memory;
}

// Held together until all are known, so that they differ.
std::vector<std::uint16_t> free_ports(int count) {
  std::vector<std::uint16_t> ports;
  std::vector<int> sockets;
  for (int i = 0; i < count; ++i) {
    int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket, raw, length) != 0) std::abort();
    ::getsockname(socket, raw, &length);
    ports.push_back(ntohs(address.sin_port));
    sockets.push_back(socket);
  }
  for (int socket : sockets) ::close(socket);
  return ports;
}

namespace {
std::string to_remove;
void end_by_signal(int signal) {
  for (pid_t child : children) ::kill(child, SIGKILL);
  std::error_code ignored;
  std::filesystem::remove_all(to_remove, ignored);
  ::_exit(128 + signal);
}
}  // namespace

void clean_up_on_signals(const std::string& directory) {
  to_remove = directory;
  ::signal(SIGINT, end_by_signal);
  ::signal(SIGTERM, end_by_signal);
}

}  // namespace bench
