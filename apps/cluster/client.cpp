#include "client.hpp"

#include <cstdlib>
#include <set>

#include "base/endpoint.hpp"
#include "local_cluster.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

constexpr Duration quiet_max = std::chrono::seconds(1);  // Then a person wonders.

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
      runtime_(Runtime::threads({.security = Insecure{}, .deliver_on_node_thread = true})),
      admin_(runtime_.host(), masters_) {}

Result<wire::AdminBody> Client::ask_any(wire::AdminBody question) {
  Duration quiet = quiet_max;
  if (auto* get_job = std::get_if<wire::GetJob>(&question)) quiet += get_job->wait;
  std::unique_ptr<runtime::Alarm> alarm;
  runtime::run_on_node(host(), [&] {
    alarm = host().make_alarm([this] {
      if (std::exchange(has_said_, true)) return;
      std::string known;
      for (const auto& master : masters_) known += (known.empty() ? "" : ", ") + to_string(master);
      complain("waiting for a master that leads (known: " + known + "), at most " +
               to_text(timeout_));
    });
    alarm->set(host().now() + quiet);
  });
  auto answer = admin_.ask(std::move(question), timeout_).get();
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
    client = std::make_unique<Client>(std::move(all), client->timeout());
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
