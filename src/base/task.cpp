#include "cluster/task.hpp"

namespace cluster {

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::starting: return "starting";
    case TaskState::running: return "running";
    case TaskState::finished: return "finished";
    case TaskState::failed: return "failed";
    case TaskState::killed: return "killed";
    case TaskState::lost: return "lost";
    case TaskState::staging: return "staging";
    case TaskState::error: return "error";
    case TaskState::killing: return "killing";
    case TaskState::dropped: return "dropped";
  }
  return "unknown";
}

bool is_terminal(TaskState state) {
  switch (state) {
    case TaskState::finished:
    case TaskState::failed:
    case TaskState::killed:
    case TaskState::lost:
    case TaskState::error:
    case TaskState::dropped: return true;
    case TaskState::starting:
    case TaskState::running:
    case TaskState::staging:
    case TaskState::killing: return false;
  }
  return false;
}

}  // namespace cluster
