// Short words for what the allocator's tests say.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cluster/allocator.hpp"
#include "tests/unit/resources/printing.hpp"

namespace cluster {

inline Resources bag(std::string_view text) { return Resources::parse(text).value(); }
inline AgentId agent(const std::string& name) { return AgentId(name); }
inline FrameworkId framework(const std::string& name) { return FrameworkId(name); }
inline Time at(double seconds) {
  return Time(std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)));
}

inline Grant grant(const std::string& framework, const std::string& agent, std::string_view text) {
  return {FrameworkId(framework), AgentId(agent), bag(text)};
}

inline void recover(Allocator& allocator, const Grant& grant, Time refuse_until = Time::min()) {
  allocator.recover(grant.framework, grant.agent, grant.resources, refuse_until);
}

using Grants = std::vector<Grant>;

}  // namespace cluster
