#include "agentlib/process_launcher.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "agentlib/task_directory.hpp"
#include "agentlib/task_process.hpp"
#include "base/check.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::agentlib {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t wake_token = 0;
constexpr int removal_pause_ms = 50;
constexpr int removals_max = 200;  // Attempts per group: 10 s. What is left then is left.
constexpr int idle_pause_ms = 60'000;

SandboxKeeper::Clock::time_point time_of(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return SandboxKeeper::Clock::from_time_t(info.st_mtime);
}

}  // namespace

ProcessLauncher::ProcessLauncher(runtime::Host& host, ProcessLauncherOptions options)
    : host_(host),
      options_(std::move(options)),
      keeper_(options_.directory, options_.sandboxes_max, options_.sandbox_age_max),
      outputs_(options_.directory, options_.output_bytes_max, host.logger().with_part("agent")),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CLUSTER_CHECK(epoll_ >= 0 && wake_ >= 0, "the launcher has its descriptors", errno);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = wake_token}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  // The host's signals are not for this thread.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { work(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ProcessLauncher::~ProcessLauncher() {
  {
    std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ::eventfd_write(wake_, 1);
  thread_.join();
  for (auto& [key, run] : runs_) {
    if (run.watch >= 0) ::close(run.watch);
    // What is still starting is nobody's to wait for: reap it now, it takes milliseconds.
    if (run.phase == Phase::starting && run.starter > 0) ::waitpid(run.starter, nullptr, 0);
  }
  ::close(wake_);
  ::close(epoll_);
}

void ProcessLauncher::start(LaunchObserver& observer, const std::vector<TaskRow>& known) {
  observer_ = &observer;
  give([this, known] { recover_all(known); });
}

void ProcessLauncher::launch(const TaskKey& key, const Bytes& spec) {
  give([this, key, spec] { launch_fresh(key, spec); });
}

void ProcessLauncher::terminate(const TaskKey& key) {
  give([this, key] { signal(key, terminate_signal); });
}

void ProcessLauncher::destroy(const TaskKey& key) {
  give([this, key] { signal(key, destroy_signal); });
}

void ProcessLauncher::forget(const TaskKey& key) {
  give([this, key] { forget_run(key); });
}

void ProcessLauncher::give(Command command) {
  {
    std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  ::eventfd_write(wake_, 1);
}

void ProcessLauncher::work() {
  epoll_event events[64];
  while (take_commands()) {
    remove_groups();
    if (auto now = SandboxKeeper::Clock::now(); now >= collect_at_) {
      keeper_.collect(now);
      collect_at_ = now + std::chrono::milliseconds(idle_pause_ms);
    }
    outputs_.look(OutputLimiter::Clock::now());
    int count = ::epoll_wait(epoll_, events, 64, pause_ms());
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == wake_token) {
        eventfd_t value = 0;
        ::eventfd_read(wake_, &value);
      } else {
        on_watch(events[i].data.u64);
      }
    }
  }
}

bool ProcessLauncher::take_commands() {
  for (;;) {
    Command command;
    {
      std::lock_guard lock(mutex_);
      // An agent that ends does not begin new things; its checkpoint has them.
      if (is_over_) return false;
      if (commands_.empty()) return true;
      command = std::move(commands_.front());
      commands_.pop_front();
    }
    command();
  }
}

int ProcessLauncher::pause_ms() const {
  int pause = doomed_.empty() ? idle_pause_ms : removal_pause_ms;
  auto now = OutputLimiter::Clock::now();
  if (outputs_.look_at() <= now) return 0;
  if (outputs_.look_at() - now >= std::chrono::milliseconds(pause)) return pause;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(outputs_.look_at() - now);
  return static_cast<int>(left.count());
}

void ProcessLauncher::recover_all(const std::vector<TaskRow>& known) {
  for (const TaskRow& row : known) {
    if (is_terminal(row.status.state)) {
      runs_[row.key].phase = Phase::ended;
      outputs_.end(row.key);
    } else {
      recover(row);
    }
  }
  clean_up();
}

