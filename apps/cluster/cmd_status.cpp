// `cluster status`: the whole cluster in a few lines.
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "client.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Summary {
  wire::MasterStatus leader;
  std::size_t masters = 0;
  std::size_t masters_answering = 0;
  std::map<std::string, std::uint64_t> agents;  // By state.
  Resources total, used;
  std::map<std::string, std::uint64_t> tasks, jobs;
};

constexpr Duration election_patience = std::chrono::seconds(5);

// The leader's own answer, asked for `wait` long; while a majority answers also for as long as an
// election may take.
Result<Summary> find_leader(std::unique_ptr<Client>& client, Duration wait) {
  auto began = Clock::now();
  Duration election = std::max(wait, std::min(election_patience, client->timeout()));
  bool said = false;
  while (true) {
    auto answers = ask_all_members(client, std::chrono::seconds(2));
    if (const auto* leader = leader_of(answers)) {
      Summary summary;
      summary.leader = *leader;
      summary.masters = answers.size();
      for (const auto& answer : answers) summary.masters_answering += answer ? 1 : 0;
      return summary;
    }
    std::size_t answering = 0;
    for (const auto& answer : answers) answering += answer ? 1 : 0;
    std::string problem = no_leader_text(answering, answers.size());
    if (answering == 0) problem += " (" + answers.front().error().context + ")";
    Duration patience = is_majority(answering, answers.size()) ? election : wait;
    if (Clock::now() - began >= patience) return Error{Errc::no_leader, problem};
    if (!said) complain(problem + "; waiting for at most " + to_text(patience));
    said = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Result<Summary> summarise(std::unique_ptr<Client>& client, Duration wait) {
  auto summary = find_leader(client, wait);
  if (!summary) return summary;
  auto agents = client->ask<wire::AgentRows>(wire::GetAgents{});
  if (!agents) return std::move(agents).error();
  auto tasks = client->ask<wire::TaskRows>(wire::GetTasks{.limit = 100'000});
  if (!tasks) return std::move(tasks).error();
  auto jobs = client->ask<wire::JobRows>(wire::GetJobs{});
  if (!jobs) return std::move(jobs).error();
  for (const auto& row : agents->rows) {
    bool lost = row.record.state == AgentRecord::State::lost;
    ++summary->agents[lost ? "lost" : row.connected ? "registered" : "disconnected"];
    if (lost) continue;
    summary->total += row.record.total;
    summary->used += row.used;
  }
  for (const auto& row : tasks->rows) {
    bool waits = row.agent.empty() && !is_terminal(row.status.state);
    ++summary->tasks[waits ? "waiting" : std::string(to_string(row.status.state))];
  }
  for (const auto& job : jobs->jobs) ++summary->jobs[std::string(to_string(job.state))];
  return summary;
}

std::string counts_text(const std::map<std::string, std::uint64_t>& counts) {
  std::string text;
  for (const auto& [state, n] : counts) {
    text += (text.empty() ? "" : ", ") + std::to_string(n) + " " + state;
  }
  return text.empty() ? "none" : text;
}

std::string table_of(const Summary& summary) {
  const auto& leader = summary.leader;
  std::string endpoint;
  for (const auto& member : leader.members) {
    if (member.id == leader.self) endpoint = " (" + to_string(member.endpoint) + ")";
  }
  std::string text;
  text += "cluster  " + to_hex(leader.cluster) + "\n";
  text += "leader   master " + std::to_string(leader.self.value()) + endpoint + ", term " +
          std::to_string(leader.term) + "\n";
  text += "masters  " + std::to_string(summary.masters_answering) + " of " +
          std::to_string(summary.masters) + " answer\n";
  text += "agents   " + counts_text(summary.agents) + "\n";
  text += "cpus     " + summary.used.cpus().to_string() + " of " +
          summary.total.cpus().to_string() + " used, mem " + summary.used.mem().to_string() +
          " of " + summary.total.mem().to_string() + " MiB\n";
  text += "tasks    " + counts_text(summary.tasks) + "\n";
  text += "jobs     " + counts_text(summary.jobs) + "\n";
  return text;
}

std::string json_of(const Summary& summary) {
  const auto& leader = summary.leader;
  auto masters = Json::array();
  for (const auto& member : leader.members) {
    masters.push_back({{"id", member.id.value()},
                       {"endpoint", to_string(member.endpoint)},
                       {"reachable", member.reachable}});
  }
  Json root;
  root["cluster"] = to_hex(leader.cluster);
  root["leader"] = leader.self.value();
  root["term"] = leader.term;
  root["pid"] = leader.process;
  root["version"] = leader.version;
  root["masters"] = std::move(masters);
  root["masters_answering"] = summary.masters_answering;
  root["agents"] = summary.agents;
  root["resources"] = summary.total.to_string();
  root["used"] = summary.used.to_string();
  root["tasks"] = summary.tasks;
  root["jobs"] = summary.jobs;
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

int cmd_status(const StatusOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto summary = summarise(*client, options.wait);
  if (!summary) return fail(summary.error());
  std::string text = options.json ? json_of(*summary) : table_of(*summary);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace cluster::app
