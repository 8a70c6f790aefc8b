// link: cluster::base
// What people say in words: each reader refuses it with a reason, or what it understood
// can be said again.
//
// The first byte of an input chooses: a join token, endpoints, or resources.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "base/endpoint.hpp"
#include "cluster/members.hpp"
#include "cluster/resources.hpp"

namespace {

using namespace cluster;

// Whether it was understood.
template <class T>
bool is_good(const Result<T>& read) {
  if (!read) CLUSTER_CHECK(!read.error().context.empty(), "a refusal says why");
  return read.has_value();
}

void read_token(ByteView text) {
  auto token = parse_join_token(text);
  if (!is_good(token)) return;
  auto again = parse_join_token(to_string(*token));
  CLUSTER_CHECK(again && *again == *token, "a token can be said again");
}

void read_endpoints(ByteView text) {
  auto endpoints = parse_endpoints(text);
  if (!is_good(endpoints)) return;
  for (const Endpoint& endpoint : *endpoints) {
    auto again = parse_endpoint(to_string(endpoint));
    CLUSTER_CHECK(again && *again == endpoint, "an endpoint can be said again");
  }
}

void read_resources(ByteView text) {
  auto resources = Resources::parse(text);
  if (!is_good(resources)) return;
  auto again = Resources::parse(resources->to_string());
  CLUSTER_CHECK(again && *again == *resources, "resources can be said again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: read_token(text); break;
    case 1: read_endpoints(text); break;
    default: read_resources(text); break;
  }
  return 0;
}

std::vector<std::string> fuzz_corpus() {
  std::vector<std::string> corpus;
  auto add = [&](char kind, std::string_view text) { corpus.push_back(kind + std::string(text)); };
  add(0, to_string(JoinToken{ClusterUid(7), NodeId(4), 99, {{"h", 1}, {"::1", 2}}}));
  add(1, "10.0.0.1:5050,[::1]:5051,host:1");
  add(2, "cpus:4;mem:1024;ports:[31000-31005,31010-31010];racks:{a,b}");
  return corpus;
}
