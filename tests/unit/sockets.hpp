// Ports for servers in tests.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <random>

#include "tests/catch.hpp"

namespace cluster::test {

// A port of loopback that nobody uses at this moment, and that the system gives to nobody who asks
// for any: a server may be stopped for a while and find its port free.
inline std::uint16_t free_port() {
  static std::mt19937 random{std::random_device{}()};
  for (;;) {
    auto port = std::uniform_int_distribution<std::uint16_t>(12'000, 32'000)(random);
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool is_free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    ::close(fd);
    if (is_free) return port;
  }
}

}  // namespace cluster::test
