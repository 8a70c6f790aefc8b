// cluster-supervisor DIRECTORY: runs one task, as the `order` in its run directory says, and
// records how it ended. It outlives the agent that started it, and is small so that a thousand of
// them cost little. src/agentlib/run_files.hpp tells what it reads and writes.
//
//   agent -> supervisor (exits once the task runs) -> supervisor (detached) -> task
//
// The detached one is the reaper of all that the task starts: nothing survives the task.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "agentlib/run_files.hpp"

namespace {

using namespace cluster::agentlib;

// What the first process answers with. The agent looks at the files all the same.
enum Answer : unsigned char { ready = 0, no_order = 2, taken = 3, no_disk = 4 };

constexpr unsigned kill_rounds_max = 500;  // Of 20 ms: then what is left can't be killed.

void wait_a_little(const sigset_t& signals) {
  timespec pause{.tv_sec = 0, .tv_nsec = 20'000'000};
  ::sigtimedwait(&signals, nullptr, &pause);
}

void reset_dispositions() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
}

// Where a launch failed, told through a pipe that a successful exec closes.
struct LaunchFailure {
  char step = 0;  // 'c'group, 's'andbox, 'e'xec
  int error = 0;
};

[[noreturn]] void fail_launch(int report, char step) {
  LaunchFailure failure;
  failure.step = step;
  failure.error = errno;
  [[maybe_unused]] ssize_t n = ::write(report, &failure, sizeof failure);
  ::_exit(127);
}

void enter_cgroups(const LaunchOrder& order, int report) {
  for (const std::string& directory : order.cgroups) {
    int file = ::open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0 || ::write(file, "0", 1) != 1) fail_launch(report, 'c');
    ::close(file);
  }
}

void open_files(const LaunchOrder& order, int report) {
  int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  int output = ::open((order.sandbox + "/stdout").c_str(), flags, 0644);
  int error = ::open((order.sandbox + "/stderr").c_str(), flags, 0644);
  if (input < 0 || output < 0 || error < 0 || ::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 ||
      ::dup2(error, 2) < 0 || ::chdir(order.sandbox.c_str()) != 0) {
    fail_launch(report, 's');
  }
}

[[noreturn]] void become_task(const LaunchOrder& order, pid_t supervisor, int report) {
  ::setsid();
  // Should the supervisor be killed, so is the task: nobody would ever learn its end.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != supervisor) ::_exit(127);
  enter_cgroups(order, report);
  // Rather the task than the agent, when the machine runs out of memory.
  if (int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); file >= 0) {
    [[maybe_unused]] ssize_t n = ::write(file, "300", 3);
    ::close(file);
  }
  rlimit core{};
  if (::getrlimit(RLIMIT_CORE, &core) == 0) {
    core.rlim_cur = 0;
    ::setrlimit(RLIMIT_CORE, &core);
  }
  ::umask(022);
  open_files(order, report);
  ::syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);

  std::vector<char*> arguments;
  for (const std::string& argument : order.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& variable : order.environment) {
    environment.push_back(const_cast<char*>(variable.c_str()));
  }
  environment.push_back(nullptr);

  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::environ = environment.data();  // Where execvp looks for PATH.
  ::execvp(arguments[0], arguments.data());
  fail_launch(report, 'e');
}

std::string describe(const LaunchFailure& failure, const LaunchOrder& order) {
  std::string why = std::strerror(failure.error);
  if (failure.step == 'c') return "could not enter its cgroup: " + why;
  if (failure.step == 's') return "could not open its sandbox " + order.sandbox + ": " + why;
  return "could not run '" + order.arguments[0] + "': " + why;
}

class Supervisor {
 public:
  Supervisor(std::string run, LaunchOrder order, int answer)
      : run_(std::move(run)), order_(std::move(order)), answer_(answer) {
    ::sigemptyset(&signals_);
    for (int number : {SIGCHLD, terminate_signal, destroy_signal}) {
      ::sigaddset(&signals_, number);
    }
  }

  int supervise() {
    sigset_t pending;
    ::sigpending(&pending);
    for (int number : {destroy_signal, terminate_signal}) {
      if (!::sigismember(&pending, number)) continue;
      int cause = number == terminate_signal ? SIGTERM : SIGKILL;
      record({.kind = ExitRecord::Kind::signaled, .number = cause});
      return answer(ready), 0;
    }
    if (!launch()) return answer(ready), 0;
    write_file(run_, started_file, encode(mark_of(task_)), {.durable = false});
    answer(ready);
    int status = wait_for_task();
    kill_strays();
    record(exit_of(status));
    return 0;
  }

 private:
  void answer(Answer answer) {
    [[maybe_unused]] ssize_t n = ::write(answer_, &answer, 1);
    ::close(answer_);
  }

