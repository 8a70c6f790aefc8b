// link: cluster::net
// runs: 5000
// Certificates and keys are files that somebody may have spoiled: they are refused with a reason.
//
// The first byte of an input chooses which of a good set the rest takes the place of.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "net/certificates.hpp"

namespace {

using namespace cluster;

const Certificates& good() {
  static const Certificates one = [] {
    net::Validity validity{WallTime(std::chrono::hours(24 * 365 * 50)),
                           WallTime(std::chrono::hours(24 * 365 * 80))};
    auto authority = net::make_authority("fuzz", validity);
    CLUSTER_CHECK(authority.has_value(), "an authority can be made");
    auto made = net::issue(*authority, {.common_name = "member 1",
                                        .uris = {"cluster:member:1"},
                                        .hosts = {"localhost", "127.0.0.1", "::1"},
                                        .validity = validity});
    CLUSTER_CHECK(made.has_value(), "a certificate can be made");
    return Certificates{made->certificate, made->key, authority->certificate};
  }();
  return one;
}

template <class T>
void look_at(const Result<T>& read) {
  if (!read) CLUSTER_CHECK(!read.error().context.empty(), "a refusal says why");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Certificates set = good();
  switch (data[0] % 4) {
    case 0: set.chain = text; break;
    case 1: set.key = text; break;
    case 2: set.authorities = text; break;
    default:
      look_at(net::issue({text, set.key}, {.common_name = "x",
                                           .uris = {text.substr(0, 40)},
                                           .hosts = {text.substr(0, 20)},
                                           .validity = {}}));
      return 0;
  }
  look_at(net::describe_certificate(text));
  look_at(net::check_certificates(set));
  return 0;
}

std::vector<std::string> fuzz_corpus() {
  return {'\0' + good().chain, '\1' + good().key, '\2' + good().authorities, '\3' + good().chain};
}
