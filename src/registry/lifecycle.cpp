#include "registry/lifecycle.hpp"

#include <array>

namespace cluster::registry {
namespace {

using Row = std::array<std::optional<TaskPhase>, task_events>;

constexpr std::optional<TaskPhase> no = std::nullopt;
constexpr auto open = TaskPhase::open;
constexpr auto killing = TaskPhase::killing;
constexpr auto orphaned = TaskPhase::orphaned;
constexpr auto ended = TaskPhase::ended;
constexpr auto history = TaskPhase::history;

constexpr std::array<Row, task_phases> table = {{
    // launch, kill, end, acknowledge, agent lost, framework removed
    {open, no, no, no, no, no},                      // none
    {no, killing, ended, no, ended, orphaned},       // open
    {no, killing, ended, no, ended, orphaned},       // killing
    {no, orphaned, history, no, history, orphaned},  // orphaned
    {no, no, no, history, ended, history},           // ended
    {open, no, no, no, no, no},                      // history
}};

}  // namespace

std::string_view to_string(TaskPhase phase) {
  switch (phase) {
    case TaskPhase::none: return "none";
    case TaskPhase::open: return "open";
    case TaskPhase::killing: return "killing";
    case TaskPhase::orphaned: return "orphaned";
    case TaskPhase::ended: return "ended";
    case TaskPhase::history: return "history";
  }
  return "unknown";
}

std::string_view to_string(TaskEvent event) {
  switch (event) {
    case TaskEvent::launch: return "launch";
    case TaskEvent::kill: return "kill";
    case TaskEvent::end: return "end";
    case TaskEvent::acknowledge: return "acknowledge";
    case TaskEvent::agent_lost: return "agent lost";
    case TaskEvent::framework_removed: return "framework removed";
  }
  return "unknown";
}

std::optional<TaskPhase> step(TaskPhase phase, TaskEvent event) {
  return table[static_cast<std::size_t>(phase)][static_cast<std::size_t>(event)];
}

std::string_view why_not(TaskPhase phase, TaskEvent event) {
  if (event == TaskEvent::launch) return "a task with this id is known already";
  if (phase == TaskPhase::none || phase == TaskPhase::history) return "no such task is known";
  if (phase == TaskPhase::ended) return "the task has ended already";
  return "the task has not ended yet";
}

TaskPhase phase_of(TaskState state, bool kill_requested, bool framework_active) {
  if (is_terminal(state)) return TaskPhase::ended;
  if (!framework_active) return TaskPhase::orphaned;
  return kill_requested ? TaskPhase::killing : TaskPhase::open;
}

}  // namespace cluster::registry
