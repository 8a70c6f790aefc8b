// The store in an LMDB environment: one transaction per group, a checksum per entry.
#pragma once

#include <memory>
#include <string>

#include "replog/directory.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

// Opens or makes the store of an open directory (which the store keeps), to grow to `bytes_max`.
// `permission`, `storage`, `corrupt`.
Result<std::unique_ptr<Store>> open_lmdb_store(std::unique_ptr<Directory>, std::uint64_t bytes_max);

// To look at without changing anything: takes no lock, refuses commits.
Result<std::unique_ptr<Store>> view_lmdb_store(const std::string& directory, const Identity&);

}  // namespace cluster::replog
