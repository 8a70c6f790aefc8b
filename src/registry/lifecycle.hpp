// The life of a task in the registry, as one table: phase x event -> phase. What is not in the
// table is refused and changes nothing.
//
//                 launch  kill     end      acknowledge  agent lost  framework removed
//   none          open    -        -        -            -           -
//   open          -       killing  ended    -            ended       orphaned
//   killing       -       killing  ended    -            ended       orphaned
//   orphaned      -       orphaned history  -            history     orphaned
//   ended         -       -        -        history      ended       history
//   history       open    -        -        -            -           -
//
// Two entries per task bound its life, launch and end; what it does between them is its agent's to
// say. An orphan's framework has been removed: nobody is left to acknowledge its end. A task in the
// history is no longer known by its key, which may be used again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cluster/task.hpp"

namespace cluster::registry {

enum class TaskPhase : std::uint8_t { none, open, killing, orphaned, ended, history };
inline constexpr std::size_t task_phases = 6;

enum class TaskEvent : std::uint8_t {
  launch,
  kill,
  end,
  acknowledge,
  agent_lost,
  framework_removed,
};
inline constexpr std::size_t task_events = 6;

std::string_view to_string(TaskPhase);
std::string_view to_string(TaskEvent);

// Where the event leads; nothing when it does not fit.
std::optional<TaskPhase> step(TaskPhase, TaskEvent);

// Why `step` gave nothing: "the task has ended already".
std::string_view why_not(TaskPhase, TaskEvent);

// Where a kept task stands, by what its record says.
TaskPhase phase_of(TaskState, bool kill_requested, bool framework_active);

// Added to a task's sequence number when the registry ends it by itself: agents count their updates
// from 1, so this end is newer than all that its agent can have reported.
inline constexpr std::uint64_t lost_sequence_step = std::uint64_t{1} << 32;

}  // namespace cluster::registry
