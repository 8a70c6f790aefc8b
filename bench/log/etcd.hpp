// A peer to compare with: three members of etcd on loopback with real syncs, where it is installed
// (Debian: etcd-server), and callers over its own protocol (gRPC), at most 16 connections.
#pragma once

#include <vector>

#include "bench/log/measure.hpp"
#include "bench/log/settings.hpp"

namespace bench {

// Why it cannot be measured beside what `settings` asks for; empty when it can.
std::string why_no_etcd(const Settings&);

// One result per entry of `settings.callers`; processor time is the leader's process'.
std::vector<LoadResult> run_etcd(const Settings&);

}  // namespace bench
