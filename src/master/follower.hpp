// What every master says, leading or not.
#pragma once

#include <optional>

#include "cluster/log.hpp"
#include "cluster/registry.hpp"
#include "master/effects.hpp"
#include "master/options.hpp"

namespace cluster::master {

// Sends the session to `leader`, or away to ask again where none is known.
void redirect(SessionId, Lane, std::uint64_t question, const std::optional<Endpoint>& leader,
              Effects&);

// The session hears what was wrong, as its lane says it.
void refuse(SessionId, Lane, const Error&, Effects&);

// Where the leader listens: none when it is unknown, or is this master itself, which would carry
// calls out if it were ready.
std::optional<Endpoint> leader_endpoint(const Leadership&, const MasterOptions&);

// What GetStatus is answered, but for what only the process knows: `process` and whether members
// are reachable.
wire::MasterStatus status_of(const RegistryState&, const Leadership&, LogRange,
                             const MasterOptions&);

}  // namespace cluster::master
