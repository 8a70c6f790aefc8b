// CRC-32C (Castagnoli), the checksum of frames and of what is on disk.
#pragma once

#include <cstdint>

#include "cluster/types.hpp"

namespace cluster {

// Of `bytes`, or of `bytes` appended to what gave `seed`.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

}  // namespace cluster
