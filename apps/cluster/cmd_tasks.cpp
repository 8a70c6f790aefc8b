// `cluster tasks`: what runs, what ended how, and what waits for what.
#include <algorithm>

#include "client.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

Cell exit_cell(const TaskStatus& status) {
  if (!status.exit) return Cell::none();
  if (status.exit->signal != 0) {
    return Cell::number(128 + status.exit->signal, "signal " + std::to_string(status.exit->signal));
  }
  return Cell::number(status.exit->code);
}

Cell why_cell(const wire::TaskRow& row) {
  if (!row.why.empty()) return row.why;
  if (row.status.message.empty()) return row.status.reason;
  if (row.status.reason.empty()) return row.status.message;
  return row.status.reason + ": " + row.status.message;
}

}  // namespace

int cmd_tasks(const TasksOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto tasks = (*client)->ask<wire::TaskRows>(wire::GetTasks{
      .job = JobId(options.job), .ended = !options.open_only, .limit = options.limit});
  if (!tasks) return fail(tasks.error());
  if (tasks->rows.empty() && !options.job.empty()) {
    auto jobs = (*client)->ask<wire::JobRows>(wire::GetJobs{});
    if (!jobs) return fail(jobs.error());
    bool known = std::any_of(jobs->jobs.begin(), jobs->jobs.end(), [&](const JobRecord& job) {
      return job.spec.id.value() == options.job;
    });
    if (!known) {
      return fail(Error{Errc::not_found,
                        "no job is called '" + options.job + "'; `cluster jobs` lists them"});
    }
  }

  Listing list({{"id", "TASK"},
                {"framework", ""},
                {"name", "NAME"},
                {"state", "STATE"},
                {"exit", "EXIT"},
                {"job", ""},
                {"stage", ""},
                {"index", ""},
                {"attempt", ""},
                {"agent", ""},
                {"hostname", ""},
                {"agent_endpoint", "AGENT"},
                {"resources", "RESOURCES"},
                {"launched", "AGE"},
                {"updated", ""},
                {"reason", ""},
                {"why", "WHY"}});
  for (const auto& row : tasks->rows) {
    bool waits = row.agent.empty();
    auto of_job = [&](std::uint32_t JobRef::*field) {
      return row.job ? Cell::number((*row.job).*field) : Cell::none();
    };
    bool launched = row.launched_at != WallTime{};
    list.add({row.key.task.value(), row.key.framework.value(), row.name,
              waits && !is_terminal(row.status.state) ? Cell("waiting")
                                                      : std::string(to_string(row.status.state)),
              exit_cell(row.status), row.job ? Cell(row.job->job.value()) : Cell::none(),
              of_job(&JobRef::stage), of_job(&JobRef::index), of_job(&JobRef::attempt),
              row.agent.value(), row.hostname,
              row.agent_endpoint.port == 0 ? Cell("") : to_string(row.agent_endpoint),
              row.resources.to_string(),
              launched ? Cell(iso_text(row.launched_at), age_text(age_of(row.launched_at)))
                       : Cell::none(),
              row.status.at == WallTime{} ? Cell::none() : Cell(iso_text(row.status.at)),
              row.status.reason, why_cell(row)});
  }
  list.print(options.json);
  return 0;
}

}  // namespace cluster::app
