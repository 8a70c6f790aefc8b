// `cluster agents`: the machines, what they have, and what holds tasks to their limits.
#include "client.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {

int cmd_agents(const ListOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto agents = (*client)->ask<wire::AgentRows>(wire::GetAgents{});
  if (!agents) return fail(agents.error());

  Listing list({{"id", "AGENT"},
                {"hostname", "HOST"},
                {"endpoint", "ENDPOINT"},
                {"state", "STATE"},
                {"tasks", "TASKS"},
                {"cpus_used", ""},
                {"cpus", "CPUS"},
                {"mem_used", ""},
                {"mem", "MEM"},
                {"resources", ""},
                {"since", "SINCE"},
                {"isolation", "ISOLATION"}});
  auto part_of = [](Scalar used, Scalar total) {
    return used.to_string() + "/" + total.to_string();
  };
  for (const auto& row : agents->rows) {
    const AgentRecord& record = row.record;
    bool lost = record.state == AgentRecord::State::lost;
    list.add(
        {record.id.value(), record.hostname, to_string(record.endpoint),
         lost            ? "lost"
         : row.connected ? "registered"
                         : "disconnected",
         Cell::number(row.tasks), Cell::real(row.used.cpus().to_double()),
         Cell::real(record.total.cpus().to_double(), part_of(row.used.cpus(), record.total.cpus())),
         Cell::real(row.used.mem().to_double()),
         Cell::real(record.total.mem().to_double(), part_of(row.used.mem(), record.total.mem())),
         record.total.to_string(), Cell(iso_text(record.since), age_text(age_of(record.since))),
         record.isolation});
  }
  list.print(options.json);
  return 0;
}

}  // namespace cluster::app