  // False when the task could not be started; that is recorded then.
  bool launch() {
    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0) return record_failure("no pipe", errno), false;
    pid_t self = ::getpid();
    task_ = ::fork();
    if (task_ < 0) return record_failure("could not fork", errno), false;
    if (task_ == 0) become_task(order_, self, report[1]);
    ::close(report[1]);
    LaunchFailure failure;
    ssize_t n = 0;
    while ((n = ::read(report[0], &failure, sizeof failure)) < 0 && errno == EINTR) {
    }
    ::close(report[0]);
    if (n != static_cast<ssize_t>(sizeof failure)) return true;
    ::waitpid(task_, nullptr, 0);
    record({.kind = ExitRecord::Kind::launch_failed,
            .number = failure.error,
            .message = describe(failure, order_)});
    return false;
  }

  int wait_for_task() {
    for (;;) {
      siginfo_t child{};
      while (::waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0 && child.si_pid != 0) {
        int status = 0;
        // Its group still has its number while it is not reaped: nobody else's group is hit.
        if (child.si_pid == task_) ::kill(-task_, SIGKILL);
        ::waitpid(child.si_pid, &status, 0);
        if (child.si_pid == task_) return status;
        child.si_pid = 0;
      }
      siginfo_t info{};
      int number = ::sigwaitinfo(&signals_, &info);
      if (number == terminate_signal) {
        ::kill(-task_, SIGTERM);
        ::kill(-task_, SIGCONT);  // A stopped task can't hear.
      }
      if (number == destroy_signal) ::kill(-task_, SIGKILL);
    }
  }

  // What the task left behind is our child by now, or becomes so when its parent dies.
  void kill_strays() {
    for (unsigned round = 0; round < kill_rounds_max; ++round) {
      bool is_empty = kill_cgroups(order_.cgroups);
      pid_t reaped = 0;
      while ((reaped = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
      }
      if (reaped < 0 && errno == ECHILD && is_empty) return;
      pid_t self = ::getpid();
      for (pid_t pid : all_processes()) {
        auto stat = stat_of(pid);
        if (stat && stat->parent == self) ::kill(pid, SIGKILL);
      }
      wait_a_little(signals_);
    }
  }

  ExitRecord exit_of(int status) const {
    ExitRecord record;
    if (WIFSIGNALED(status)) {
      record = {.kind = ExitRecord::Kind::signaled, .number = WTERMSIG(status)};
    } else {
      record = {.kind = ExitRecord::Kind::exited, .number = WEXITSTATUS(status)};
    }
    record.out_of_memory = kernel_killed();
    return record;
  }

  bool kernel_killed() const {
    if (order_.oom_file.empty()) return false;
    std::string text = "\n" + read_file(order_.oom_file).value_or("");
    std::size_t at = text.find("\noom_kill ");
    if (at == std::string::npos) return false;
    char first = text[at + std::strlen("\noom_kill ")];
    return first >= '1' && first <= '9';
  }

  void record_failure(const char* what, int error) {
    record({.kind = ExitRecord::Kind::launch_failed,
            .number = error,
            .message = std::string(what) + ": " + std::strerror(error)});
  }

  void record(const ExitRecord& exit) { write_file(run_, exit_file, encode(exit), {}); }

  std::string run_;
  LaunchOrder order_;
  int answer_;
  sigset_t signals_;
  pid_t task_ = 0;
};

// The first process: waits for the second one's word, then leaves it to itself.
int wait_for_answer(int pipe) {
  unsigned char answer = 0;
  ssize_t n = 0;
  while ((n = ::read(pipe, &answer, 1)) < 0 && errno == EINTR) {
  }
  return n == 1 ? answer : 1;
}

int run_detached(const std::string& run, int answer_pipe) {
  ::setsid();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  auto leave = [&](Answer answer) {
    [[maybe_unused]] ssize_t n = ::write(answer_pipe, &answer, 1);
    return 1;
  };
  auto text = read_file(run + "/" + order_file);
  auto order = text ? decode_order(*text) : std::nullopt;
  if (!order) return leave(no_order);
  int error = write_file(run, supervisor_file, encode(mark_of(::getpid())), {.exclusive = true});
  if (error != 0) return leave(error == EEXIST ? taken : no_disk);
  return Supervisor(run, std::move(*order), answer_pipe).supervise();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] != '/') {
    std::fprintf(stderr,
                 "cluster-supervisor runs one task for a cluster agent, which starts it.\n"
                 "usage: cluster-supervisor /DIRECTORY\n");
    return 64;
  }
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  reset_dispositions();
  int answer[2];
  if (::pipe2(answer, O_CLOEXEC) != 0) return 1;
  pid_t child = ::fork();
  if (child < 0) return 1;
  if (child > 0) {
    ::close(answer[1]);
    return wait_for_answer(answer[0]);
  }
  ::close(answer[0]);
  return run_detached(argv[1], answer[1]);
}
