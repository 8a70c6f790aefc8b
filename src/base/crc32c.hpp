// CRC-32C (Castagnoli), the checksum of frames and of what is on disk.
#pragma once

#include <cstdint>

#include "cluster/types.hpp"

namespace cluster {

// Of `bytes`, or of `bytes` appended to what gave `seed`.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

namespace detail {
// The same without the processor's instruction: for machines that lack it, and for tests.
std::uint32_t crc32c_by_table(ByteView bytes, std::uint32_t seed);
}  // namespace detail

}  // namespace cluster
