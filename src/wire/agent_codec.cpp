#include "schema/agent.capnp.h"
#include "wire/agent_messages.hpp"
#include "wire/common_codec.hpp"

namespace cluster::wire {
namespace {

namespace agent = schema::agent;

void write_agent_task(agent::AgentTask::Builder out, const FrameworkId& framework,
                      const TaskStatus& status) {
  out.setFramework(to_text(framework.value()));
  write(out.initStatus(), status);
}

AgentTask read_agent_task(Decoding& decoding, agent::AgentTask::Reader in) {
  AgentTask task{.framework = read_id<FrameworkId>(decoding, in.getFramework(), "framework"),
                 .status = read(decoding, in.getStatus())};
  if (!task.status.task) decoding.fail("a task's status does not name its task");
  return task;
}

// One overload per message; each picks its member of the union.
void write_message(agent::AgentMessage::Builder out, const RegisterAgentRequest& message) {
  auto body = out.initRegisterAgent();
  body.setAgent(to_text(message.agent.value()));
  body.setCluster(message.cluster.value());
  body.setHostname(to_text(message.hostname));
  write(body.initEndpoint(), message.endpoint);
  write_resources(message.total, [&](unsigned n) { return body.initTotal(n); });
  body.setIsolation(to_text(message.isolation));
  auto tasks = body.initTasks(list_size(message.tasks));
  for (unsigned i = 0; i < tasks.size(); ++i) {
    write_agent_task(tasks[i], message.tasks[i].framework, message.tasks[i].status);
  }
}
void write_message(agent::AgentMessage::Builder out, const AgentRegistered& message) {
  auto body = out.initRegistered();
  body.setCluster(message.cluster.value());
  body.setTerm(message.term);
  body.setPingInterval(to_wire(message.ping_interval));
}
void write_message(agent::AgentMessage::Builder out, const AgentRefused& message) {
  write(out.initRefused(), message.error);
}
void write_message(agent::AgentMessage::Builder out, const AgentRedirect& message) {
  auto body = out.initRedirect();
  if (message.leader) write(body.initLeader(), *message.leader);
}
void write_message(agent::AgentMessage::Builder out, const RunTask& message) {
  auto body = out.initRunTask();
  body.setFramework(to_text(message.framework.value()));
  body.setTask(to_text(message.task.value()));
  body.setSpec(to_data(message.spec.view()));
}
void write_message(agent::AgentMessage::Builder out, const KillAgentTask& message) {
  auto body = out.initKillTask();
  body.setFramework(to_text(message.framework.value()));
  body.setTask(to_text(message.task.value()));
}
void write_message(agent::AgentMessage::Builder out, const AgentUpdate& message) {
  write_agent_task(out.initUpdate(), message.framework, message.status);
}
void write_message(agent::AgentMessage::Builder out, const AgentUpdateAck& message) {
  auto body = out.initUpdateAck();
  body.setFramework(to_text(message.framework.value()));
  body.setTask(to_text(message.task.value()));
  body.setSequence(message.sequence);
}
void write_message(agent::AgentMessage::Builder out, const AgentPing&) { out.setPing(); }
void write_message(agent::AgentMessage::Builder out, const AgentPong&) { out.setPong(); }

RegisterAgentRequest read_register(Decoding& decoding, agent::RegisterAgentRequest::Reader in) {
  RegisterAgentRequest request{.agent = read_id<AgentId>(decoding, in.getAgent(), "agent"),
                               .cluster = ClusterUid(in.getCluster()),
                               .hostname = from_text(in.getHostname()),
                               .endpoint = read(decoding, in.getEndpoint()),
                               .total = read(decoding, in.getTotal()),
                               .isolation = from_text(in.getIsolation()),
                               .tasks = {}};
  request.tasks.reserve(in.getTasks().size());
  for (auto task : in.getTasks()) request.tasks.push_back(read_agent_task(decoding, task));
  return request;
}

AgentRegistered read_registered(Decoding& decoding, agent::AgentRegistered::Reader in) {
  return {.cluster = ClusterUid(in.getCluster()),
          .term = in.getTerm(),
          .ping_interval = read_duration(decoding, in.getPingInterval(), "ping interval")};
}

AgentRedirect read_redirect(Decoding& decoding, agent::AgentRedirect::Reader in) {
  AgentRedirect redirect;
  if (in.hasLeader()) redirect.leader = read(decoding, in.getLeader());
  return redirect;
}

RunTask read_run_task(Decoding& decoding, agent::RunTask::Reader in) {
  return {.framework = read_id<FrameworkId>(decoding, in.getFramework(), "framework"),
          .task = read_id<TaskId>(decoding, in.getTask(), "task"),
          .spec = from_data(in.getSpec())};
}

KillAgentTask read_kill_task(Decoding& decoding, agent::KillAgentTask::Reader in) {
  return {.framework = read_id<FrameworkId>(decoding, in.getFramework(), "framework"),
          .task = read_id<TaskId>(decoding, in.getTask(), "task")};
}

AgentUpdate read_update(Decoding& decoding, agent::AgentTask::Reader in) {
  AgentTask task = read_agent_task(decoding, in);
  return {.framework = std::move(task.framework), .status = std::move(task.status)};
}

AgentUpdateAck read_update_ack(Decoding& decoding, agent::AgentUpdateAck::Reader in) {
  return {.framework = read_id<FrameworkId>(decoding, in.getFramework(), "framework"),
          .task = read_id<TaskId>(decoding, in.getTask(), "task"),
          .sequence = in.getSequence()};
}

AgentMessage read_agent_message(agent::AgentMessage::Reader in, Decoding& decoding) {
  using Wire = agent::AgentMessage;
  switch (in.which()) {
    case Wire::NONE: break;
    case Wire::REGISTER_AGENT: return read_register(decoding, in.getRegisterAgent());
    case Wire::REGISTERED: return read_registered(decoding, in.getRegistered());
    case Wire::REFUSED: return AgentRefused{.error = read(decoding, in.getRefused())};
    case Wire::REDIRECT: return read_redirect(decoding, in.getRedirect());
    case Wire::RUN_TASK: return read_run_task(decoding, in.getRunTask());
    case Wire::KILL_TASK: return read_kill_task(decoding, in.getKillTask());
    case Wire::UPDATE: return read_update(decoding, in.getUpdate());
    case Wire::UPDATE_ACK: return read_update_ack(decoding, in.getUpdateAck());
    case Wire::PING: return AgentPing{};
    case Wire::PONG: return AgentPong{};
  }
  decoding.fail("its kind is not known here");
  return {};
}

}  // namespace

Bytes encode(const AgentMessage& message) {
  return encode_as<agent::AgentMessage>([&](agent::AgentMessage::Builder root) {
    std::visit([&](const auto& body) { write_message(root, body); }, message);
  });
}

Result<AgentMessage> decode_agent_message(ByteView bytes) {
  return decode_as<agent::AgentMessage>(bytes, Errc::protocol, "message on the agent lane",
                                        read_agent_message);
}

}  // namespace cluster::wire
