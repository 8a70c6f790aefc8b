// What a disk does wrong that a log must live with.
#pragma once

#include "sim/log_cluster.hpp"

namespace cluster::sim {

// Some entries of a member's disk can't be read any more, found out when somebody reads them or at
// a restart. At most a minority of the disks is damaged at a time: beyond that, what a majority had
// accepted may be lost, and the log rightly stands still. Returns how many entries it was.
std::size_t flip_bits(LogCluster&, LogMember&);

// The entry there is another one from now on, and its checksum is right: as where a disk gives back
// an old sector, or a machine flips a bit before the checksum is made. False: there is no data.
bool lie(LogMember&, Position);

}  // namespace cluster::sim
