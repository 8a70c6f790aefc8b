// What a disk refused, as an error that says what a person can do.
#pragma once

#include <string>

#include "cluster/result.hpp"

namespace cluster::replog {

// "cannot <what>: ..."; `code` is an errno. `disk_full`, `read_only`, `permission` or `storage`.
Error disk_error(const std::string& what, int code);

}  // namespace cluster::replog
