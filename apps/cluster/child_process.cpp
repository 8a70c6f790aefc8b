#include "child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace cluster::app {
namespace {

std::vector<std::string> environment_with(const std::map<std::string, std::string>& more) {
  std::vector<std::string> all;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string entry = *one;
    if (!more.contains(entry.substr(0, entry.find('=')))) all.push_back(entry);
  }
  for (const auto& [name, value] : more) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Nothing that takes memory or a lock: other threads stood still in the middle of theirs.
[[noreturn]] void become(char* const* command, char* const* environment, pid_t parent,
                         bool takes_terminal, int problems) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // It is gone already.
  ::setpgid(0, 0);
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);  // SIGTTOU, for one.
  if (takes_terminal) ::tcsetpgrp(STDIN_FILENO, ::getpid());
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvpe(command[0], command, environment);
  const int problem = errno;
  [[maybe_unused]] auto written = ::write(problems, &problem, sizeof problem);
  ::_exit(127);
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(
    const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
    std::function<void()> on_end) {
  std::vector<std::string> words = command;
  std::vector<std::string> variables = environment_with(environment);
  const std::vector<char*> argv = pointers_to(words);
  const std::vector<char*> envp = pointers_to(variables);
  int problems[2];
  if (::pipe2(problems, O_CLOEXEC) != 0) {
    return Error{Errc::failed, std::string("cannot make a pipe: ") + std::strerror(errno)};
  }
  const bool has_terminal = ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(argv.data(), envp.data(), parent, has_terminal, problems[1]);
  const int fork_problem = errno;
  ::close(problems[1]);
  if (child < 0) {
    ::close(problems[0]);
    return Error{Errc::failed,
                 std::string("cannot start a process: ") + std::strerror(fork_problem)};
  }
  // Until it runs the command, or cannot.
  int problem = 0;
  ssize_t got = 0;
  do {
    got = ::read(problems[0], &problem, sizeof problem);
  } while (got < 0 && errno == EINTR);
  ::close(problems[0]);
  auto started =
      std::unique_ptr<ChildProcess>(new ChildProcess(child, has_terminal, std::move(on_end)));
  if (got == static_cast<ssize_t>(sizeof problem)) {
    return Error{problem == ENOENT ? Errc::not_found : Errc::failed,
                 "cannot run " + command.front() + ": " + std::strerror(problem)};
  }
  return started;
}

ChildProcess::ChildProcess(pid_t child, bool has_terminal, std::function<void()> on_end)
    : child_(child),
      has_terminal_(has_terminal),
      on_end_(std::move(on_end)),
      waiter_([this] { wait(); }) {}

ChildProcess::~ChildProcess() {
  waiter_.join();
  if (!has_terminal_) return;
  sigset_t stop;
  sigset_t before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &stop, &before);
  ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void ChildProcess::signal(int number) {
  // The group's number stays taken until the command is waited for, by `wait`.
  if (!has_ended_) ::kill(-child_, number);
}

void ChildProcess::wait() {
  for (;;) {
    // Left as it is until what follows is known: so its number is nobody else's yet.
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WSTOPPED | WNOWAIT) != 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (info.si_code == CLD_STOPPED) {
      int status = 0;
      ::waitpid(child_, &status, WUNTRACED);
      // Who holds something is not put to sleep by a key.
      if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP) ::kill(-child_, SIGCONT);
      continue;
    }
    exit_code_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    has_ended_ = true;
    int status = 0;
    ::waitpid(child_, &status, 0);
    break;
  }
  has_ended_ = true;
  on_end_();
}

}  // namespace cluster::app
