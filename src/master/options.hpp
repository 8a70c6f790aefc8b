// What a master is told at its start, and every limit that it holds its sessions to.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cluster/allocator.hpp"
#include "cluster/log.hpp"
#include "cluster/types.hpp"

namespace cluster::master {

// What a leader holds its sessions to. What passes a limit is refused with `overloaded` or
// `too_large`, never queued.
struct MasterLimits {
  std::size_t sessions_max = 20'000;         // Over all lanes; more are closed as they open.
  std::size_t admin_message_max = 4u << 20;  // Bytes. The other lanes: runtime::message_size_max.
  std::size_t spec_size_max = 256u << 10;    // Bytes of an encoded TaskSpec.
  std::size_t job_size_max = 512u << 10;     // Bytes of an encoded JobSpec.
  std::size_t agent_text_max = 64u << 10;  // Bytes of an agent's words about itself, resources too.
  std::size_t status_text_max = 4u << 10;  // Bytes of a status' reason and message; cut there.
  std::size_t offers_max = 10'000;         // Outstanding, per framework.
  std::size_t launches_max = 10'000;       // Proposed and not yet committed, per framework.
  std::size_t updates_max = 16;  // Queued per task; of those that wait, older living ones go first.
  std::size_t waiters_max = 10'000;                    // Admin questions that wait, over all.
  Duration job_wait_max = std::chrono::seconds(60);    // Of one GetJob.
  Duration refuse_max = std::chrono::hours(24 * 365);  // Of one declined offer.
};

struct MasterOptions {
  NodeId self;
  ClusterUid cluster;
  std::vector<Peer>
      members;  // All masters, `self` included; their endpoints are what redirects name.
  Duration ping_interval = std::chrono::seconds(1);        // Timeouts are looked at once in each.
  Duration agent_timeout = std::chrono::seconds(15);       // Silent or away for longer: lost.
  Duration agent_loss_interval = std::chrono::seconds(1);  // Between two that are declared lost.
  Duration scheduler_timeout = std::chrono::seconds(15);   // Silent for longer: disconnected.
  Duration admin_timeout = std::chrono::minutes(10);       // A tool that asks nothing is closed.
  Duration offer_timeout{};                                // Offers are rescinded then; 0: never.
  Duration allocation_interval = std::chrono::milliseconds(5);  // Between two rounds of offers.
  AllocatorOptions allocator;
  std::string version;
  std::int64_t process = 0;  // Its id, as the system knows it: for people to find it by.
  MasterLimits limits;
};

}  // namespace cluster::master
