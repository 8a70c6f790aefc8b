// Endpoints from text.
#pragma once

#include <string_view>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster {

// "10.0.0.1:5050", "[::1]:5050", "host:5050". The error says what is wrong with which part.
Result<Endpoint> parse_endpoint(std::string_view text);

// The same, separated by commas; at least one.
Result<std::vector<Endpoint>> parse_endpoints(std::string_view text);

// 127.0.0.0/8, ::1 or "localhost": reachable from this machine only.
bool is_loopback(const Endpoint&);

}  // namespace cluster
