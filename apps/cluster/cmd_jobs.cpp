// `cluster jobs`: what was submitted, and how far it is.
#include <algorithm>

#include "client.hpp"
#include "job_text.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {

int cmd_jobs(const ListOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto jobs = (*client)->ask<wire::JobRows>(wire::GetJobs{});
  if (!jobs) return fail(jobs.error());

  Listing list({{"id", "JOB"},
                {"name", "NAME"},
                {"kind", "KIND"},
                {"state", "STATE"},
                {"tasks", "TASKS"},
                {"waiting", "WAITING"},
                {"launched", "LAUNCHED"},
                {"succeeded", "SUCCEEDED"},
                {"failed", "FAILED"},
                {"launches", ""},
                {"failures", "FAILURES"},
                {"losses", "LOSSES"},
                {"submitted", "AGE"},
                {"ended", ""},
                {"message", "MESSAGE"}});
  auto number = [](std::uint64_t n) { return Cell::number(static_cast<std::int64_t>(n)); };
  std::stable_sort(jobs->jobs.begin(), jobs->jobs.end(), [](const auto& a, const auto& b) {
    return a.submitted_at > b.submitted_at;  // The newest first, as tasks are.
  });
  for (const JobRecord& job : jobs->jobs) {
    JobCount count = count_tasks(job);
    list.add(
        {job.spec.id.value(), job.spec.name,
         job.spec.kind == JobKind::service ? "service" : "batch", std::string(to_string(job.state)),
         number(count.total), number(is_terminal(job.state) ? 0 : count.waiting),
         number(count.launched), number(count.succeeded), number(count.failed),
         number(count.launches), number(count.failures), number(count.losses),
         Cell(iso_text(job.submitted_at), age_text(age_of(job.submitted_at))),
         job.ended_at == WallTime{} ? Cell::none() : Cell(iso_text(job.ended_at)), job.message});
  }
  list.print(options.json);
  return 0;
}

}  // namespace cluster::app
