// Stores that measure what all but a part of the store costs. They remember nothing.
#pragma once

#include <memory>
#include <string>

#include "cluster/log.hpp"
#include "replog/store.hpp"

namespace bench {

// "null" does nothing; "file" writes each group with checksums into a preallocated, zeroed file and
// syncs it once, which is the least that a journal must do. None for the library's own.
std::shared_ptr<cluster::replog::Store> open_bench_store(const std::string& kind,
                                                         const cluster::LogOptions&);

}  // namespace bench
