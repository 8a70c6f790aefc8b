// Opens a replica's directory with the store that it keeps.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "replog/directory.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

// `expected` as in `Directory::open`; `prepare_on` as in `JournalOptions`. `storage` when
// `bytes_max` leaves no room to work.
Result<std::unique_ptr<Store>> open_store(const std::string& directory, const Identity& expected,
                                          StoreKind, std::uint64_t bytes_max,
                                          std::function<void(Callback)> prepare_on = {});

}  // namespace cluster::replog
