// Registry commands as log entries.
#include "cluster/registry.hpp"
#include "registry/format.hpp"
#include "schema/registry.capnp.h"
#include "wire/common_codec.hpp"

namespace cluster {
namespace {

namespace stored = schema::registry;
using wire::Decoding;
using wire::to_text;
using wire::to_wire;

// One overload per command; each picks its member of the union.
void write_command(stored::Command::Builder out, const RegisterAgent& command) {
  wire::write(out.initRegisterAgent(), command.agent);
}
void write_command(stored::Command::Builder out, const LoseAgent& command) {
  auto body = out.initLoseAgent();
  body.setAgent(to_text(command.agent.value()));
  body.setReason(to_text(command.reason));
  body.setAt(to_wire(command.at));
}
void write_command(stored::Command::Builder out, const RegisterFramework& command) {
  wire::write(out.initRegisterFramework(), command.framework);
}
void write_command(stored::Command::Builder out, const RemoveFramework& command) {
  auto body = out.initRemoveFramework();
  body.setFramework(to_text(command.framework.value()));
  body.setAt(to_wire(command.at));
}
void write_command(stored::Command::Builder out, const LaunchTask& command) {
  wire::write(out.initLaunchTask(), command.task);
}
void write_command(stored::Command::Builder out, const KillTask& command) {
  wire::write(out.initKillTask(), command.key);
}
void write_command(stored::Command::Builder out, const EndTask& command) {
  auto body = out.initEndTask();
  wire::write(body.initKey(), command.key);
  wire::write(body.initStatus(), command.status);
}
void write_command(stored::Command::Builder out, const AcknowledgeTask& command) {
  wire::write(out.initAcknowledgeTask(), command.key);
}
void write_command(stored::Command::Builder out, const SubmitJob& command) {
  auto body = out.initSubmitJob();
  wire::write(body.initJob(), command.job);
  body.setAt(to_wire(command.at));
}
void write_command(stored::Command::Builder out, const StopJob& command) {
  auto body = out.initStopJob();
  body.setJob(to_text(command.job.value()));
  body.setReason(to_text(command.reason));
  body.setAt(to_wire(command.at));
}

void write_command(stored::Command::Builder out, const BeginTerm& command) {
  auto body = out.initBeginTerm();
  body.setTerm(command.term);
  body.setLeader(command.leader.value());
  body.setCluster(command.cluster.value());
}

void write_command(stored::Command::Builder out, const RaiseFormat& command) {
  auto body = out.initRaiseFormat();
  body.setFormat(command.format);
  body.setBy(to_text(command.by));
}

LoseAgent read_lose_agent(Decoding& decoding, stored::LoseAgent::Reader in) {
  return {.agent = wire::read_id<AgentId>(decoding, in.getAgent(), "agent"),
          .reason = wire::from_text(in.getReason()),
          .at = wire::read_wall_time(decoding, in.getAt())};
}

RemoveFramework read_remove_framework(Decoding& decoding, stored::RemoveFramework::Reader in) {
  return {.framework = wire::read_id<FrameworkId>(decoding, in.getFramework(), "framework"),
          .at = wire::read_wall_time(decoding, in.getAt())};
}

TaskKey read_key(Decoding& decoding, stored::TaskKey::Reader in) {
  TaskKey key = wire::read(decoding, in);
  if (!key.framework || !key.task) decoding.fail("a task is named without framework or id");
  return key;
}

TaskRecord read_launch(Decoding& decoding, stored::TaskRecord::Reader in) {
  read_key(decoding, in.getKey());
  return wire::read(decoding, in);
}

EndTask read_end_task(Decoding& decoding, stored::EndTask::Reader in) {
  return {.key = read_key(decoding, in.getKey()), .status = wire::read(decoding, in.getStatus())};
}

SubmitJob read_submit_job(Decoding& decoding, stored::SubmitJob::Reader in) {
  return {.job = wire::read(decoding, in.getJob()),
          .at = wire::read_wall_time(decoding, in.getAt())};
}

StopJob read_stop_job(Decoding& decoding, stored::StopJob::Reader in) {
  return {.job = wire::read_id<JobId>(decoding, in.getJob(), "job"),
          .reason = wire::from_text(in.getReason()),
          .at = wire::read_wall_time(decoding, in.getAt())};
}

BeginTerm read_begin_term(Decoding& decoding, stored::BeginTerm::Reader in) {
  if (in.getTerm() == 0 || in.getLeader() == 0) {
    decoding.fail("a term begins without number or leader");
  }
  return {.term = in.getTerm(),
          .leader = NodeId(in.getLeader()),
          .cluster = ClusterUid(in.getCluster())};
}

RegistryCommand read_command(stored::Command::Reader in, Decoding& decoding) {
  using Command = stored::Command;
  switch (in.which()) {
    case Command::NONE: break;
    case Command::REGISTER_AGENT:
      return RegisterAgent{.agent = wire::read(decoding, in.getRegisterAgent())};
    case Command::LOSE_AGENT: return read_lose_agent(decoding, in.getLoseAgent());
    case Command::REGISTER_FRAMEWORK:
      return RegisterFramework{.framework = wire::read(decoding, in.getRegisterFramework())};
    case Command::REMOVE_FRAMEWORK: return read_remove_framework(decoding, in.getRemoveFramework());
    case Command::LAUNCH_TASK: return LaunchTask{.task = read_launch(decoding, in.getLaunchTask())};
    case Command::KILL_TASK: return KillTask{.key = read_key(decoding, in.getKillTask())};
    case Command::END_TASK: return read_end_task(decoding, in.getEndTask());
    case Command::ACKNOWLEDGE_TASK:
      return AcknowledgeTask{.key = read_key(decoding, in.getAcknowledgeTask())};
    case Command::SUBMIT_JOB: return read_submit_job(decoding, in.getSubmitJob());
    case Command::STOP_JOB: return read_stop_job(decoding, in.getStopJob());
    case Command::BEGIN_TERM: return read_begin_term(decoding, in.getBeginTerm());
    case Command::RAISE_FORMAT:
      return RaiseFormat{.format = in.getRaiseFormat().getFormat(),
                         .by = wire::from_text(in.getRaiseFormat().getBy())};
    case Command::COMPARE_DIGESTS:
    case Command::REPORT_DIGEST: decoding.fail("it is a note about digests"); return {};
  }
  decoding.fail("its kind is not known here");
  return {};
}

}  // namespace

Bytes encode(const RegistryCommand& command) {
  return wire::encode_as<stored::Command>([&](stored::Command::Builder root) {
    std::visit([&](const auto& body) { write_command(root, body); }, command);
  });
}

Result<RegistryCommand> decode_registry_command(ByteView bytes) {
  auto command =
      wire::decode_as<stored::Command>(bytes, Errc::corrupt, "registry command", read_command);
  const auto* raise = command ? std::get_if<RaiseFormat>(&*command) : nullptr;
  if (raise != nullptr && raise->format > registry::format_newest()) {
    return registry::newer_format(raise->format, raise->by);
  }
  return command;
}

}  // namespace cluster
