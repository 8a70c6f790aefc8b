// `cluster frameworks`: who schedules on this cluster, and what each uses.
#include "client.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {

int cmd_frameworks(const ListOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto frameworks = (*client)->ask<wire::FrameworkRows>(wire::GetFrameworks{});
  if (!frameworks) return fail(frameworks.error());

  Listing list({{"id", "FRAMEWORK"},
                {"name", "NAME"},
                {"role", "ROLE"},
                {"state", "STATE"},
                {"tasks", "TASKS"},
                {"resources", "USES"},
                {"since", "SINCE"}});
  for (const auto& row : frameworks->rows) {
    bool removed = row.record.state == FrameworkRecord::State::removed;
    list.add({row.record.id.value(), row.record.name, row.record.role,
              removed         ? "removed"
              : row.connected ? "connected"
                              : "disconnected",
              Cell::number(row.tasks), row.used.to_string(),
              Cell(iso_text(row.record.since), age_text(age_of(row.record.since)))});
  }
  list.print(options.json);
  return 0;
}

}  // namespace cluster::app
