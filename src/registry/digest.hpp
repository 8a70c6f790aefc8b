// A 128-bit digest of the whole registry: the sum of its rows' hashes, so that one changed row
// costs one subtraction and one addition, and the order of changes does not matter. Hashes are of a
// canonical encoding made here, the same in every build; they find mistakes, not malice.
#pragma once

#include <cstdint>

#include "cluster/registry.hpp"
#include "registry/row_hash.hpp"

namespace cluster::registry {

// Grows whenever the same state would have another digest: digests of two versions say nothing
// about each other.
inline constexpr std::uint32_t digest_version = 1;

// The rows. A job has several, so that a step of one of its tasks costs no more in a large job.
Digest row_of(const AgentRecord&);
Digest row_of(const FrameworkRecord&);
Digest row_of(const TaskRecord&);
Digest history_row_of(const TaskRecord&);
Digest row_of(const JobSpec&);
Digest row_of(const JobRecord&);  // Without its spec and its pieces.
Digest row_of(const JobId&, std::size_t stage, std::size_t index, const JobTask&);
Digest frameworks_made_row_of(std::uint64_t count);

// The same, from nothing: for a state that was read, and for tests, which compare it with the
// running one.
Digest recompute_digest(const RegistryState&);

}  // namespace cluster::registry
