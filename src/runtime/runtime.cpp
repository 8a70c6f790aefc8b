#include "cluster/runtime.hpp"

#include <utility>

#include "runtime/host.hpp"

namespace cluster {

Runtime::Runtime(std::unique_ptr<runtime::Host> host) : host_(std::move(host)) {}
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime::~Runtime() = default;

Metrics Runtime::metrics() const { return host_->metrics(); }

}  // namespace cluster
