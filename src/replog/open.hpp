// A log on a listener that other parts of the process share. `Log::open` makes its own.
#pragma once

#include <functional>
#include <memory>

#include "cluster/log.hpp"
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

// For `cluster masters`: whether this member has a session to that one.
bool is_connected(const Log&, NodeId);

}  // namespace cluster::replog
