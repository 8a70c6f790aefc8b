// `cluster logs`: what a task has written, from the agent that ran it.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include "client.hpp"
#include "options.hpp"
#include "output_streamer.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

// The task with this id; of several frameworks' or of attempts, the one launched last.
Result<wire::TaskRow> find_task(Client& client, const std::string& id) {
  auto rows = client.ask<wire::TaskRows>(wire::GetTasks{.limit = 100'000});
  if (!rows) return std::move(rows).error();
  const wire::TaskRow* found = nullptr;
  std::vector<std::string> known;
  for (const auto& row : rows->rows) {
    known.push_back(row.key.task.value());
    if (row.key.task.value() != id) continue;
    if (found == nullptr || row.launched_at >= found->launched_at) found = &row;
  }
  if (found == nullptr) {
    for (const auto& row : rows->rows) {
      if (!row.job || row.job->job.value() != id) continue;
      return Error{Errc::not_found, "'" + id + "' is a job; name one of its tasks, such as '" +
                                        row.key.task.value() + "' (`cluster tasks --job " + id +
                                        "` lists them)"};
    }
    std::string meant = nearest(id, known);
    return Error{Errc::not_found, "no task is called '" + id + "'" +
                                      (meant.empty() ? "; `cluster tasks` lists them"
                                                     : "; did you mean '" + meant + "'?")};
  }
  if (found->agent.empty()) {
    return Error{Errc::not_found, "task '" + id + "' has not run yet" +
                                      (found->why.empty() ? "" : ": " + found->why)};
  }
  return *found;
}

}  // namespace

int cmd_logs(const LogsOptions& options) {
  SignalWait signals;
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto row = find_task(**client, options.task);
  if (!row) return fail(row.error());

  std::unique_ptr<OutputStreamer> streamer;
  std::string problem;
  int output_error = 0;
  auto& host = (*client)->host();
  runtime::run_on_node(host, [&] {
    streamer = std::make_unique<OutputStreamer>(
        (*client)->admin(), host,
        wire::GetTasks{.job = row->job ? row->job->job : JobId(), .limit = 100'000}, options.follow,
        OutputStreamer::Hooks{.on_data =
                                  [&](const TaskKey&, bool, ByteView data) {
                                    std::fwrite(data.data(), 1, data.size(), stdout);
                                    bool is_written =
                                        std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
                                    if (is_written || output_error != 0) return;
                                    output_error = errno;
                                    signals.wake();
                                  },
                              .on_end =
                                  [&](const TaskKey&, bool, const std::string& why) {
                                    problem = why;
                                    signals.wake();
                                  }});
    streamer->add(row->key, options.standard_error);
  });
  int signal = signals.wait();
  runtime::run_on_node(host, [&] { streamer.reset(); });
  if (signal != 0) return 128 + signal;
  if (output_error == EPIPE) return 128 + SIGPIPE;  // Who reads has enough: `| head`.
  if (output_error != 0) problem = std::string("cannot write it: ") + std::strerror(output_error);
  if (problem.empty()) return 0;
  complain("the output of " + options.task + " is not complete: " + problem);
  return 1;
}

}  // namespace cluster::app
