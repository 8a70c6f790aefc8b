// `cluster kill`: ends one task by its kill policy, or stops a whole job.
#include <cstdio>

#include "client.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

Result<void> wait_for_end(Client& client, const JobId& job) {
  std::uint64_t revision = 0;
  while (true) {
    auto answer = client.ask<wire::JobAnswer>(
        wire::GetJob{.job = job, .after = revision, .wait = std::chrono::seconds(5)});
    if (!answer) return std::move(answer).error();
    if (is_terminal(answer->job.state)) return {};
    revision = answer->job.revision;
  }
}

}  // namespace

int cmd_kill(const KillOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());

  // Jobs and tasks have ids of one shape: what is a job's id is the job.
  auto jobs = (*client)->ask<wire::JobRows>(wire::GetJobs{});
  if (!jobs) return fail(jobs.error());
  std::vector<std::string> known;
  for (const auto& job : jobs->jobs) {
    known.push_back(job.spec.id.value());
    if (job.spec.id.value() != options.target) continue;
    if (is_terminal(job.state)) {
      std::printf("job %s has ended already: %s\n", options.target.c_str(),
                  std::string(to_string(job.state)).c_str());
      return 0;
    }
    auto stopped = (*client)->ask<wire::Done>(wire::StopJobRequest{.job = job.spec.id});
    if (!stopped) return fail(stopped.error());
    if (options.wait) {
      auto ended = wait_for_end(**client, job.spec.id);
      if (!ended) return fail(ended.error());
    }
    std::printf("%s job %s\n", options.wait ? "stopped" : "stopping", options.target.c_str());
    return 0;
  }
  auto killed = (*client)->ask<wire::Done>(wire::KillTaskRequest{.task = TaskId(options.target)});
  if (!killed) {
    std::string meant = nearest(options.target, known);
    if (killed.error().code == Errc::not_found) {
      return fail(Error{Errc::not_found,
                        "no job or living task is called '" + options.target + "'" +
                            (meant.empty() ? "; `cluster jobs` and `cluster tasks` list them"
                                           : "; did you mean '" + meant + "'?")});
    }
    return fail(killed.error());
  }
  std::printf("killing task %s\n", options.target.c_str());
  return 0;
}

}  // namespace cluster::app
