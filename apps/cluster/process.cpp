#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

// glibc 2.36's header forgets that C++ may include it.
extern "C" {
#include <sys/pidfd.h>
}

namespace cluster::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// A descriptor that means exactly this process; -1 when it is gone.
int open_process(const Process& process) {
  int descriptor = process.pid > 0 ? ::pidfd_open(process.pid, 0) : -1;
  if (descriptor >= 0 && start_time_of(process.pid) != process.start_time) {
    ::close(descriptor);
    return -1;
  }
  return descriptor;
}

}  // namespace

std::optional<std::uint64_t> start_time_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The second field is the name in parentheses, which may hold anything.
  auto after_name = line.rfind(')');
  if (after_name == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(after_name + 1));
  std::string state, skipped;
  fields >> state;
  if (state == "Z" || state == "X") return std::nullopt;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  std::uint64_t start_time = 0;
  if (!(fields >> start_time)) return std::nullopt;
  return start_time;
}

bool is_alive(const Process& process) {
  return process.pid > 0 && start_time_of(process.pid) == process.start_time;
}

Result<Process> spawn_detached(const std::vector<std::string>& arguments,
                               const std::string& log_file) {
  std::error_code failure;
  std::string program = fs::read_symlink("/proc/self/exe", failure).string();
  if (failure) return Error{Errc::failed, "cannot find this program: " + failure.message()};
  std::vector<char*> argv{program.data()};
  std::vector<std::string> copies = arguments;
  for (auto& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                   0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  int code = posix_spawn(&pid, program.c_str(), &files, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (code != 0) {
    return Error{Errc::failed, "cannot start " + program + ": " + std::strerror(code)};
  }
  return Process{.pid = pid, .start_time = start_time_of(pid).value_or(0)};
}

void send_signal(const Process& process, int signal) {
  int descriptor = open_process(process);
  if (descriptor < 0) return;
  ::pidfd_send_signal(descriptor, signal, nullptr, 0);
  ::close(descriptor);
}

std::vector<Process> wait_for_end(std::vector<Process> processes, Clock::time_point until) {
  std::vector<Process> left;
  for (const Process& process : processes) {
    int descriptor = open_process(process);
    if (descriptor < 0) continue;
    pollfd file{descriptor, POLLIN, 0};
    int ready = 0;
    do {
      auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
      ready = ::poll(&file, 1, static_cast<int>(std::max<std::int64_t>(0, rest.count())));
    } while (ready < 0 && errno == EINTR);
    ::close(descriptor);
    if (ready == 0) left.push_back(process);
  }
  return left;
}

}  // namespace cluster::app
