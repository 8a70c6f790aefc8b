// Real tasks: supervisors, exits, signals, limits, and what a restarted launcher finds.
#include <signal.h>
#include <unistd.h>

#include <map>
#include <mutex>

#include "agentlib/log_reader.hpp"
#include "agentlib/process_launcher.hpp"
#include "agentlib/task_directory.hpp"
#include "agentlib/task_process.hpp"
#include "net/threads_host.hpp"
#include "tests/unit/agentlib/support.hpp"

using namespace agent_test;

namespace {

const std::string test_cgroup_root = "cluster-test-" + std::to_string(::getpid());

class SeenTasks final : public LaunchObserver {
 public:
  void on_task_started(const TaskKey& key) override {
    std::lock_guard lock(mutex_);
    started_.push_back(key);
  }
  void on_task_ended(const TaskKey& key, const TaskEnd& end) override {
    std::lock_guard lock(mutex_);
    ended_.emplace(key, end);
  }

  bool has_started(const std::string& task) {
    std::lock_guard lock(mutex_);
    return std::find(started_.begin(), started_.end(), key_of(task)) != started_.end();
  }
  std::optional<TaskEnd> end_of(const std::string& task) {
    std::lock_guard lock(mutex_);
    auto found = ended_.find(key_of(task));
    return found == ended_.end() ? std::nullopt : std::optional(found->second);
  }
  std::size_t ended() {
    std::lock_guard lock(mutex_);
    return ended_.size();
  }

 private:
  std::mutex mutex_;
  std::vector<TaskKey> started_;
  std::map<TaskKey, TaskEnd> ended_;
};

bool has_process(pid_t pid) {
  auto stat = stat_of(pid);
  return stat && stat->state != 'Z';
}

// A launcher on a directory; several may follow each other there, as agents' restarts do.
class LauncherWorld {
 public:
  explicit LauncherWorld(bool with_cgroups = false)
      : host_(RuntimeOptions{.security = Insecure{}}) {
    if (!with_cgroups) return;
    auto cgroups = open_cgroups({.root = test_cgroup_root, .agent = "agent-test"});
    if (cgroups) {
      cgroups_ = std::move(*cgroups);
      roots_ = cgroups_->roots();
    } else {
      why_no_cgroups = cgroups.error().context;
    }
  }
  ~LauncherWorld() {
    for (const TaskSpec& spec : launched_) {  // A failed test leaves nothing behind.
      auto supervisor = read_mark(run_directory(path(), {framework, spec.id}), supervisor_file);
      if (supervisor && is_alive(*supervisor)) {
        ::kill(supervisor->pid, destroy_signal);
        eventually([&] { return !has_process(supervisor->pid); });
      }
    }
    close();
    for (const std::string& root : roots_) {
      eventually([&] { return ::rmdir(root.c_str()) == 0 || errno == ENOENT; });
      ::rmdir(std::filesystem::path(root).parent_path().c_str());
    }
  }

  std::uint64_t output_bytes_max = 64 << 20;

  void open(std::vector<TaskRow> known = {}, std::string supervisor = CLUSTER_TEST_SUPERVISOR) {
    seen = std::make_unique<SeenTasks>();
    runtime::run_on_node(host_, [&] {
      launcher_ = std::make_unique<ProcessLauncher>(
          host_, ProcessLauncherOptions{.directory = directory_.path(),
                                        .agent = AgentId("agent-test"),
                                        .supervisor = std::move(supervisor),
                                        .cgroups = std::move(cgroups_),
                                        .isolation = "test",
                                        .sandboxes_max = 3,
                                        .output_bytes_max = output_bytes_max});
      launcher_->start(*seen, known);
    });
  }
  void close() {
    runtime::run_on_node(host_, [&] { launcher_.reset(); });
  }
  template <class F>
  void call(F f) {
    runtime::run_on_node(host_, [&] { f(*launcher_); });
  }
  void launch(const TaskSpec& spec) {
    launched_.push_back(spec);
    call([&](Launcher& launcher) { launcher.launch({framework, spec.id}, wire::encode(spec)); });
  }
  std::optional<TaskEnd> await_end(const std::string& task) {
    eventually([&] { return seen->end_of(task).has_value(); });
    return seen->end_of(task);
  }
  std::string output(const std::string& task, const char* file = "stdout") const {
    return contents_of(sandbox_directory(path(), key_of(task)) + "/" + file);
  }
  const std::string& path() const { return directory_.path(); }

  std::unique_ptr<SeenTasks> seen;
  std::string why_no_cgroups;

