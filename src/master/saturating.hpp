// Sums of times that users choose: "never" stays never.
#pragma once

#include "cluster/types.hpp"

namespace cluster::master {

// `duration` is not negative. Past the end of time: `time_never`.
inline Time saturating_add(Time at, Duration duration) {
  return duration >= time_never - at ? time_never : at + duration;
}

}  // namespace cluster::master
