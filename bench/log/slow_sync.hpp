// Makes every fdatasync, fsync and pwritev2 with RWF_DSYNC of this program, and of the libraries in
// it, slower: a disk of a cloud. In place of a preloaded library.
#pragma once

namespace bench {

void slow_syncs_down(double ms);

}  // namespace bench