 private:
  TestDirectory directory_;
  net::ThreadsHost host_;
  std::unique_ptr<Cgroups> cgroups_;
  std::vector<std::string> roots_;
  std::unique_ptr<ProcessLauncher> launcher_;
  std::vector<TaskSpec> launched_;
};

TaskRow known_row(const TaskSpec& spec, TaskState state = TaskState::running) {
  return {.key = {framework, spec.id},
          .spec = wire::encode(spec),
          .status = {.task = spec.id, .state = state, .sequence = 2}};
}

pid_t pid_in(const std::string& text) { return static_cast<pid_t>(std::atoi(text.c_str())); }

}  // namespace

TEST_CASE("a task's exit code and signal are what its process ended with", "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  world.launch(shell_task("good", "exit 0"));
  world.launch(shell_task("seven", "exit 7"));
  world.launch(shell_task("segv", "kill -SEGV $$"));

  CHECK(world.await_end("good") == TaskEnd{.exit = TaskExit{}});
  CHECK(world.await_end("seven") == TaskEnd{.exit = TaskExit{.code = 7}});
  CHECK(world.await_end("segv") == TaskEnd{.exit = TaskExit{.signal = SIGSEGV}});
  CHECK(world.seen->has_started("seven"));
}

TEST_CASE("a command that can't be run is a failed launch that says why", "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  TaskSpec missing = shell_task("missing", "");
  missing.command = {.argv = {"no-such-program-here"}};
  TaskSpec forbidden = shell_task("forbidden", "");
  forbidden.command = {.argv = {"/etc/passwd"}};
  world.launch(missing);
  world.launch(forbidden);

  auto end = world.await_end("missing");
  REQUIRE(end);
  CHECK(end->reason == "launch_failed");
  CHECK(end->message == "could not run 'no-such-program-here': No such file or directory");
  end = world.await_end("forbidden");
  REQUIRE(end);
  CHECK(end->message == "could not run '/etc/passwd': Permission denied");
  CHECK_FALSE(world.seen->has_started("missing"));
}

TEST_CASE("without its supervisor program a task fails to launch", "[agentlib][process]") {
  LauncherWorld world;
  world.open({}, "/no/such/supervisor");
  world.launch(shell_task("t", "true"));
  auto end = world.await_end("t");
  REQUIRE(end);
  CHECK(end->reason == "launch_failed");
}

TEST_CASE("a task has its own environment, sandbox, output files and session",
          "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  TaskSpec spec = shell_task(
      "t",
      "env | sort; pwd; ls /proc/self/fd | wc -l; cat; echo oops >&2; ps -o sid= -p $$; echo $$");
  spec.command.environment = {{"GREETING", "hello world"}};
  spec.resources = Resources::parse("cpus:0.5;mem:64;ports:[31000-31001,31005-31005]").value();
  world.launch(spec);
  REQUIRE(world.await_end("t") == TaskEnd{.exit = TaskExit{}});

  std::string sandbox = sandbox_directory(world.path(), key_of("t"));
  std::istringstream lines(world.output("t"));
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  REQUIRE(all.size() > 4);
  pid_t self = pid_in(all.back());
  all.pop_back();
  CHECK(pid_in(all.back()) == self);  // It leads its session.
  all.pop_back();
  CHECK(pid_in(all.back()) == 4);  // 0, 1, 2 and the one that ls reads with.
  all.pop_back();
  CHECK(all == std::vector<std::string>{
                   "CLUSTER_AGENT=agent-test", "CLUSTER_CPUS=0.5", "CLUSTER_FRAMEWORK=framework-1",
                   "CLUSTER_MEM=64", "CLUSTER_PORTS=31000-31001,31005",
                   "CLUSTER_SANDBOX=" + sandbox, "CLUSTER_TASK=t", "GREETING=hello world",
                   "HOME=" + sandbox,
                   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                   "PWD=" + sandbox, sandbox});
  CHECK(world.output("t", "stderr") == "oops\n");
}

TEST_CASE("a task that ends on SIGTERM is terminated with its whole group", "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  world.launch(shell_task("t", "sleep 1000 & echo $!; wait"));
  REQUIRE(eventually([&] { return !world.output("t").empty(); }));
  pid_t sleeper = pid_in(world.output("t"));

  world.call([](Launcher& launcher) { launcher.terminate(key_of("t")); });

  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{.signal = SIGTERM}});
  CHECK_FALSE(has_process(sleeper));
}

TEST_CASE("a task that ignores SIGTERM is destroyed", "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  world.launch(shell_task("t", "trap '' TERM; echo up; while :; do sleep 0.05; done"));
  REQUIRE(eventually([&] { return world.output("t") == "up\n"; }));

  world.call([](Launcher& launcher) { launcher.terminate(key_of("t")); });
  std::this_thread::sleep_for(150ms);  // It would have ended by now, had it listened.
  CHECK_FALSE(world.seen->end_of("t"));
  world.call([](Launcher& launcher) { launcher.destroy(key_of("t")); });

  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{.signal = SIGKILL}});
}

