// TCP sockets by system call: close-on-exec from birth, never blocking, no SIGPIPE.
#pragma once

#include <sys/socket.h>

#include <string>
#include <utility>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster::net {

// Owns a descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// An address with a port, as the system takes it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
};

// What a numeric host says; `invalid_argument` when it is a name.
Result<SocketAddress> numeric_address(const Endpoint&);

Endpoint to_endpoint(const SocketAddress&);

// Looks a name up where it is one: may block. For listening, which happens once.
Result<Descriptor> open_listener(const Endpoint&);

// A socket whose connection is under way; when it becomes writable, `connect_outcome` tells.
Result<Descriptor> start_connect(const SocketAddress&);
Result<void> connect_outcome(int fd);

// The next connection that waits. A Descriptor of -1: none; the errno says why (EAGAIN: nobody).
std::pair<Descriptor, int> accept_connection(int listener);

Endpoint local_endpoint(int fd);
Endpoint peer_endpoint(int fd);

// "Connection refused".
std::string describe_errno(int number);

}  // namespace cluster::net
