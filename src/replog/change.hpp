// What a change of the members makes of them, and what is refused whatever the members do.
#pragma once

#include <optional>
#include <vector>

#include "base/random.hpp"
#include "replog/configuration.hpp"

namespace cluster::replog {

// All edits or none. `secrets`: of the tokens that newcomers join with. `invalid_argument`: the
// context says what is wrong with which edit.
Result<Configuration> changed(const Configuration& present, const std::vector<MemberEdit>& edits,
                              Random& secrets);

// The newcomer whose token has this secret is let in with its directory; none when there is no such
// newcomer. Its endpoint becomes `endpoint` where that names a host that no other member has.
std::optional<Configuration> joined(const Configuration& present, NodeId newcomer,
                                    std::uint64_t incarnation, std::uint64_t secret,
                                    const Endpoint& endpoint);

}  // namespace cluster::replog