void ProcessLauncher::recover(const TaskRow& row) {
  Run& run = runs_[row.key];
  std::string directory = run_directory(options_.directory, row.key);
  if (options_.cgroups) run.cgroup = options_.cgroups->at(cgroup_name(row.key));
  if (read_end(directory)) return settle(row.key, run);
  if (auto supervisor = read_mark(directory, supervisor_file)) {
    return attach(row.key, run, *supervisor);
  }
  // No supervisor has begun. One may be about to: the first to make the file is the only one.
  if (!row.kill_requested) return begin(row.key, run, row.spec);
  std::error_code error;
  fs::create_directories(directory, error);
  int taken =
      write_file(directory, supervisor_file, encode(mark_of(::getpid())), {.exclusive = true});
  auto supervisor = read_mark(directory, supervisor_file);
  if (taken == EEXIST && supervisor) return attach(row.key, run, *supervisor);
  end(row.key, run, TaskEnd{.message = "killed before it was started"});
}

void ProcessLauncher::clean_up() {
  std::error_code error;
  for (fs::directory_iterator framework(tasks_directory(options_.directory), error), last;
       !error && framework != last; framework.increment(error)) {
    std::error_code inner;
    for (fs::directory_iterator task(framework->path(), inner); !inner && task != last;
         task.increment(inner)) {
      TaskKey key{FrameworkId(framework->path().filename().string()),
                  TaskId(task->path().filename().string())};
      if (!is_safe(key) || runs_.contains(key)) continue;
      std::error_code ignored;
      fs::remove_all(run_directory(options_.directory, key), ignored);
      keeper_.add(key, time_of(sandbox_directory(options_.directory, key)));
    }
  }
  if (!options_.cgroups) return;
  std::set<std::string> wanted;
  for (const auto& [key, run] : runs_) {
    if (run.phase != Phase::ended) wanted.insert(cgroup_name(key));
  }
  for (const std::string& name : list_cgroups(*options_.cgroups)) {
    if (!wanted.contains(name)) doomed_.push_back({.cgroup = options_.cgroups->at(name)});
  }
}

void ProcessLauncher::launch_fresh(const TaskKey& key, const Bytes& spec) {
  CLUSTER_CHECK(!runs_.contains(key), "a task is launched once", key.task);
  // An earlier task of the same name may have left its sandbox.
  std::error_code error;
  fs::remove_all(task_directory(options_.directory, key), error);
  keeper_.drop(key);
  begin(key, runs_[key], spec);
}

void ProcessLauncher::begin(const TaskKey& key, Run& run, const Bytes& spec) {
  auto fail = [&](std::string why) {
    end(key, run, TaskEnd{.reason = "launch_failed", .message = std::move(why)});
  };
  std::string sandbox = sandbox_directory(options_.directory, key);
  std::string directory = run_directory(options_.directory, key);
  std::error_code error;
  fs::create_directories(sandbox, error);
  if (!error) fs::create_directories(directory, error);
  if (error) return fail("cannot make its sandbox " + sandbox + ": " + error.message());

  auto decoded = wire::decode_task_spec(spec.view());
  if (!decoded) return fail(decoded.error().context);
  auto order = make_order(key, options_.agent, *decoded, sandbox);
  if (!order) return fail(order.error().context);
  if (options_.cgroups) {
    auto cgroup = options_.cgroups->make(cgroup_name(key), decoded->resources);
    if (!cgroup) return fail(cgroup.error().context);
    run.cgroup = std::move(*cgroup);
    // An earlier task of this name may have left its groups to be removed: they are in use again.
    std::erase_if(doomed_, [&](const Doomed& doomed) {
      return doomed.cgroup.directories == run.cgroup.directories;
    });
    order->cgroups = run.cgroup.directories;
    order->oom_file = run.cgroup.oom_file;
  }
  if (int code = write_file(directory, order_file, encode(*order), {.durable = false})) {
    return fail("cannot write " + directory + ": " + std::strerror(code));
  }
  auto starter = start_supervisor(options_.supervisor, directory);
  if (!starter) return fail(starter.error().context);
  run.starter = *starter;
  int pidfd = open_pidfd(*starter);
  if (pidfd < 0) return on_starter_ended(key, run);
  watch(key, run, pidfd);
}

void ProcessLauncher::watch(const TaskKey& key, Run& run, int pidfd) {
  run.watch = pidfd;
  run.token = ++last_token_;
  watched_.emplace(run.token, key);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = run.token}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, pidfd, &event);
}

void ProcessLauncher::unwatch(Run& run) {
  if (run.watch < 0) return;
  ::close(run.watch);  // Leaves epoll by it.
  run.watch = -1;
  watched_.erase(run.token);
}

