// `cluster submit`: hands a job file over; the job then lives without this program.
#include <cstdio>

#include "client.hpp"
#include "job_file.hpp"
#include "job_text.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

// A service is followed until each instance is launched, a batch to its end.
int follow(Client& client, const JobId& id) {
  std::uint64_t revision = 0;
  std::string said;
  while (true) {
    auto answer = client.ask<wire::JobAnswer>(
        wire::GetJob{.job = id, .after = revision, .wait = std::chrono::seconds(5)});
    if (!answer && answer.error().code == Errc::no_leader) {
      complain(answer.error().context + "; still trying");
      continue;
    }
    if (!answer) return fail(answer.error());
    const JobRecord& job = answer->job;
    revision = job.revision;
    std::string progress = progress_text(job);
    if (progress != said) std::fprintf(stderr, "%s: %s\n", id.value().c_str(), progress.c_str());
    said = progress;
    if (is_terminal(job.state)) {
      std::fprintf(stderr, "%s: %s%s%s\n", id.value().c_str(),
                   std::string(to_string(job.state)).c_str(), job.message.empty() ? "" : ": ",
                   job.message.c_str());
      return exit_code_of(job);
    }
    JobCount count = count_tasks(job);
    if (job.spec.kind == JobKind::service && count.launched == count.total) return 0;
  }
}

}  // namespace

int cmd_submit(const SubmitOptions& options) {
  auto job = read_job_file(options.file);
  if (!job) return fail(job.error());
  if (options.check) {
    std::size_t tasks = 0;
    for (const StageSpec& stage : job->stages) tasks += stage.instances;
    std::printf("%s is right: a %s of %s in %s\n", options.file.c_str(),
                job->kind == JobKind::service ? "service" : "batch",
                count_of(tasks, "task").c_str(), count_of(job->stages.size(), "stage").c_str());
    return 0;
  }
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto submitted = (*client)->ask_any(wire::SubmitJobRequest{.job = *job});
  if (!submitted) return fail(submitted.error());
  std::printf("%s\n", job->id.value().c_str());
  std::fflush(stdout);
  return options.wait ? follow(**client, job->id) : 0;
}

}  // namespace cluster::app
