// What the options say about how an empty directory becomes a member.
#pragma once

#include <vector>

#include "cluster/log.hpp"
#include "replog/configuration.hpp"
#include "replog/formation.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

// Checks what the options say about it, and completes `cluster` and `self` from the token.
Result<void> complete_founding(LogOptions&);

Founding founding_of(const LogOptions&);

// Whom to dial: founders by their ids, the members that a token names by ids that none can have.
std::vector<Peer> peers_before_forming(const LogOptions&);
std::vector<Peer> peers_of(const Configuration&);

// Where this member listens, by what is known of it. `invalid_argument` when nothing is.
Result<Endpoint> listening_endpoint(const LogOptions&, const Identity&, const Configuration&);

// The options and what the directory holds must not contradict each other.
Result<void> check_membership(const LogOptions&, const Identity&, const Configuration&);

}  // namespace cluster::replog