void ProcessLauncher::on_watch(std::uint64_t token) {
  auto found = watched_.find(token);
  if (found == watched_.end()) return;
  TaskKey key = found->second;
  Run& run = runs_.at(key);
  unwatch(run);
  if (run.phase == Phase::starting) {
    on_starter_ended(key, run);
  } else {
    settle(key, run);
  }
}

void ProcessLauncher::on_starter_ended(const TaskKey& key, Run& run) {
  int status = 0;
  // A host that reaps all children takes the status away; the files tell all the same.
  pid_t reaped = ::waitpid(run.starter, &status, 0);
  run.starter = 0;
  std::string directory = run_directory(options_.directory, key);
  if (auto supervisor = read_mark(directory, supervisor_file)) {
    return attach(key, run, *supervisor);
  }
  std::string why = options_.supervisor + " did not start the task";
  if (reaped > 0 && WIFEXITED(status)) {
    why += " (it exited with code " + std::to_string(WEXITSTATUS(status)) + ")";
  }
  end(key, run, TaskEnd{.reason = "launch_failed", .message = std::move(why)});
}

void ProcessLauncher::attach(const TaskKey& key, Run& run, const ProcessMark& supervisor) {
  int pidfd = open_pidfd(supervisor.pid);
  // Looked at after the descriptor is open: from then on the number can't become another's.
  if (pidfd < 0 || !is_alive(supervisor)) {
    if (pidfd >= 0) ::close(pidfd);
    return settle(key, run);
  }
  run.phase = Phase::running;
  outputs_.begin(key);
  watch(key, run, pidfd);
  if (!read_end(run_directory(options_.directory, key))) tell_start(key, run);
  if (run.wants_terminate) send_signal(run.watch, terminate_signal);
  if (run.wants_destroy) send_signal(run.watch, destroy_signal);
}

// The supervisor is gone; what it left tells how the task ended.
void ProcessLauncher::settle(const TaskKey& key, Run& run) {
  std::string directory = run_directory(options_.directory, key);
  if (auto recorded = read_end(directory)) {
    // Of a task that ended at once its start was not told; a failed launch has none.
    if (recorded->reason != "launch_failed") tell_start(key, run);
    return end(key, run, std::move(*recorded));
  }
  kill_leftovers(directory, sandbox_directory(options_.directory, key), run.cgroup);
  end(key, run,
      TaskEnd{.reason = "supervisor_died",
              .message = "its supervisor died, and how the task ended is not known"});
}

void ProcessLauncher::tell_start(const TaskKey& key, Run& run) {
  if (std::exchange(run.has_told_start, true)) return;
  host_.post(lifeline_.guard([this, key] { observer_->on_task_started(key); }));
}

void ProcessLauncher::end(const TaskKey& key, Run& run, TaskEnd how) {
  run.phase = Phase::ended;
  outputs_.end(key);
  if (!run.cgroup.directories.empty()) doomed_.push_back({.cgroup = std::move(run.cgroup)});
  run.cgroup = {};
  host_.post(
      lifeline_.guard([this, key, how = std::move(how)] { observer_->on_task_ended(key, how); }));
}

void ProcessLauncher::signal(const TaskKey& key, int number) {
  auto found = runs_.find(key);
  if (found == runs_.end()) return;
  Run& run = found->second;
  if (run.phase == Phase::running) return send_signal(run.watch, number);
  // Not yet there to be signalled.
  if (number == terminate_signal) run.wants_terminate = true;
  if (number == destroy_signal) run.wants_destroy = true;
}

void ProcessLauncher::forget_run(const TaskKey& key) {
  auto found = runs_.find(key);
  if (found == runs_.end()) return;
  CLUSTER_CHECK(found->second.phase == Phase::ended, "only an ended task is forgotten", key.task);
  runs_.erase(found);
  // With it goes what a later task of the same name would be taken for.
  std::error_code error;
  fs::remove_all(run_directory(options_.directory, key), error);
  if (!fs::exists(sandbox_directory(options_.directory, key), error)) return;
  keeper_.add(key, SandboxKeeper::Clock::now());
  keeper_.collect(SandboxKeeper::Clock::now());
}

void ProcessLauncher::remove_groups() {
  std::erase_if(doomed_, [](Doomed& doomed) {
    kill_cgroups(doomed.cgroup.directories);
    return remove_cgroup(doomed.cgroup) || ++doomed.attempts >= removals_max;
  });
}

}  // namespace cluster::agentlib
