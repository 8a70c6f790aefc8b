// The checker of histories, which users have too (cluster/history.hpp), under this module's name.
#pragma once

#include "cluster/history.hpp"

namespace cluster::sim {

using testing::check_linearizable;
using testing::HistoryVerdict;
using testing::never_answered;
using testing::Operation;

}  // namespace cluster::sim