TEST_CASE("a kill that comes before the task has begun is not lost", "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  world.launch(shell_task("t", "sleep 1000"));
  world.call([](Launcher& launcher) { launcher.terminate(key_of("t")); });
  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{.signal = SIGTERM}});
}

TEST_CASE("what a task left in other sessions is dead when its end is told",
          "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  world.launch(shell_task("t",
                          "setsid sh -c 'echo $$ >pid; exec sleep 1000' & "
                          "while [ ! -s pid ]; do sleep 0.02; done; exit 3"));
  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{.code = 3}});
  pid_t stray = pid_in(contents_of(sandbox_directory(world.path(), key_of("t")) + "/pid"));
  REQUIRE(stray > 0);
  CHECK_FALSE(has_process(stray));
}

TEST_CASE("a launcher that comes back finds running tasks, and ends that it missed",
          "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  TaskSpec running = shell_task("running", "while [ ! -e go ]; do sleep 0.02; done; exit 5");
  TaskSpec missed = shell_task("missed", "while [ ! -e go ]; do sleep 0.02; done; exit 6");
  world.launch(running);
  world.launch(missed);
  REQUIRE(eventually(
      [&] { return world.seen->has_started("running") && world.seen->has_started("missed"); }));
  world.close();
  std::ofstream(sandbox_directory(world.path(), key_of("missed")) + "/go").put('\n');
  std::string missed_exit = run_directory(world.path(), key_of("missed")) + "/exit";
  REQUIRE(eventually([&] { return std::filesystem::exists(missed_exit); }));

  world.open({known_row(missed), known_row(running)});

  CHECK(world.await_end("missed") == TaskEnd{.exit = TaskExit{.code = 6}});
  REQUIRE(eventually([&] { return world.seen->has_started("running"); }));
  CHECK_FALSE(world.seen->end_of("running"));
  std::ofstream(sandbox_directory(world.path(), key_of("running")) + "/go").put('\n');
  CHECK(world.await_end("running") == TaskEnd{.exit = TaskExit{.code = 5}});
}

TEST_CASE("a task that was written and never launched is launched by the next launcher, once",
          "[agentlib][process]") {
  LauncherWorld world;
  TaskSpec spec = shell_task("t", "echo once >>\"$CLUSTER_SANDBOX\"/../count");
  world.open({known_row(spec, TaskState::starting)});
  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{}});
  world.close();

  world.open({known_row(spec, TaskState::starting)});  // Its end was not written.
  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{}});
  CHECK(contents_of(task_directory(world.path(), key_of("t")) + "/count") == "once\n");
}

TEST_CASE("a task whose kill was asked for before its launch is never launched",
          "[agentlib][process]") {
  LauncherWorld world;
  TaskRow row = known_row(shell_task("t", "touch \"$CLUSTER_SANDBOX\"/../ran"), TaskState::killing);
  row.kill_requested = true;
  world.open({row});
  auto end = world.await_end("t");
  REQUIRE(end);
  CHECK_FALSE(end->exit);
  CHECK_FALSE(std::filesystem::exists(task_directory(world.path(), key_of("t")) + "/ran"));
}

TEST_CASE("when a supervisor is killed, its task is killed, and its end is not known",
          "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  world.launch(shell_task("t", "sleep 1000 & echo $!; wait"));
  REQUIRE(eventually([&] { return !world.output("t").empty(); }));
  pid_t sleeper = pid_in(world.output("t"));
  auto supervisor = read_mark(run_directory(world.path(), key_of("t")), supervisor_file);
  REQUIRE(supervisor);

  ::kill(supervisor->pid, SIGKILL);

  auto end = world.await_end("t");
  REQUIRE(end);
  CHECK(end->reason == "supervisor_died");
  CHECK_FALSE(has_process(sleeper));
}

TEST_CASE("what began and has no supervisor is not started again", "[agentlib][process]") {
  LauncherWorld world;
  TaskSpec spec = shell_task("t", "touch \"$CLUSTER_SANDBOX\"/../again");
  std::string run = run_directory(world.path(), key_of("t"));
  std::filesystem::create_directories(run);
  ProcessMark reused = mark_of(::getpid());  // Our number, another's birth.
  reused.start_time += 1;
  REQUIRE(write_file(run, supervisor_file, encode(reused), {}) == 0);

  world.open({known_row(spec, TaskState::starting)});

  auto end = world.await_end("t");
  REQUIRE(end);
  CHECK(end->reason == "supervisor_died");
  CHECK_FALSE(std::filesystem::exists(task_directory(world.path(), key_of("t")) + "/again"));
}

