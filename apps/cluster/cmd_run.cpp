// `cluster run`: a batch job whose output and exit code become this program's own.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

#include "client.hpp"
#include "job_text.hpp"
#include "options.hpp"
#include "output_streamer.hpp"
#include "scheduler/job_pieces.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

constexpr Duration job_wait = std::chrono::seconds(5);
constexpr Duration say_why_after = std::chrono::seconds(2);

Result<JobSpec> job_of(const RunOptions& options) {
  JobSpec job;
  std::string program = options.command.front();
  job.name = options.name.empty() ? program.substr(program.rfind('/') + 1) : options.name;
  job.id = new_job_id(job.name);
  StageSpec stage;
  stage.name = "main";
  stage.command.argv = options.command;
  stage.command.environment = options.environment;
  stage.instances = options.instances;
  stage.attempts_max = options.attempts;
  stage.kill_grace = options.kill_grace;
  auto resources = Resources::parse(options.resources);
  if (!resources)
    return Error{Errc::invalid_argument,
                 "--resources \"" + options.resources + "\": " + resources.error().context};
  stage.resources = *std::move(resources);
  stage.resources.set("cpus", Scalar::from_double(options.cpus));
  stage.resources.set("mem", Scalar::from_double(options.mem));
  job.stages.push_back(std::move(stage));
  if (auto problem = problem_of(job); !problem.empty()) {
    return Error{Errc::invalid_argument, problem};
  }
  return job;
}

// Follows one job to its end and prints what its tasks write. Lives on the node thread.
class RunSession {
 public:
  RunSession(Client& client, const JobSpec& job, std::function<void()> on_done)
      : client_(client),
        job_(job.id),
        many_(job.stages.front().instances > 1),
        on_done_(std::move(on_done)),
        streamer_(
            client.admin(), client.host(), wire::GetTasks{.job = job.id, .limit = 100'000}, true,
            {.on_data = [this](const TaskKey& task, bool standard_error,
                               ByteView data) { print(task, standard_error, data); },
             .on_end =
                 [this](const TaskKey& task, bool standard_error, const std::string& problem) {
                   stream_ended(task, standard_error, problem);
                 }}),
        alarm_(client.host().make_alarm([this] { ask_why(); })) {
    alarm_->set(client.host().now() + say_why_after);
    ask_job();
  }

  const JobRecord& job() const { return record_; }
  const std::string& problem() const { return problem_; }
  int output_error() const { return output_error_; }  // An errno; 0: all could be printed.

  void stop() {
    client_.admin()
        .ask(wire::StopJobRequest{.job = job_}, client_.timeout())
        .then(lifeline_.guard([this](Result<wire::AdminBody> answer) {
          if (!answer) complain("cannot stop the job: " + answer.error().context);
          // Nobody can be told to stop it: then at least this command ends.
          if (!answer || output_error_ != 0) finish("");
        }));
  }

 private:
  void ask_job() {
    wire::GetJob question{.job = job_, .after = record_.revision, .wait = job_wait};
    client_.admin()
        .ask(std::move(question), client_.timeout() + job_wait)
        .then(lifeline_.guard([this](Result<wire::AdminBody> body) {
          job_answered(node::expect<wire::JobAnswer>(std::move(body)));
        }));
  }

  void job_answered(Result<wire::JobAnswer> answer) {
    if (!answer) {
      if (answer.error().code == Errc::not_found) return finish(answer.error().context);
      complain(answer.error().context + "; still trying");
      return ask_job();
    }
    record_ = std::move(answer->job);
    if (record_.tasks.empty()) return finish("the master's answer has no tasks");
    for (std::uint32_t index = 0; index < record_.tasks.front().size(); ++index) {
      const JobTask& task = record_.tasks.front()[index];
      if (task.task.empty() || !indices_.emplace(task.task, index).second) continue;
      TaskKey key{.framework = scheduler::jobs_framework(), .task = task.task};
      streamer_.add(key, false);
      streamer_.add(key, true);
    }
    if (!is_terminal(record_.state)) return ask_job();
    job_over_ = true;
    finish_when_idle();
  }

  void stream_ended(const TaskKey& task, bool standard_error, const std::string& problem) {
    flush(task, standard_error);
    if (!problem.empty() && !standard_error) {
      complain("the output of " + task.task.value() + " is not complete: " + problem);
    }
    finish_when_idle();
  }

  void finish_when_idle() {
    if (job_over_ && streamer_.is_idle()) finish("");
  }

  void finish(const std::string& problem) {
    problem_ = problem;
    std::fflush(stdout);
    on_done_();
  }

  // With several instances, whole lines with the index in front.
  void print(const TaskKey& task, bool standard_error, ByteView data) {
    std::FILE* file = standard_error ? stderr : stdout;
    if (output_error_ != 0) return;
    if (!many_) {
      std::fwrite(data.data(), 1, data.size(), file);
      return check_output(file);
    }
    std::string& line = lines_[{task.task, standard_error}];
    for (char c : data) {
      line += c;
      if (c == '\n') flush(task, standard_error);
    }
    check_output(file);
  }

  // Nobody reads what the job goes on to write (`cluster run -- yes | head`): it has no purpose
  // any more, and would fill its agent's disk.
  void check_output(std::FILE* file) {
    // A large write goes past the buffer and fails before the flush, which then has nothing to do.
    bool is_written = std::fflush(file) == 0 && std::ferror(file) == 0;
    if (is_written || file == stderr || output_error_ != 0) return;
    output_error_ = errno;
    stop();
  }

  void flush(const TaskKey& task, bool standard_error) {
    auto at = lines_.find({task.task, standard_error});
    if (at == lines_.end() || at->second.empty()) return;
    std::string text = "[" + std::to_string(indices_[task.task]) + "] " + at->second;
    if (!text.ends_with('\n')) text += '\n';
    std::fwrite(text.data(), 1, text.size(), standard_error ? stderr : stdout);
    at->second.clear();
  }

  // Every two seconds while something waits and nothing runs: the reason, once each.
  void ask_why() {
    if (job_over_) return;
    alarm_->set(client_.host().now() + say_why_after);
    JobCount count = count_tasks(record_);
    if (count.launched > 0 || count.waiting == 0 || asking_why_) return;
    asking_why_ = true;
    client_.admin()
        .ask(wire::GetTasks{.job = job_, .ended = false}, client_.timeout())
        .then(lifeline_.guard([this](Result<wire::AdminBody> body) {
          asking_why_ = false;
          auto rows = node::expect<wire::TaskRows>(std::move(body));
          if (!rows) return;
          for (const auto& row : rows->rows) {
            if (row.why.empty() || !row.agent.empty()) continue;
            if (row.why != said_why_) complain("waiting: " + row.why);
            said_why_ = row.why;
            return;
          }
        }));
  }

  Client& client_;
  JobId job_;
  bool many_;
  std::function<void()> on_done_;
  JobRecord record_;
  std::map<TaskId, std::uint32_t> indices_;
  std::map<std::pair<TaskId, bool>, std::string> lines_;
  bool job_over_ = false;
  std::string problem_;
  int output_error_ = 0;
  std::string said_why_;
  bool asking_why_ = false;
  OutputStreamer streamer_;
  std::unique_ptr<runtime::Alarm> alarm_;
  runtime::Lifeline lifeline_;
};

}  // namespace

