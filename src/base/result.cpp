#include "cluster/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace cluster {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::ok: return "ok";
    case Errc::invalid_argument: return "invalid argument";
    case Errc::not_found: return "not found";
    case Errc::already_exists: return "already exists";
    case Errc::fenced: return "fenced";
    case Errc::no_leader: return "no leader";
    case Errc::timed_out: return "timed out";
    case Errc::closed: return "closed";
    case Errc::overloaded: return "overloaded";
    case Errc::too_large: return "too large";
    case Errc::truncated: return "truncated";
    case Errc::corrupt: return "corrupt";
    case Errc::storage: return "storage failed";
    case Errc::unreachable: return "unreachable";
    case Errc::protocol: return "protocol error";
    case Errc::wrong_cluster: return "wrong cluster";
    case Errc::unsupported: return "unsupported";
    case Errc::permission: return "not permitted";
    case Errc::address_in_use: return "address in use";
    case Errc::would_deadlock: return "would deadlock";
    case Errc::insufficient: return "not enough resources";
    case Errc::disk_full: return "disk full";
    case Errc::read_only: return "read-only file system";
    case Errc::cancelled: return "cancelled";
    case Errc::failed: return "failed";
  }
  return "unknown error";
}

std::string Error::message() const {
  std::string text(to_string(code));
  if (!context.empty()) text += ": " + context;
  if (outcome == Outcome::maybe) text += " (may have been applied)";
  return text;
}

Exception::Exception(Error error) : error_(std::move(error)), message_(error_.message()) {}

namespace detail {

void throw_error(const Error& error) {
#if defined(__cpp_exceptions)
  throw Exception(error);
#else
  std::fprintf(stderr, "%s\n", error.message().c_str());
  std::abort();
#endif
}

}  // namespace detail
}  // namespace cluster
