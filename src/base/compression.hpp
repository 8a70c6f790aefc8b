// Bytes made smaller and whole again, by Zstandard.
#pragma once

#include <cstddef>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster {

// None when it would not be at least an eighth smaller: then it is not worth the trouble.
Bytes compress(ByteView bytes);

// What `compress` was given. `corrupt` when the bytes are not its, or were more than `size_max`:
// that is decided before memory is taken.
Result<Bytes> decompress(ByteView bytes, std::size_t size_max);

}  // namespace cluster
