// The store in an LMDB environment: one transaction per group, a checksum per entry.
#pragma once

#include <memory>

#include "replog/directory.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

// Opens or makes the store of an open directory (which the store keeps), to grow to `bytes_max`.
// `permission`, `storage`, `corrupt`.
Result<std::unique_ptr<Store>> open_lmdb_store(std::unique_ptr<Directory>, std::uint64_t bytes_max);

}  // namespace cluster::replog
