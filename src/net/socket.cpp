#include "net/socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace cluster::net {
namespace {

// How long what was sent may stay unacknowledged: behind a silent cut TCP itself would wait for
// minutes.
constexpr int unacknowledged_ms_max = 10'000;
// What the system takes before it can send it: what is urgent must not stand behind megabytes.
constexpr int unsent_bytes_max = 512 << 10;

void set_option(int fd, int level, int option, int value = 1) {
  setsockopt(fd, level, option, &value, sizeof value);
}

void set_session_options(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, unacknowledged_ms_max);
  set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_bytes_max);
}

Descriptor open_socket(const SocketAddress& address) {
  return Descriptor(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
}

Errc listen_errc(int number) {
  switch (number) {
    case EADDRINUSE: return Errc::address_in_use;
    case EACCES:
    case EPERM: return Errc::permission;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return Errc::invalid_argument;
    default: return Errc::failed;
  }
}

std::string listen_reason(int number) {
  switch (number) {
    case EADDRINUSE: return "another process listens there; choose another port";
    case EACCES:
    case EPERM: return "this user may not listen there; choose a port of 1024 or more";
    case EADDRNOTAVAIL: return "this machine has no such address";
    default: return describe_errno(number);
  }
}

// Of a name or a numeric host; the first that the system knows.
Result<SocketAddress> look_up(const Endpoint& endpoint) {
  if (auto address = numeric_address(endpoint)) return address;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  int failure =
      getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (failure != 0) {
    return Error{Errc::invalid_argument, "cannot listen on " + to_string(endpoint) +
                                             ": no address for '" + endpoint.host +
                                             "': " + gai_strerror(failure)};
  }
  SocketAddress address;
  address.size = found->ai_addrlen;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return address;
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<SocketAddress> numeric_address(const Endpoint& endpoint) {
  SocketAddress address;
  if (sockaddr_in v4{}; inet_pton(AF_INET, endpoint.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
    return address;
  }
  if (sockaddr_in6 v6{}; inet_pton(AF_INET6, endpoint.host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
    return address;
  }
  return Error{Errc::invalid_argument, "'" + endpoint.host + "' is no numeric address"};
}

Endpoint to_endpoint(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address.storage, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return {.host = text, .port = ntohs(v4.sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address.storage, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return {.host = text, .port = ntohs(v6.sin6_port)};
  }
  return {};
}

Result<Descriptor> open_listener(const Endpoint& endpoint) {
  if (endpoint.host.empty()) {
    return Error{Errc::invalid_argument,
                 "an address to listen on has a host; 127.0.0.1 is this machine only"};
  }
  auto address = look_up(endpoint);
  if (!address) return std::move(address).error();
  Descriptor socket = open_socket(*address);
  if (socket.get() >= 0) {
    set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR);
    if (::bind(socket.get(), address->data(), address->size) == 0 &&
        ::listen(socket.get(), SOMAXCONN) == 0) {
      return socket;
    }
  }
  int number = errno;
  return Error{listen_errc(number),
               "cannot listen on " + to_string(endpoint) + ": " + listen_reason(number)};
}

Result<Descriptor> start_connect(const SocketAddress& address) {
  Descriptor socket = open_socket(address);
  if (socket.get() >= 0) {
    set_session_options(socket.get());
    if (::connect(socket.get(), address.data(), address.size) == 0 || errno == EINPROGRESS) {
      return socket;
    }
  }
  return Error{Errc::unreachable, describe_errno(errno)};
}

Result<void> connect_outcome(int fd) {
  int number = 0;
  socklen_t size = sizeof number;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
  // A dial to a free port of this machine can meet itself: TCP allows a simultaneous open.
  if (number == 0 && local_endpoint(fd) == peer_endpoint(fd)) number = ECONNREFUSED;
  if (number == 0) return {};
  return Error{Errc::unreachable, describe_errno(number)};
}

std::pair<Descriptor, int> accept_connection(int listener) {
  Descriptor socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket.get() < 0) return {Descriptor(), errno};
  set_session_options(socket.get());
  return {std::move(socket), 0};
}

Endpoint local_endpoint(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (getsockname(fd, address.data(), &address.size) != 0) return {};
  return to_endpoint(address);
}

Endpoint peer_endpoint(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (getpeername(fd, address.data(), &address.size) != 0) return {};
  return to_endpoint(address);
}

std::string describe_errno(int number) { return std::generic_category().message(number); }

}  // namespace cluster::net