TEST_CASE("fifty quick tasks all end, and the newest sandboxes are kept", "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  for (int i = 0; i < 50; ++i) world.launch(shell_task("t" + std::to_string(i), "echo hi"));
  REQUIRE(eventually([&] { return world.seen->ended() == 50; }));
  for (int i = 0; i < 50; ++i) {
    CHECK(world.seen->end_of("t" + std::to_string(i)) == TaskEnd{.exit = TaskExit{}});
    world.call([&](Launcher& launcher) { launcher.forget(key_of("t" + std::to_string(i))); });
  }
  auto kept = [&] {
    std::error_code error;
    auto all = std::filesystem::directory_iterator(
        tasks_directory(world.path()) + "/" + framework.value(), error);
    return std::distance(begin(all), end(all));
  };
  REQUIRE(eventually([&] { return kept() == 3; }));
  CHECK(world.output("t49") == "hi\n");
}

TEST_CASE("a task that writes more than the limit keeps its newest output, while it runs and after",
          "[agentlib][process]") {
  LauncherWorld world;
  if (!can_release(world.path())) return;
  world.output_bytes_max = 1 << 20;
  world.open();
  std::string wait = "; while [ ! -e go ]; do sleep 0.02; done; ";
  world.launch(shell_task("t", counting_command + wait + counting_command + " >&2"));
  std::string sandbox = sandbox_directory(world.path(), key_of("t"));
  std::string out = sandbox + "/stdout";
  std::error_code ignored;
  REQUIRE(eventually([&] { return std::filesystem::file_size(out, ignored) == counting_size; }));

  CHECK(eventually([&] { return occupied(out) <= 1 << 20; }));
  CHECK(std::filesystem::file_size(out) == counting_size);
  auto first = read_log(sandbox, "stdout", 0, 1000);
  REQUIRE(first);
  CHECK(first->offset > 0);
  CHECK(first->offset <= counting_size - (1 << 19));
  CHECK(first->data == Bytes(ByteView(counted(first->offset, 1000))));
  auto newest = read_log(sandbox, "stdout", counting_size - 8, 1000);
  REQUIRE(newest);
  CHECK(newest->offset == counting_size - 8);
  CHECK(newest->data == Bytes(ByteView("0393215\n")));
  CHECK(newest->reached_end);

  std::ofstream(sandbox + "/go").put('\n');
  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{}});
  // What it wrote at last was seen to before its end was told.
  CHECK(std::filesystem::file_size(sandbox + "/stderr") == counting_size);
  CHECK(occupied(sandbox + "/stderr") <= 1 << 20);
}

TEST_CASE("without a limit all output is kept", "[agentlib][process]") {
  LauncherWorld world;
  world.output_bytes_max = 0;
  world.open();
  world.launch(shell_task("t", counting_command));
  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{}});
  CHECK(world.output("t") == counted(0, counting_size));
}

TEST_CASE("a name may be used again once its task is forgotten", "[agentlib][process]") {
  LauncherWorld world;
  world.open();
  world.launch(shell_task("t", "echo first; exit 1"));
  REQUIRE(world.await_end("t"));
  world.call([](Launcher& launcher) { launcher.forget(key_of("t")); });
  world.close();
  world.open();
  world.launch(shell_task("t", "echo second"));
  CHECK(world.await_end("t") == TaskEnd{.exit = TaskExit{}});
  CHECK(world.output("t") == "second\n");
}

TEST_CASE("a task is held to its memory where cgroups are writable, and its groups go with it",
          "[agentlib][process][cgroup]") {
  LauncherWorld world(true);
  if (!world.why_no_cgroups.empty()) {
    WARN("skipped: cgroups are not writable here: " << world.why_no_cgroups);
    return;
  }
  world.open();
  TaskSpec hungry = shell_task("hungry", "x=a; while :; do x=$x$x; done");
  hungry.resources = Resources::parse("cpus:1;mem:16").value();
  world.launch(hungry);
  auto end = world.await_end("hungry");
  REQUIRE(end);
  CHECK(end->reason == "memory_limit");

  world.launch(shell_task("placed", "cat /proc/self/cgroup"));
  REQUIRE(world.await_end("placed") == TaskEnd{.exit = TaskExit{}});
  CHECK(world.output("placed").find(test_cgroup_root + "/agent-test/placed-") != std::string::npos);
}

TEST_CASE("run files that are cut off are not read", "[agentlib][process]") {
  LaunchOrder order{.sandbox = "/s", .arguments = {"a", ""}, .environment = {"A=b"}};
  CHECK(decode_order(encode(order)) == order);
  std::string text = encode(order);
  CHECK_FALSE(decode_order(std::string_view(text).substr(0, text.size() - 1)));
  ExitRecord record{.kind = ExitRecord::Kind::signaled, .number = 9, .out_of_memory = true};
  CHECK(decode_exit(encode(record)) == record);
  CHECK_FALSE(decode_exit(""));
  CHECK_FALSE(decode_mark("pid"));
}
