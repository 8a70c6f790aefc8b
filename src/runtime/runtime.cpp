#include "cluster/runtime.hpp"

#include <utility>

#include "runtime/host.hpp"

namespace cluster {

Runtime::Runtime(std::unique_ptr<runtime::Host> host) : host_(std::move(host)) {}
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime::~Runtime() {
  // In a fork there is no thread to join, and the descriptors are the parent's too.
  if (host_ && host_->is_forked()) static_cast<void>(host_.release());
}

Metrics Runtime::metrics() const { return host_->metrics(); }

}  // namespace cluster