int cmd_run(const RunOptions& options) {
  auto job = job_of(options);
  if (!job) return fail(job.error());
  SignalWait signals;
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto submitted = (*client)->ask_any(wire::SubmitJobRequest{.job = *job});
  if (!submitted) return fail(submitted.error());

  std::unique_ptr<RunSession> session;
  runtime::run_on_node((*client)->host(), [&] {
    session = std::make_unique<RunSession>(**client, *job, [&] { signals.wake(); });
  });
  int first_signal = 0;
  while (int signal = signals.wait()) {
    if (first_signal != 0)
      break;  // The second time: at once. The job is being stopped all the same.
    first_signal = signal;
    complain("stopping the job; once more to leave at once");
    runtime::run_on_node((*client)->host(), [&] { session->stop(); });
  }
  int code = 0;
  runtime::run_on_node((*client)->host(), [&] {
    const JobRecord& record = session->job();
    if (!session->problem().empty()) {
      complain(session->problem());
      code = 1;
    } else if (session->output_error() != 0) {
      bool is_closed = session->output_error() == EPIPE;
      if (!is_closed) {
        complain(std::string("cannot write the output: ") + std::strerror(session->output_error()) +
                 "; the job is stopped");
      }
      code = is_closed ? 128 + SIGPIPE : 1;
    } else if (first_signal != 0) {
      code = 128 + first_signal;
    } else {
      code = exit_code_of(record);
      // One task that ended by itself has said all that is to be said.
      bool says_more = record.state == JobState::stopped || options.instances > 1 ||
                       !record.tasks.front().front().exit;
      if (code != 0 && says_more) {
        complain("job " + record.spec.id.value() + " " + std::string(to_string(record.state)) +
                 (record.message.empty() ? "" : ": " + record.message));
      }
    }
    session.reset();
  });
  return code;
}

}  // namespace cluster::app
