// The ceiling: the append path alone. Two hops, one sync per group in a preallocated and zeroed
// file, the leader's own beside the network, adaptive batches, one write per socket and batch whose
// bytes serve disk and peers alike. Three processes. No protocol, checksum, election or apply.
//
// One thread per process, which syncs itself: with nothing else to do, a second thread would only
// add hand-overs.
#pragma once

#include <vector>

#include "bench/log/measure.hpp"
#include "bench/log/settings.hpp"

namespace bench {

// One result per entry of `settings.callers`.
std::vector<LoadResult> run_bare(const Settings&);

}  // namespace bench
