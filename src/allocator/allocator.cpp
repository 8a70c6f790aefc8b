#include "cluster/allocator.hpp"

#include <utility>

#include "allocator/core.hpp"

namespace cluster {

struct Allocator::Impl {
  allocator::Core core;
};

Allocator::Allocator(AllocatorOptions options)
    : impl_(new Impl{allocator::Core(std::move(options))}) {}
Allocator::Allocator(Allocator&&) noexcept = default;
Allocator::~Allocator() = default;

void Allocator::set_weight(const std::string& role, double weight) {
  impl_->core.set_weight(role, weight);
}

void Allocator::add_agent(const AgentId& id, const Resources& total,
                          const std::vector<Usage>& used) {
  impl_->core.add_agent(id, total, used);
}
void Allocator::remove_agent(const AgentId& id) { impl_->core.remove_agent(id); }
void Allocator::set_agent_active(const AgentId& id, bool active) {
  impl_->core.set_agent_active(id, active);
}

void Allocator::add_framework(const FrameworkId& id, const std::string& role) {
  impl_->core.add_framework(id, role);
}
void Allocator::remove_framework(const FrameworkId& id) { impl_->core.remove_framework(id); }
void Allocator::set_framework_active(const FrameworkId& id, bool active) {
  impl_->core.set_framework_active(id, active);
}
void Allocator::suppress(const FrameworkId& id) { impl_->core.suppress(id); }
void Allocator::revive(const FrameworkId& id) { impl_->core.revive(id); }

void Allocator::recover(const FrameworkId& framework, const AgentId& agent,
                        const Resources& returned, Time refuse_until) {
  impl_->core.recover(framework, agent, returned, refuse_until);
}
void Allocator::charge(const FrameworkId& framework, const AgentId& agent,
                       const Resources& resources) {
  impl_->core.charge(framework, agent, resources);
}

std::vector<Grant> Allocator::allocate(Time now) { return impl_->core.allocate(now); }
Time Allocator::deadline() const { return impl_->core.deadline(); }

std::string Allocator::explain(const FrameworkId& id) const { return impl_->core.explain(id); }
double Allocator::dominant_share(const FrameworkId& id) const {
  return impl_->core.dominant_share(id);
}
Resources Allocator::available(const AgentId& id) const { return impl_->core.available(id); }
Resources Allocator::allocated(const FrameworkId& id) const { return impl_->core.allocated(id); }
Metrics Allocator::metrics() const { return impl_->core.metrics(); }

}  // namespace cluster
