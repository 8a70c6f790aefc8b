// What applications see of a log's entries: the data of their own, as it was appended.
#pragma once

#include <vector>

#include "cluster/log.hpp"
#include "replog/types.hpp"

namespace cluster::replog {

// `corrupt` where compressed data is not what it should be.
Result<std::vector<Entry>> only_data(std::vector<LogEntry> entries);

}  // namespace cluster::replog
