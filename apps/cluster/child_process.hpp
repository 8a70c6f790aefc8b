// A command that runs while something is held: in a process group of its own, which can be ended as
// one, and never longer than this process lives.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cluster/result.hpp"

namespace cluster::app {

class ChildProcess {
 public:
  // From the thread that outlives it: the kernel ends the command when that thread ends. Where this
  // process has the terminal, the command gets it, and Ctrl-C is the command's. `on_end` is called
  // once, on a thread of this object's.
  static Result<std::unique_ptr<ChildProcess>> start(
      const std::vector<std::string>& command,
      const std::map<std::string, std::string>& environment, std::function<void()> on_end);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();  // Waits for its end.

  // To the command and what it started in its group; nobody once it has ended.
  void signal(int number);

  // Any thread. The code is what it exited with, or 128 + the signal that ended it.
  bool has_ended() const { return has_ended_; }
  int exit_code() const { return exit_code_; }

 private:
  ChildProcess(pid_t child, bool has_terminal, std::function<void()> on_end);
  void wait();

  const pid_t child_;
  const bool has_terminal_;
  const std::function<void()> on_end_;
  std::atomic<int> exit_code_ = 0;
  std::atomic<bool> has_ended_ = false;
  std::thread waiter_;
};

}  // namespace cluster::app
