#include "client.hpp"

#include <cstdlib>
#include <set>

#include "base/endpoint.hpp"
#include "local_cluster.hpp"
#include "security.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

constexpr Duration quiet_max = std::chrono::seconds(1);  // Then a person wonders.

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<Security> security_for(const SecurityOptions& options) {
  auto named = named_security(options);
  if (!named || !std::holds_alternative<std::monostate>(*named)) return named;
  SecurityOptions by_variable{.directory = variable("CLUSTER_CERTS")};
  auto found = named_security(by_variable);
  if (!found || !std::holds_alternative<std::monostate>(*found)) return found;
  return Error{Errc::invalid_argument,
               "masters that are named need certificates: --certs DIR or CLUSTER_CERTS (of a "
               "cluster that `up` started, DIR/certs/client-local); or --insecure, where they "
               "speak plain text"};
}

Result<FoundCluster> named_cluster(const char* where, const std::string& text,
                                   const SecurityOptions& options) {
  auto endpoints = parse_endpoints(text);
  if (!endpoints) {
    return Error{Errc::invalid_argument, std::string(where) + ": " + endpoints.error().context};
  }
  auto security = security_for(options);
  if (!security) return std::move(security).error();
  return FoundCluster{.masters = *std::move(endpoints), .security = *std::move(security)};
}

}  // namespace

Result<FoundCluster> find_cluster(const ClientOptions& options) {
  if (!options.masters.empty()) {
    return named_cluster("--master", options.masters, options.security);
  }
  std::string named = variable("CLUSTER_MASTERS");
  if (options.directory.empty() && !named.empty()) {
    return named_cluster("CLUSTER_MASTERS", named, options.security);
  }
  std::string directory = chosen_directory(options.directory);
  auto cluster = load_local_cluster(directory);
  if (!cluster) return std::move(cluster).error();
  if (!*cluster) {
    return Error{Errc::not_found, "no cluster found in " + directory +
                                      "; start one with `cluster up`, or name its masters with "
                                      "--master HOST:PORT or CLUSTER_MASTERS"};
  }
  auto security = named_security(options.security);
  if (!security) return std::move(security).error();
  bool is_named = !std::holds_alternative<std::monostate>(*security);
  return FoundCluster{.masters = (*cluster)->master_endpoints(),
                      .security = is_named ? *std::move(security) : (*cluster)->security()};
}

Result<std::unique_ptr<Client>> Client::open(const ClientOptions& options) {
  auto cluster = find_cluster(options);
  if (!cluster) return std::move(cluster).error();
  return std::make_unique<Client>(*std::move(cluster), options.timeout);
}

Client::Client(FoundCluster cluster, Duration timeout)
    : cluster_(std::move(cluster)),
      timeout_(timeout),
      runtime_(Runtime::threads({.security = cluster_.security, .deliver_on_node_thread = true})),
      admin_(runtime_.host(), cluster_.masters) {}

Result<wire::AdminBody> Client::ask_any(wire::AdminBody question, Duration timeout) {
  Duration quiet = quiet_max;
  if (auto* get_job = std::get_if<wire::GetJob>(&question)) quiet += get_job->wait;
  if (auto* watch = std::get_if<wire::WatchKeys>(&question)) quiet += watch->wait;
  std::unique_ptr<runtime::Alarm> alarm;
  runtime::run_on_node(host(), [&] {
    alarm = host().make_alarm([this, timeout] {
      if (std::exchange(has_said_, true)) return;
      std::string known;
      for (const auto& master : masters()) known += (known.empty() ? "" : ", ") + to_string(master);
      complain("waiting for a master that leads (known: " + known + "), at most " +
               to_text(timeout));
    });
    alarm->set(host().now() + quiet);
  });
  auto answer = admin_.ask(std::move(question), timeout).get();
  runtime::run_on_node(host(), [&] { alarm.reset(); });
  return answer;
}

std::vector<Result<wire::MasterStatus>> ask_all_masters(Client& client, Duration timeout) {
  std::vector<Op<wire::AdminBody>> asked;
  for (const Endpoint& master : client.masters()) {
    asked.push_back(client.admin().ask_at(master, wire::GetStatus{}, timeout));
  }
  std::vector<Result<wire::MasterStatus>> answers;
  for (auto& op : asked) answers.push_back(node::expect<wire::MasterStatus>(op.get()));
  return answers;
}

std::vector<Result<wire::MasterStatus>> ask_all_members(std::unique_ptr<Client>& client,
                                                        Duration timeout) {
  auto answers = ask_all_masters(*client, timeout);
  std::set<Endpoint> asked(client->masters().begin(), client->masters().end());
  for (const auto& answer : answers) {
    if (!answer || answer->members.empty()) continue;
    std::vector<Endpoint> all;
    for (const auto& member : answer->members) all.push_back(member.endpoint);
    if (asked == std::set<Endpoint>(all.begin(), all.end())) break;
    client = std::make_unique<Client>(
        FoundCluster{.masters = std::move(all), .security = client->security()}, client->timeout());
    return ask_all_masters(*client, timeout);
  }
  return answers;
}

bool is_majority(std::size_t answering, std::size_t masters) { return answering > masters / 2; }

std::string no_leader_text(std::size_t answering, std::size_t masters) {
  std::string of = std::to_string(answering) + " of " + count_of(masters, "master") +
                   (answering == 1 ? " answers" : " answer");
  if (answering == 0) return "no master answers";
  if (is_majority(answering, masters)) return of + ", enough to elect one, but none leads yet";
  return "no master leads: " + of + ", and " + std::to_string(masters / 2 + 1) + " are needed";
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
