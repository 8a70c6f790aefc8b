// A log on a listener that other parts of the process share. `Log::open` makes its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "cluster/log.hpp"
#include "replog/driver.hpp"
#include "replog/messages.hpp"
#include "replog/store.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace cluster::replog {

// A log with a listener of its own, at the endpoint that the options or the directory name; other
// parts of the process may share it while the log lives. Not the node thread.
Result<Log> open_listening(runtime::Host&, LogOptions);
runtime::ListenerId listener_of(const Log&);
ClusterUid cluster_of(const Log&);

// The listener must outlive the log. Any thread.
Result<Log> open_on(runtime::Host&, runtime::ListenerId, LogOptions);

// The same over a given store (simulation, tests). Node thread or not.
Result<Log> open_on_store(runtime::Host&, runtime::ListenerId, LogOptions, std::shared_ptr<Store>);

// One of a host's logs, which are told where it is. `keeps` lives as long as the log. Not the node
// thread.
Result<Log> open_shared(runtime::Host&, SharedPlace, LogOptions, std::shared_ptr<Store>,
                        std::shared_ptr<void> keeps);

// What a backup needs beside `Log`'s own calls. Node thread.
std::optional<SnapshotOffered> newest_snapshot(const Log&);
void read_snapshot(Log&, std::uint64_t id, std::uint64_t offset, std::size_t bytes_max,
                   std::function<void(Result<Bytes>)> done);

// Stops this replica for good, as when its disk fails. Node thread.
void stop_for_good(Log&, const Error& why);

// For `cluster masters`: whether this member has a session to that one.
bool is_connected(const Log&, NodeId);

}  // namespace cluster::replog
