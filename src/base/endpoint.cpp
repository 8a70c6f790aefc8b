#include "base/endpoint.hpp"

#include <charconv>

namespace cluster {

std::string to_string(const Endpoint& endpoint) {
  bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  auto wrong = [&](std::string_view what) {
    return Error{Errc::invalid_argument, "'" + std::string(text) + "' is no address: " +
                                             std::string(what) + "; write HOST:PORT"};
  };
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("the port is missing");
  std::string_view host = text.substr(0, colon);
  std::string_view port = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("an IPv6 host stands in brackets");
  }
  if (host.empty()) return wrong("the host is missing");
  std::uint16_t number = 0;
  auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (failure != std::errc{} || end != port.data() + port.size())
    return wrong("a port is a number from 0 to 65535");
  return Endpoint{.host = std::string(host), .port = number};
}

Result<std::vector<Endpoint>> parse_endpoints(std::string_view text) {
  std::vector<Endpoint> endpoints;
  for (std::size_t at = 0; at <= text.size();) {
    auto comma = std::min(text.find(',', at), text.size());
    auto endpoint = parse_endpoint(text.substr(at, comma - at));
    if (!endpoint) return std::move(endpoint).error();
    endpoints.push_back(*std::move(endpoint));
    at = comma + 1;
  }
  return endpoints;
}

bool is_loopback(const Endpoint& endpoint) {
  const std::string& host = endpoint.host;
  // A name may begin with digits too ("127.example.com") and lead anywhere.
  bool is_numeric = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "::1" || (is_numeric && host.starts_with("127."));
}

}  // namespace cluster
