// `cluster agent`: runs tasks on this machine.
#include "base/endpoint.hpp"
#include "daemon.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

Result<AgentOptions> agent_of(const AgentCommand& command) {
  AgentOptions agent{.directory = command.directory,
                     .hostname = command.hostname,
                     .supervisor = command.supervisor,
                     .cgroups = !command.no_cgroups,
                     .cpu_quota = !command.no_cpu_quota,
                     .output_bytes_max = command.output_bytes_max};
  auto masters = parse_endpoints(command.masters);
  if (!masters) return Error{Errc::invalid_argument, "--masters: " + masters.error().context};
  agent.masters = *std::move(masters);
  auto listen = parse_endpoint(command.listen);
  if (!listen) return Error{Errc::invalid_argument, "--listen: " + listen.error().context};
  agent.listen = *std::move(listen);
  auto resources = Resources::parse(command.resources);
  if (!resources) {
    return Error{Errc::invalid_argument,
                 "--resources \"" + command.resources + "\": " + resources.error().context};
  }
  agent.resources = *std::move(resources);
  return agent;
}

}  // namespace

int cmd_agent(const AgentCommand& command) {
  auto agent = agent_of(command);
  if (!agent) return fail(agent.error());
  NodeOptions options;
  options.agent = *std::move(agent);
  return run_daemon(std::move(options), command.daemon);
}

}  // namespace cluster::app
