#include "registry/lifecycle.hpp"

#include <string>

#include "tests/catch.hpp"

using namespace cluster::registry;

// The table of lifecycle.hpp, so that a change of one must be a change of the other.
TEST_CASE("the lifecycle is the table that its header shows", "[registry][task]") {
  std::string shown;
  for (std::size_t p = 0; p < task_phases; ++p) {
    auto phase = static_cast<TaskPhase>(p);
    shown += std::string(to_string(phase)) + ":";
    for (std::size_t e = 0; e < task_events; ++e) {
      auto next = step(phase, static_cast<TaskEvent>(e));
      shown += " " + (next ? std::string(to_string(*next)) : "-");
    }
    shown += "\n";
  }
  CHECK(shown ==
        "none: open - - - - -\n"
        "open: - killing ended - ended orphaned\n"
        "killing: - killing ended - ended orphaned\n"
        "orphaned: - orphaned history - history orphaned\n"
        "ended: - - - history ended history\n"
        "history: open - - - - -\n");
}

TEST_CASE("no event leads out of the history but a new launch, and every refusal has words",
          "[registry][task]") {
  for (std::size_t p = 0; p < task_phases; ++p) {
    for (std::size_t e = 0; e < task_events; ++e) {
      auto phase = static_cast<TaskPhase>(p);
      auto event = static_cast<TaskEvent>(e);
      if (!step(phase, event)) CHECK_FALSE(why_not(phase, event).empty());
      if (phase == TaskPhase::history && event != TaskEvent::launch) {
        CHECK_FALSE(step(phase, event));
      }
    }
  }
}
