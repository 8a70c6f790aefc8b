// The store in an LMDB environment: one transaction per group, a checksum per entry.
#pragma once

#include <memory>
#include <string>

#include "replog/store.hpp"

namespace cluster::replog {

// Opens or makes the store of `expected` in `directory`. `wrong_cluster` when the directory is
// another cluster's or member's, `address_in_use` when another process has it open, `permission`,
// `storage`, `corrupt`.
Result<std::unique_ptr<Store>> open_lmdb_store(const std::string& directory,
                                               const Identity& expected);

}  // namespace cluster::replog
