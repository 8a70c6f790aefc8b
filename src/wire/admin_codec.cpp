#include "schema/admin.capnp.h"
#include "wire/admin_messages.hpp"
#include "wire/common_codec.hpp"

namespace cluster::wire {
namespace {

namespace admin = schema::admin;
using Out = admin::AdminMessage::Builder;

// One overload per question or answer; each picks its member of the union.
void write_body(Out out, const GetStatus&) { out.setGetStatus(); }
void write_body(Out out, const GetAgents&) { out.setGetAgents(); }
void write_body(Out out, const GetFrameworks&) { out.setGetFrameworks(); }
void write_body(Out out, const GetTasks& body) {
  auto to = out.initGetTasks();
  to.setJob(to_text(body.job.value()));
  to.setEnded(body.ended);
  to.setLimit(body.limit);
}
void write_body(Out out, const GetJobs&) { out.setGetJobs(); }
void write_body(Out out, const GetJob& body) {
  auto to = out.initGetJob();
  to.setJob(to_text(body.job.value()));
  to.setAfter(body.after);
  to.setWait(to_wire(body.wait));
}
void write_body(Out out, const SubmitJobRequest& body) { write(out.initSubmitJob(), body.job); }
void write_body(Out out, const StopJobRequest& body) { out.setStopJob(to_text(body.job.value())); }
void write_body(Out out, const KillTaskRequest& body) {
  write(out.initKillTask(), TaskKey{.framework = body.framework, .task = body.task});
}
void write_body(Out out, const ReadTaskLog& body) {
  auto to = out.initReadTaskLog();
  to.setFramework(to_text(body.framework.value()));
  to.setTask(to_text(body.task.value()));
  to.setStandardError(body.standard_error);
  to.setOffset(body.offset);
  to.setSizeMax(body.size_max);
  to.setWait(to_wire(body.wait));
}
void write_body(Out out, const StopAgent& body) {
  out.initStopAgent().setKillTasks(body.kill_tasks);
}
void write_body(Out out, const Done&) { out.setDone(); }
void write_body(Out out, const Failure& body) { write(out.initFailure(), body.error); }
void write_body(Out out, const AdminRedirect& body) {
  auto to = out.initRedirect();
  if (body.leader) write(to.initLeader(), *body.leader);
}
void write_body(Out out, const MasterStatus& body) {
  auto to = out.initMasterStatus();
  to.setSelf(body.self.value());
  to.setCluster(body.cluster.value());
  to.setTerm(body.term);
  to.setLeader(body.leader.value());
  to.setLogEnd(body.log_end);
  to.setApplied(body.applied);
  to.setDigest(body.digest);
  to.setAgents(body.agents);
  to.setFrameworks(body.frameworks);
  to.setTasks(body.tasks);
  to.setJobs(body.jobs);
  auto members = to.initMembers(list_size(body.members));
  for (unsigned i = 0; i < members.size(); ++i) {
    members[i].setId(body.members[i].id.value());
    write(members[i].initEndpoint(), body.members[i].endpoint);
    members[i].setReachable(body.members[i].reachable);
  }
  to.setVersion(to_text(body.version));
  to.setProcess(body.process);
}
void write_body(Out out, const AgentRows& body) {
  auto rows = out.initAgents(list_size(body.rows));
  for (unsigned i = 0; i < rows.size(); ++i) {
    const AgentRow& row = body.rows[i];
    write(rows[i].initRecord(), row.record);
    rows[i].setConnected(row.connected);
    write_resources(row.used, [&](unsigned n) { return rows[i].initUsed(n); });
    rows[i].setTasks(row.tasks);
  }
}
void write_body(Out out, const FrameworkRows& body) {
  auto rows = out.initFrameworks(list_size(body.rows));
  for (unsigned i = 0; i < rows.size(); ++i) {
    const FrameworkRow& row = body.rows[i];
    write(rows[i].initRecord(), row.record);
    rows[i].setConnected(row.connected);
    rows[i].setTasks(row.tasks);
    write_resources(row.used, [&](unsigned n) { return rows[i].initUsed(n); });
  }
}
void write_body(Out out, const TaskRows& body) {
  auto rows = out.initTasks(list_size(body.rows));
  for (unsigned i = 0; i < rows.size(); ++i) {
    const TaskRow& row = body.rows[i];
    write(rows[i].initKey(), row.key);
    rows[i].setName(to_text(row.name));
    rows[i].setAgent(to_text(row.agent.value()));
    rows[i].setHostname(to_text(row.hostname));
    write(rows[i].initAgentEndpoint(), row.agent_endpoint);
    write_resources(row.resources, [&](unsigned n) { return rows[i].initResources(n); });
    write(rows[i].initStatus(), row.status);
    if (row.job) write(rows[i].initJob(), *row.job);
    rows[i].setWhy(to_text(row.why));
    rows[i].setLaunchedAt(to_wire(row.launched_at));
  }
}
void write_body(Out out, const JobAnswer& body) { write(out.initJob(), body.job); }
void write_body(Out out, const JobRows& body) {
  auto jobs = out.initJobs(list_size(body.jobs));
  for (unsigned i = 0; i < jobs.size(); ++i) write(jobs[i], body.jobs[i]);
}
void write_body(Out out, const LogChunk& body) {
  auto to = out.initLogChunk();
  to.setData(to_data(body.data.view()));
  to.setOffset(body.offset);
  to.setEnded(body.ended);
}
void write_seat(admin::MemberSeat::Builder to, const AddMember& newcomer) {
  write(to.initEndpoint(), newcomer.endpoint);
  to.setRole(static_cast<std::uint8_t>(newcomer.role));
}
void write_edit(admin::MemberEdit::Builder to, const AddMember& edit) {
  write_seat(to.initAdd(), edit);
}
void write_edit(admin::MemberEdit::Builder to, const SetMemberRole& edit) {
  to.setId(edit.id.value());
  to.setSetRole(static_cast<std::uint8_t>(edit.role));
}
void write_edit(admin::MemberEdit::Builder to, const SetMemberEndpoint& edit) {
  to.setId(edit.id.value());
  write(to.initSetEndpoint(), edit.endpoint);
}
void write_edit(admin::MemberEdit::Builder to, const RemoveMember& edit) {
  to.setId(edit.id.value());
  to.setRemove();
}
void write_body(Out out, const GetMembers&) { out.setGetMembers(); }
void write_body(Out out, const ChangeMembersRequest& body) {
  auto edits = out.initChangeMembers(list_size(body.edits));
  for (unsigned i = 0; i < edits.size(); ++i) {
    std::visit([&](const auto& edit) { write_edit(edits[i], edit); }, body.edits[i]);
  }
}
void write_body(Out out, const AddMemberRequest& body) {
  write_seat(out.initAddMember(), body.newcomer);
}
void write_body(Out out, const TransferLeadershipRequest& body) {
  out.setTransferLeadership(body.to.value());
}
void write_body(Out out, const GetMetrics&) { out.setGetMetrics(); }
void write_body(Out out, const MembersAnswer& body) {
  auto to = out.initMembers();
  to.setSince(body.members.since.value());
  auto rows = to.initMembers(list_size(body.members.members));
  for (unsigned i = 0; i < rows.size(); ++i) {
    const MemberInfo& member = body.members.members[i];
    rows[i].setId(member.id.value());
    write(rows[i].initEndpoint(), member.endpoint);
    rows[i].setRole(static_cast<std::uint8_t>(member.role));
    rows[i].setHasJoined(member.has_joined);
    rows[i].setIsHeard(member.is_heard);
    rows[i].setChosenEnd(member.chosen_end.value());
  }
  to.setLeader(body.leader.value());
}
void write_body(Out out, const JoinTokenAnswer& body) {
  out.setJoinToken(to_text(to_string(body.token)));
}
void write_body(Out out, const LeaderAnswer& body) {
  auto to = out.initLeader();
  to.setLeader(body.leader.value());
  to.setTerm(body.term);
}
void write_body(Out out, const BeginBackup&) { out.setBeginBackup(); }
void write_body(Out out, const ReadSnapshot& body) {
  auto to = out.initReadSnapshot();
  to.setId(body.id);
  to.setOffset(body.offset);
  to.setSizeMax(body.size_max);
}
void write_body(Out out, const ReadEntries& body) {
  auto to = out.initReadEntries();
  to.setFrom(body.from.value());
  to.setTo(body.to.value());
  to.setSizeMax(body.size_max);
}
void write_body(Out out, const AskKeys& body) { out.setAskKeys(to_data(body.command.view())); }
void write_body(Out out, const WatchKeys& body) {
  auto to = out.initWatchKeys();
  to.setWhat(to_data(body.what.view()));
  to.setWait(to_wire(body.wait));
}
void write_body(Out out, const KeysAnswer& body) { out.setKeysAnswer(to_data(body.answer.view())); }
void write_body(Out out, const KeyEvents& body) { out.setKeyEvents(to_data(body.batch.view())); }
void write_body(Out out, const BackupBegun& body) {
  auto to = out.initBackupBegun();
  to.setCluster(body.cluster.value());
  to.setMember(body.member.value());
  to.setFirst(body.first.value());
  to.setEnd(body.end.value());
  to.setTerm(body.term);
  to.setHasSnapshot(body.snapshot.has_value());
  if (!body.snapshot) return;
  to.setSnapshotId(body.snapshot->id);
  to.setSnapshotSize(body.snapshot->size);
  to.setSnapshotChecksum(body.snapshot->checksum);
}
void write_body(Out out, const LogEntries& body) {
  auto entries = out.initLogEntries(list_size(body.entries));
  for (unsigned i = 0; i < entries.size(); ++i) {
    entries[i].setPosition(body.entries[i].position.value());
    entries[i].setData(to_data(body.entries[i].data.view()));
  }
}
void write_body(Out out, const MetricsAnswer& body) {
  auto rows = out.initMetrics(list_size(body.metrics));
  for (unsigned i = 0; i < rows.size(); ++i) {
    const Metric& metric = body.metrics[i];
    rows[i].setName(to_text(metric.name));
    rows[i].setHelp(to_text(metric.help));
    rows[i].setKind(static_cast<std::uint8_t>(metric.kind));
    rows[i].setValue(metric.value);
  }
}

GetTasks read_get_tasks(Decoding& decoding, admin::GetTasks::Reader in) {
  return {.job = read_optional_id<JobId>(decoding, in.getJob(), "job"),
          .ended = in.getEnded(),
          .limit = in.getLimit()};
}

GetJob read_get_job(Decoding& decoding, admin::GetJob::Reader in) {
  return {.job = read_id<JobId>(decoding, in.getJob(), "job"),
          .after = in.getAfter(),
          .wait = read_duration(decoding, in.getWait(), "wait")};
}

KillTaskRequest read_kill_task(Decoding& decoding, schema::registry::TaskKey::Reader in) {
  TaskKey key = read(decoding, in);
  if (!key.task) decoding.fail("it does not name a task");
  return {.framework = std::move(key.framework), .task = std::move(key.task)};
}

ReadTaskLog read_read_task_log(Decoding& decoding, admin::ReadTaskLog::Reader in) {
  return {.framework = read_id<FrameworkId>(decoding, in.getFramework(), "framework"),
          .task = read_id<TaskId>(decoding, in.getTask(), "task"),
          .standard_error = in.getStandardError(),
          .offset = in.getOffset(),
          .size_max = in.getSizeMax(),
          .wait = read_duration(decoding, in.getWait(), "wait")};
}

AdminRedirect read_redirect(Decoding& decoding, admin::AdminRedirect::Reader in) {
  AdminRedirect redirect;
  if (in.hasLeader()) redirect.leader = read(decoding, in.getLeader());
  return redirect;
}

MasterStatus read_master_status(Decoding& decoding, admin::MasterStatus::Reader in) {
  MasterStatus status{.self = NodeId(in.getSelf()),
                      .cluster = ClusterUid(in.getCluster()),
                      .term = in.getTerm(),
                      .leader = NodeId(in.getLeader()),
                      .log_end = in.getLogEnd(),
                      .applied = in.getApplied(),
                      .digest = in.getDigest(),
                      .agents = in.getAgents(),
                      .frameworks = in.getFrameworks(),
                      .tasks = in.getTasks(),
                      .jobs = in.getJobs(),
                      .members = {},
                      .version = from_text(in.getVersion()),
                      .process = in.getProcess()};
  for (auto member : in.getMembers()) {
    status.members.push_back({.id = NodeId(member.getId()),
                              .endpoint = read(decoding, member.getEndpoint()),
                              .reachable = member.getReachable()});
  }
  return status;
}

AgentRows read_agents(Decoding& decoding, capnp::List<admin::AgentRow>::Reader in) {
  AgentRows rows;
  rows.rows.reserve(in.size());
  for (auto row : in) {
    rows.rows.push_back({.record = read(decoding, row.getRecord()),
                         .connected = row.getConnected(),
                         .used = read(decoding, row.getUsed()),
                         .tasks = row.getTasks()});
  }
  return rows;
}

FrameworkRows read_frameworks(Decoding& decoding, capnp::List<admin::FrameworkRow>::Reader in) {
  FrameworkRows rows;
  rows.rows.reserve(in.size());
  for (auto row : in) {
    rows.rows.push_back({.record = read(decoding, row.getRecord()),
                         .connected = row.getConnected(),
                         .tasks = row.getTasks(),
                         .used = read(decoding, row.getUsed())});
  }
  return rows;
}

TaskRow read_task_row(Decoding& decoding, admin::TaskRow::Reader in) {
  TaskRow row{.key = read(decoding, in.getKey()),
              .name = from_text(in.getName()),
              .agent = read_optional_id<AgentId>(decoding, in.getAgent(), "agent"),
              .hostname = from_text(in.getHostname()),
              .agent_endpoint = read(decoding, in.getAgentEndpoint()),
              .resources = read(decoding, in.getResources()),
              .status = read(decoding, in.getStatus()),
              .job = std::nullopt,
              .why = from_text(in.getWhy()),
              .launched_at = read_wall_time(decoding, in.getLaunchedAt())};
  if (in.hasJob()) row.job = read(decoding, in.getJob());
  return row;
}

TaskRows read_tasks(Decoding& decoding, capnp::List<admin::TaskRow>::Reader in) {
  TaskRows rows;
  rows.rows.reserve(in.size());
  for (auto row : in) rows.rows.push_back(read_task_row(decoding, row));
  return rows;
}

JobRows read_jobs(Decoding& decoding, capnp::List<schema::registry::JobRecord>::Reader in) {
  JobRows rows;
  rows.jobs.reserve(in.size());
  for (auto job : in) rows.jobs.push_back(read(decoding, job));
  return rows;
}

LogChunk read_log_chunk(admin::LogChunk::Reader in) {
  return {.data = from_data(in.getData()), .offset = in.getOffset(), .ended = in.getEnded()};
}

MemberRole read_role(Decoding& decoding, std::uint8_t role) {
  if (role > static_cast<std::uint8_t>(MemberRole::learner)) {
    decoding.fail("a member's role is not known here");
    return {};
  }
  return static_cast<MemberRole>(role);
}

AddMember read_seat(Decoding& decoding, admin::MemberSeat::Reader in) {
  return {.endpoint = read(decoding, in.getEndpoint()), .role = read_role(decoding, in.getRole())};
}

MemberEdit read_edit(Decoding& decoding, admin::MemberEdit::Reader in) {
  NodeId id(in.getId());
  switch (in.which()) {
    case admin::MemberEdit::NONE: break;
    case admin::MemberEdit::ADD: return read_seat(decoding, in.getAdd());
    case admin::MemberEdit::SET_ROLE:
      return SetMemberRole{.id = id, .role = read_role(decoding, in.getSetRole())};
    case admin::MemberEdit::SET_ENDPOINT:
      return SetMemberEndpoint{.id = id, .endpoint = read(decoding, in.getSetEndpoint())};
    case admin::MemberEdit::REMOVE: return RemoveMember{.id = id};
  }
  decoding.fail("a change of a member is of a kind that is not known here");
  return {};
}

ChangeMembersRequest read_change(Decoding& decoding, capnp::List<admin::MemberEdit>::Reader in) {
  ChangeMembersRequest request;
  for (auto edit : in) request.edits.push_back(read_edit(decoding, edit));
  return request;
}

MembersAnswer read_members(Decoding& decoding, admin::Members::Reader in) {
  MembersAnswer answer{.members = {.since = Position(in.getSince())},
                       .leader = NodeId(in.getLeader())};
  for (auto row : in.getMembers()) {
    answer.members.members.push_back({.id = NodeId(row.getId()),
                                      .endpoint = read(decoding, row.getEndpoint()),
                                      .role = read_role(decoding, row.getRole()),
                                      .has_joined = row.getHasJoined(),
                                      .is_heard = row.getIsHeard(),
                                      .chosen_end = Position(row.getChosenEnd())});
  }
  return answer;
}

JoinTokenAnswer read_token(Decoding& decoding, capnp::Text::Reader in) {
  auto token = parse_join_token(from_text(in));
  if (!token) {
    decoding.fail(token.error().context);
    return {};
  }
  return {*std::move(token)};
}

MetricsAnswer read_metrics(Decoding& decoding, capnp::List<admin::Metric>::Reader in) {
  MetricsAnswer answer;
  answer.metrics.reserve(in.size());
  for (auto row : in) {
    if (row.getKind() > static_cast<std::uint8_t>(Metric::Kind::histogram)) {
      decoding.fail("a metric is of a kind that is not known here");
      return {};
    }
    answer.metrics.push_back({.name = from_text(row.getName()),
                              .help = from_text(row.getHelp()),
                              .kind = static_cast<Metric::Kind>(row.getKind()),
                              .value = row.getValue()});
  }
  return answer;
}

BackupBegun read_backup_begun(admin::BackupBegun::Reader in) {
  BackupBegun begun{.cluster = ClusterUid(in.getCluster()),
                    .member = NodeId(in.getMember()),
                    .first = Position(in.getFirst()),
                    .end = Position(in.getEnd()),
                    .term = in.getTerm()};
  if (in.getHasSnapshot()) {
    begun.snapshot = {.id = in.getSnapshotId(),
                      .size = in.getSnapshotSize(),
                      .checksum = in.getSnapshotChecksum()};
  }
  return begun;
}

LogEntries read_log_entries(capnp::List<admin::LogEntry>::Reader in) {
  LogEntries answer;
  answer.entries.reserve(in.size());
  for (auto entry : in) {
    answer.entries.push_back({Position(entry.getPosition()), from_data(entry.getData())});
  }
  return answer;
}

AdminBody read_body(Decoding& decoding, admin::AdminMessage::Reader in) {
  using Wire = admin::AdminMessage;
  switch (in.which()) {
    case Wire::NONE: break;
    case Wire::GET_STATUS: return GetStatus{};
    case Wire::GET_AGENTS: return GetAgents{};
    case Wire::GET_FRAMEWORKS: return GetFrameworks{};
    case Wire::GET_TASKS: return read_get_tasks(decoding, in.getGetTasks());
    case Wire::GET_JOBS: return GetJobs{};
    case Wire::GET_JOB: return read_get_job(decoding, in.getGetJob());
    case Wire::SUBMIT_JOB: return SubmitJobRequest{.job = read(decoding, in.getSubmitJob())};
    case Wire::STOP_JOB:
      return StopJobRequest{.job = read_id<JobId>(decoding, in.getStopJob(), "job")};
    case Wire::KILL_TASK: return read_kill_task(decoding, in.getKillTask());
    case Wire::READ_TASK_LOG: return read_read_task_log(decoding, in.getReadTaskLog());
    case Wire::STOP_AGENT: return StopAgent{.kill_tasks = in.getStopAgent().getKillTasks()};
    case Wire::DONE: return Done{};
    case Wire::FAILURE: return Failure{.error = read(decoding, in.getFailure())};
    case Wire::REDIRECT: return read_redirect(decoding, in.getRedirect());
    case Wire::MASTER_STATUS: return read_master_status(decoding, in.getMasterStatus());
    case Wire::AGENTS: return read_agents(decoding, in.getAgents());
    case Wire::FRAMEWORKS: return read_frameworks(decoding, in.getFrameworks());
    case Wire::TASKS: return read_tasks(decoding, in.getTasks());
    case Wire::JOB: return JobAnswer{.job = read(decoding, in.getJob())};
    case Wire::JOBS: return read_jobs(decoding, in.getJobs());
    case Wire::LOG_CHUNK: return read_log_chunk(in.getLogChunk());
    case Wire::GET_MEMBERS: return GetMembers{};
    case Wire::CHANGE_MEMBERS: return read_change(decoding, in.getChangeMembers());
    case Wire::ADD_MEMBER: return AddMemberRequest{read_seat(decoding, in.getAddMember())};
    case Wire::TRANSFER_LEADERSHIP:
      return TransferLeadershipRequest{NodeId(in.getTransferLeadership())};
    case Wire::GET_METRICS: return GetMetrics{};
    case Wire::MEMBERS: return read_members(decoding, in.getMembers());
    case Wire::JOIN_TOKEN: return read_token(decoding, in.getJoinToken());
    case Wire::LEADER:
      return LeaderAnswer{.leader = NodeId(in.getLeader().getLeader()),
                          .term = in.getLeader().getTerm()};
    case Wire::METRICS: return read_metrics(decoding, in.getMetrics());
    case Wire::BEGIN_BACKUP: return BeginBackup{};
    case Wire::READ_SNAPSHOT:
      return ReadSnapshot{.id = in.getReadSnapshot().getId(),
                          .offset = in.getReadSnapshot().getOffset(),
                          .size_max = in.getReadSnapshot().getSizeMax()};
    case Wire::READ_ENTRIES:
      return ReadEntries{.from = Position(in.getReadEntries().getFrom()),
                         .to = Position(in.getReadEntries().getTo()),
                         .size_max = in.getReadEntries().getSizeMax()};
    case Wire::BACKUP_BEGUN: return read_backup_begun(in.getBackupBegun());
    case Wire::LOG_ENTRIES: return read_log_entries(in.getLogEntries());
    case Wire::ASK_KEYS: return AskKeys{from_data(in.getAskKeys())};
    case Wire::WATCH_KEYS:
      return WatchKeys{.what = from_data(in.getWatchKeys().getWhat()),
                       .wait = read_duration(decoding, in.getWatchKeys().getWait(), "wait")};
    case Wire::KEYS_ANSWER: return KeysAnswer{from_data(in.getKeysAnswer())};
    case Wire::KEY_EVENTS: return KeyEvents{from_data(in.getKeyEvents())};
  }
  decoding.fail("its kind is not known here");
  return {};
}

}  // namespace

Bytes encode(const AdminMessage& message) {
  return encode_as<admin::AdminMessage>([&](Out root) {
    root.setId(message.id);
    std::visit([&](const auto& body) { write_body(root, body); }, message.body);
  });
}

Result<AdminMessage> decode_admin_message(ByteView bytes) {
  return decode_as<admin::AdminMessage>(bytes, Errc::protocol, "message on the admin lane",
                                        [](admin::AdminMessage::Reader in, Decoding& decoding) {
                                          return AdminMessage{.id = in.getId(),
                                                              .body = read_body(decoding, in)};
                                        });
}

}  // namespace cluster::wire
