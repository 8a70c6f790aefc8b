// A job's progress in numbers and words.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/registry.hpp"

namespace cluster::app {

struct JobCount {
  std::uint64_t total = 0;
  std::uint64_t waiting = 0;
  std::uint64_t launched = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t launches = 0;  // Attempts of all its tasks together.
  std::uint64_t failures = 0;
  std::uint64_t losses = 0;

  friend bool operator==(const JobCount&, const JobCount&) = default;
};
JobCount count_tasks(const JobRecord&);

// "12 of 60 tasks succeeded, 8 launched, 40 waiting; 2 failures, 1 loss".
std::string progress_text(const JobRecord&);

// The exit code of a program that stands for the job: 0 when all succeeded; else that of the first
// task, in order of stage and index, that failed; else of the first whose last end was not 0 (128 +
// signal), else 1.
int exit_code_of(const JobRecord&);

}  // namespace cluster::app
