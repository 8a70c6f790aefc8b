// `cluster metrics`: what every master and agent counts, as Prometheus reads it.
#include <cstdio>

#include "client.hpp"
#include "metrics_text.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

struct Asked {
  std::string process;
  Op<wire::AdminBody> answer;
};

}  // namespace

int cmd_metrics(const MetricsOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  Duration patience = std::min<Duration>(options.client.timeout, std::chrono::seconds(3));

  std::vector<Asked> asked;
  auto ask = [&](std::string process, const Endpoint& at) {
    asked.push_back(
        {std::move(process), (*client)->admin().ask_at(at, wire::GetMetrics{}, patience)});
  };
  auto masters = ask_all_members(*client, patience);
  for (std::size_t i = 0; i < masters.size(); ++i) {
    const Endpoint& endpoint = (*client)->masters()[i];
    if (masters[i]) {
      ask("master-" + std::to_string(masters[i]->self.value()), endpoint);
    } else {
      complain(to_string(endpoint) + " is left out: " + masters[i].error().message());
    }
  }
  if (leader_of(masters) != nullptr) {
    auto agents = (*client)->ask<wire::AgentRows>(wire::GetAgents{});
    if (!agents) return fail(agents.error());
    for (const auto& row : agents->rows) {
      if (row.connected) ask("agent-" + row.record.id.value(), row.record.endpoint);
    }
  } else {
    complain("agents are left out: only a leader knows them, and none leads");
  }

  std::vector<ProcessMetrics> processes;
  for (Asked& one : asked) {
    auto answer = node::expect<wire::MetricsAnswer>(one.answer.get());
    if (!answer) {
      complain(one.process + " is left out: " + answer.error().message());
      continue;
    }
    processes.push_back({std::move(one.process), std::move(answer->metrics)});
  }
  std::fputs(to_prometheus(processes).c_str(), stdout);
  return processes.empty() ? 1 : 0;
}

}  // namespace cluster::app
