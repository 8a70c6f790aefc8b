#include "cluster/node.hpp"

#include <atomic>
#include <utility>

#include "node/master_node.hpp"

namespace cluster {

struct Node::Impl {
  explicit Impl(Runtime& the_runtime) : runtime(the_runtime) {}

  Runtime& runtime;
  std::unique_ptr<node::MasterNode> master;
  std::optional<Agent> agent;  // Destroyed before the master that it talks to.
};

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

Result<Node> Node::start(Runtime& runtime, NodeOptions options) {
  if (!options.master && !options.agent) {
    return Error{Errc::invalid_argument, "a node is a master, an agent or both; this is neither"};
  }
  auto impl = std::make_unique<Impl>(runtime);
  if (options.master) {
    auto master = node::MasterNode::start(runtime.host(), *options.master, options.version);
    if (!master) return std::move(master).error();
    impl->master = *std::move(master);
  }
  if (options.agent) {
    auto agent = Agent::start(runtime, *std::move(options.agent));
    if (!agent) return std::move(agent).error();
    impl->agent = *std::move(agent);
  }
  return Node(std::move(impl));
}

NodeStatus Node::status() const {
  NodeStatus status;
  if (impl_->master) {
    runtime::run_on_node(impl_->runtime.host(), [&] { status.master = impl_->master->status(); });
  }
  if (impl_->agent) {
    const Agent& agent = *impl_->agent;
    status.agent = {.id = agent.id(),
                    .endpoint = agent.endpoint(),
                    .registered = agent.is_registered(),
                    .problem = agent.problem(),
                    .isolation = agent.isolation()};
  }
  return status;
}

Metrics Node::metrics() const {
  Metrics all = impl_->runtime.metrics();
  auto add = [&all](Metrics more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
  };
  if (impl_->master) {
    Metrics more;
    runtime::run_on_node(impl_->runtime.host(), [&] { more = impl_->master->metrics(); });
    add(std::move(more));
  }
  if (impl_->agent) add(impl_->agent->metrics());
  return all;
}

void Node::on_stop_requested(std::function<void(bool kill_tasks)> observer) {
  if (impl_->agent) impl_->agent->on_stop_requested(std::move(observer));
}

void Node::on_failed(std::function<void(const Error&)> observer) {
  auto once = [observer = std::move(observer),
               done = std::make_shared<std::atomic<bool>>()](const Error& error) {
    if (!done->exchange(true)) observer(error);
  };
  if (impl_->master) impl_->master->on_failed(once);
  if (impl_->agent) impl_->agent->on_failed(once);
}

Op<void> Node::stop(bool kill_tasks) {
  if (!impl_->agent) return Op<void>::ready({});
  return impl_->agent->stop(kill_tasks);
}

}  // namespace cluster
