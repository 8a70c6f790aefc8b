// Opens a replica's directory with the store that it keeps.
#pragma once

#include <memory>
#include <string>

#include "replog/directory.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

// `expected` as in `Directory::open`. `storage` when `bytes_max` leaves no room to work.
Result<std::unique_ptr<Store>> open_store(const std::string& directory, const Identity& expected,
                                          StoreKind, std::uint64_t bytes_max);

}  // namespace cluster::replog
