#include "master/follower.hpp"

#include <algorithm>

namespace cluster::master {

void redirect(SessionId session, Lane lane, std::uint64_t question,
              const std::optional<Endpoint>& leader, Effects& effects) {
  switch (lane) {
    case Lane::agent: effects.send(session, wire::AgentMessage(wire::AgentRedirect{leader})); break;
    case Lane::scheduler:
      effects.send(session, wire::SchedulerMessage(wire::SchedulerRedirect{leader}));
      break;
    default:
      effects.send(session, wire::AdminMessage{question, wire::AdminRedirect{leader}});
      break;
  }
  effects.close(session);
}

void refuse(SessionId session, Lane lane, const Error& error, Effects& effects) {
  switch (lane) {
    case Lane::agent: effects.send(session, wire::AgentMessage(wire::AgentRefused{error})); break;
    case Lane::scheduler:
      effects.send(session, wire::SchedulerMessage(wire::SchedulerError{error, true}));
      break;
    default: effects.send(session, wire::AdminMessage{0, wire::Failure{error}}); break;
  }
  effects.close(session);
}

std::optional<Endpoint> leader_endpoint(const Leadership& leadership,
                                        const MasterOptions& options) {
  if (!leadership.leader || leadership.leader == options.self) return std::nullopt;
  for (const Peer& member : options.members) {
    if (member.id == leadership.leader) return member.endpoint;
  }
  return std::nullopt;
}

wire::MasterStatus status_of(const RegistryState& state, const Leadership& leadership,
                             LogRange range, const MasterOptions& options) {
  const auto count = [](const auto& rows, auto is_counted) {
    return static_cast<std::uint32_t>(
        std::ranges::count_if(rows, [&](const auto& entry) { return is_counted(entry.second); }));
  };
  wire::MasterStatus status{.self = options.self,
                            .cluster = options.cluster,
                            .term = leadership.term,
                            .leader = leadership.leader,
                            .log_end = range.end.value(),
                            .applied = state.applied().value(),
                            .digest = state.digest()[0],
                            .version = options.version};
  status.agents = count(state.agents(), [](const AgentRecord& agent) {
    return agent.state == AgentRecord::State::registered;
  });
  status.frameworks = count(state.frameworks(), [](const FrameworkRecord& framework) {
    return framework.state == FrameworkRecord::State::active;
  });
  status.tasks =
      count(state.tasks(), [](const TaskRecord& task) { return !is_terminal(task.status.state); });
  status.jobs = count(state.jobs(), [](const JobRecord& job) { return !is_terminal(job.state); });
  for (const Peer& member : options.members) {
    status.members.push_back(wire::MasterRow{.id = member.id, .endpoint = member.endpoint});
  }
  return status;
}

}  // namespace cluster::master
