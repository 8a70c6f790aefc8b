#include "client.hpp"

#include <cstdlib>

#include "base/endpoint.hpp"
#include "local_cluster.hpp"

namespace cluster::app {
namespace {

Result<std::vector<Endpoint>> named_masters(const char* where, const std::string& text) {
  auto endpoints = parse_endpoints(text);
  if (!endpoints) {
    return Error{Errc::invalid_argument, std::string(where) + ": " + endpoints.error().context};
  }
  return endpoints;
}

}  // namespace

Result<std::vector<Endpoint>> find_masters(const ClientOptions& options) {
  if (!options.masters.empty()) return named_masters("--master", options.masters);
  const char* variable = std::getenv("CLUSTER_MASTERS");
  if (options.directory.empty() && variable != nullptr && *variable != '\0') {
    return named_masters("CLUSTER_MASTERS", variable);
  }
  std::string directory = chosen_directory(options.directory);
  auto cluster = load_local_cluster(directory);
  if (!cluster) return std::move(cluster).error();
  if (*cluster) return (*cluster)->master_endpoints();
  return Error{Errc::not_found, "no cluster found in " + directory +
                                    "; start one with `cluster up`, or name its masters with "
                                    "--master HOST:PORT or CLUSTER_MASTERS"};
}

Result<std::unique_ptr<Client>> Client::open(const ClientOptions& options) {
  auto masters = find_masters(options);
  if (!masters) return std::move(masters).error();
  return std::make_unique<Client>(*std::move(masters), options.timeout);
}

Client::Client(std::vector<Endpoint> masters, Duration timeout)
    : masters_(std::move(masters)),
      timeout_(timeout),
      runtime_(Runtime::threads({.deliver_on_node_thread = true})),
      admin_(runtime_.host(), masters_) {}

std::vector<Result<wire::MasterStatus>> ask_all_masters(Client& client, Duration timeout) {
  std::vector<Op<wire::AdminBody>> asked;
  for (const Endpoint& master : client.masters()) {
    asked.push_back(client.admin().ask_at(master, wire::GetStatus{}, timeout));
  }
  std::vector<Result<wire::MasterStatus>> answers;
  for (auto& op : asked) answers.push_back(node::expect<wire::MasterStatus>(op.get()));
  return answers;
}

const wire::MasterStatus* leader_of(const std::vector<Result<wire::MasterStatus>>& answers) {
  const wire::MasterStatus* leader = nullptr;
  for (const auto& answer : answers) {
    if (!answer || !answer->leader || answer->leader != answer->self) continue;
    if (leader == nullptr || answer->term > leader->term) leader = &*answer;
  }
  return leader;
}

}  // namespace cluster::app
