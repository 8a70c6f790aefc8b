#include "master/validation.hpp"

#include <algorithm>

#include "wire/spec_codec.hpp"

namespace cluster::master {
namespace {

constexpr std::size_t plain_name_max = 255;
constexpr std::size_t label_max = 1024;  // Bytes of a framework's name or role.

bool is_plain_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

const FrameworkId& jobs_framework() {
  static const FrameworkId id("jobs");
  return id;
}

bool is_plain_name(const std::string& text) {
  return !text.empty() && text.size() <= plain_name_max && text != "." && text != ".." &&
         std::ranges::all_of(text, is_plain_character);
}

std::string problem_of(const wire::RegisterAgentRequest& request, const MasterLimits& limits) {
  if (!is_plain_name(request.agent.value())) {
    return "the agent's id must be 1 to 255 of [A-Za-z0-9._-]";
  }
  const std::size_t text = request.hostname.size() + request.isolation.size() +
                           request.endpoint.host.size() + request.total.to_string().size();
  if (text > limits.agent_text_max) {
    return "the agent's description has " + std::to_string(text) + " bytes, the limit is " +
           std::to_string(limits.agent_text_max);
  }
  if (request.total.empty()) return "the agent has no resources to offer";
  if (request.endpoint.port == 0) return "the agent's endpoint has no port";
  return "";
}

std::string problem_of(const wire::Subscribe& call) {
  if (!call.framework.empty() && !is_plain_name(call.framework.value())) {
    return "a framework's id must be 1 to 255 of [A-Za-z0-9._-]";
  }
  if (call.name.empty()) return "a framework needs a name";
  if (call.role.empty()) return "a framework needs a role; \"*\" is everyone's";
  if (call.name.size() > label_max || call.role.size() > label_max) {
    return "a framework's name and role have at most " + std::to_string(label_max) + " bytes";
  }
  if (call.failover_timeout < Duration::zero()) return "failover_timeout is negative";
  return "";
}

std::string problem_of_launch(const TaskSpec& spec, const FrameworkId& framework,
                              const Resources& pool) {
  if (std::string problem = wire::problem_of(spec); !problem.empty()) return problem;
  if (spec.job && framework != jobs_framework()) {
    return "only the job scheduler's tasks belong to jobs";
  }
  if (spec.resources.empty()) return "a task needs resources, such as cpus:0.1;mem:32";
  if (!pool.contains(spec.resources)) {
    return "the task needs " + spec.resources.to_string() + ", the offers have " +
           (pool.empty() ? "nothing" : pool.to_string()) + " left";
  }
  return "";
}

}  // namespace cluster::master
