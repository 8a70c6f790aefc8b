// What operators' tools ask of masters and agents, on the admin lane: one answer per question,
// matched by `id`. A master that does not lead answers AdminRedirect, except to what every master
// answers: GetStatus and GetMetrics about itself, and the questions about users' keys and the log's
// members, which the log carries to its leader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cluster/job.hpp"
#include "cluster/log.hpp"
#include "cluster/members.hpp"
#include "cluster/metrics.hpp"
#include "cluster/registry.hpp"
#include "cluster/result.hpp"
#include "cluster/task.hpp"
#include "cluster/types.hpp"

namespace cluster::wire {

// Questions for masters.
struct GetStatus {
  friend bool operator==(const GetStatus&, const GetStatus&) = default;
};
struct GetAgents {
  friend bool operator==(const GetAgents&, const GetAgents&) = default;
};
struct GetFrameworks {
  friend bool operator==(const GetFrameworks&, const GetFrameworks&) = default;
};
struct GetTasks {
  JobId job;          // Empty: of all.
  bool ended = true;  // History too, the latest `limit` of it.
  std::uint32_t limit = 1000;
  friend bool operator==(const GetTasks&, const GetTasks&) = default;
};
struct GetJobs {
  friend bool operator==(const GetJobs&, const GetJobs&) = default;
};
// Answers JobAnswer once the job's revision is over `after`, or after `wait`.
struct GetJob {
  JobId job;
  std::uint64_t after = 0;
  Duration wait{};
  friend bool operator==(const GetJob&, const GetJob&) = default;
};
struct SubmitJobRequest {
  JobSpec job;
  friend bool operator==(const SubmitJobRequest&, const SubmitJobRequest&) = default;
};
struct StopJobRequest {
  JobId job;
  friend bool operator==(const StopJobRequest&, const StopJobRequest&) = default;
};
// `framework` empty: the task with that id, which must be the only one.
struct KillTaskRequest {
  FrameworkId framework;
  TaskId task;
  friend bool operator==(const KillTaskRequest&, const KillTaskRequest&) = default;
};
// Answers MembersAnswer.
struct GetMembers {
  friend bool operator==(const GetMembers&, const GetMembers&) = default;
};
// Answers MembersAnswer. Asked twice, this and the next are carried out twice.
struct ChangeMembersRequest {
  std::vector<MemberEdit> edits;
  friend bool operator==(const ChangeMembersRequest&, const ChangeMembersRequest&) = default;
};
// Answers JoinTokenAnswer.
struct AddMemberRequest {
  AddMember newcomer;
  friend bool operator==(const AddMemberRequest&, const AddMemberRequest&) = default;
};
// Answers LeaderAnswer.
struct TransferLeadershipRequest {
  NodeId to;
  friend bool operator==(const TransferLeadershipRequest&,
                         const TransferLeadershipRequest&) = default;
};

// A backup is asked for piece by piece, of one master: where it begins and ends, the bytes of its
// snapshot, and the entries after it. Answers BackupBegun.
struct BeginBackup {
  friend bool operator==(const BeginBackup&, const BeginBackup&) = default;
};
// Answers LogChunk. `not_found`: it is not kept any more; begin again.
struct ReadSnapshot {
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
  std::uint32_t size_max = 1 << 20;
  friend bool operator==(const ReadSnapshot&, const ReadSnapshot&) = default;
};
// Answers LogEntries: those of [from, to), as many as fit into `size_max`, at least one where there
// is one. `truncated`: they are not kept any more; begin again.
struct ReadEntries {
  Position from{1};
  Position to{1};
  std::uint32_t size_max = 1 << 20;
  friend bool operator==(const ReadEntries&, const ReadEntries&) = default;
};

// Users' keys: what the bytes are is the registry's (src/registry/remote_keys.hpp). A command that
// changes something, or a transaction that reads. Answers KeysAnswer.
struct AskKeys {
  Bytes command;
  friend bool operator==(const AskKeys&, const AskKeys&) = default;
};
// Answers KeyEvents once there are some, or after `wait`.
struct WatchKeys {
  Bytes what;
  Duration wait{};
  friend bool operator==(const WatchKeys&, const WatchKeys&) = default;
};

// For masters and agents: MetricsAnswer.
struct GetMetrics {
  friend bool operator==(const GetMetrics&, const GetMetrics&) = default;
};

// Questions for agents.
// Answers LogChunk: up to `size_max` bytes from `offset`; waits up to `wait` for some to appear
// while the task is alive.
struct ReadTaskLog {
  FrameworkId framework;
  TaskId task;
  bool standard_error = false;
  std::uint64_t offset = 0;
  std::uint32_t size_max = 64 * 1024;
  Duration wait{};
  friend bool operator==(const ReadTaskLog&, const ReadTaskLog&) = default;
};
struct StopAgent {
  bool kill_tasks = false;
  friend bool operator==(const StopAgent&, const StopAgent&) = default;
};

// Answers.
struct Done {
  friend bool operator==(const Done&, const Done&) = default;
};
struct Failure {
  Error error;
  friend bool operator==(const Failure&, const Failure&) = default;
};
struct AdminRedirect {
  std::optional<Endpoint> leader;
  friend bool operator==(const AdminRedirect&, const AdminRedirect&) = default;
};
struct MasterRow {
  NodeId id;
  Endpoint endpoint;
  bool reachable = true;  // Heard of by the master that answers.
  friend bool operator==(const MasterRow&, const MasterRow&) = default;
};
struct MasterStatus {
  NodeId self;
  ClusterUid cluster;
  std::uint64_t term = 0;
  NodeId leader;
  std::uint64_t log_end = 0;  // Positions below are chosen as far as this master knows.
  std::uint64_t applied = 0;
  std::uint64_t digest = 0;  // Of its registry, at `applied`.
  std::uint32_t agents = 0;
  std::uint32_t frameworks = 0;
  std::uint32_t tasks = 0;  // Open ones.
  std::uint32_t jobs = 0;   // Active ones.
  std::vector<MasterRow> members;
  std::string version;
  std::int64_t process = 0;
  friend bool operator==(const MasterStatus&, const MasterStatus&) = default;
};
struct AgentRow {
  AgentRecord record;
  bool connected = false;
  Resources used;
  std::uint32_t tasks = 0;
  friend bool operator==(const AgentRow&, const AgentRow&) = default;
};
struct AgentRows {
  std::vector<AgentRow> rows;
  friend bool operator==(const AgentRows&, const AgentRows&) = default;
};
struct FrameworkRow {
  FrameworkRecord record;
  bool connected = false;
  std::uint32_t tasks = 0;
  Resources used;
  friend bool operator==(const FrameworkRow&, const FrameworkRow&) = default;
};
struct FrameworkRows {
  std::vector<FrameworkRow> rows;
  friend bool operator==(const FrameworkRows&, const FrameworkRows&) = default;
};
// A task, or a piece of a job that is not launched (then `agent` is empty and `why` says what it
// waits for).
struct TaskRow {
  TaskKey key;
  std::string name;
  AgentId agent;
  std::string hostname;
  Endpoint agent_endpoint;
  Resources resources;
  TaskStatus status;
  std::optional<JobRef> job;
  std::string why;
  WallTime launched_at{};
  friend bool operator==(const TaskRow&, const TaskRow&) = default;
};
struct TaskRows {
  std::vector<TaskRow> rows;
  friend bool operator==(const TaskRows&, const TaskRows&) = default;
};
struct JobAnswer {
  JobRecord job;
  friend bool operator==(const JobAnswer&, const JobAnswer&) = default;
};
struct JobRows {
  std::vector<JobRecord> jobs;
  friend bool operator==(const JobRows&, const JobRows&) = default;
};
struct LogChunk {
  Bytes data;
  std::uint64_t offset = 0;  // Of the first byte of `data`.
  bool ended = false;        // The task is over and this is the end of the file.
  friend bool operator==(const LogChunk&, const LogChunk&) = default;
};
struct MembersAnswer {
  Members members;
  NodeId leader;  // None while nobody is known to lead.
  friend bool operator==(const MembersAnswer&, const MembersAnswer&) = default;
};
struct JoinTokenAnswer {
  JoinToken token;
  friend bool operator==(const JoinTokenAnswer&, const JoinTokenAnswer&) = default;
};
struct LeaderAnswer {
  NodeId leader;
  std::uint64_t term = 0;
  friend bool operator==(const LeaderAnswer&, const LeaderAnswer&) = default;
};
struct MetricsAnswer {
  Metrics metrics;
  friend bool operator==(const MetricsAnswer&, const MetricsAnswer&) = default;
};

struct BackupBegun {
  struct Snapshot {
    std::uint64_t id = 0;
    std::uint64_t size = 0;
    std::uint32_t checksum = 0;  // crc32c of all its bytes.
    friend bool operator==(const Snapshot&, const Snapshot&) = default;
  };
  ClusterUid cluster;
  NodeId member;
  Position first{1};  // Of the entries; what was before it is in the snapshot.
  Position end{1};    // Everything before it was decided when the question came.
  std::uint64_t term = 0;
  std::optional<Snapshot> snapshot;
  friend bool operator==(const BackupBegun&, const BackupBegun&) = default;
};
struct LogEntries {
  std::vector<Entry> entries;
  friend bool operator==(const LogEntries&, const LogEntries&) = default;
};

struct KeysAnswer {
  Bytes answer;
  friend bool operator==(const KeysAnswer&, const KeysAnswer&) = default;
};
struct KeyEvents {
  Bytes batch;
  friend bool operator==(const KeyEvents&, const KeyEvents&) = default;
};

using AdminBody =
    std::variant<GetStatus, GetAgents, GetFrameworks, GetTasks, GetJobs, GetJob, SubmitJobRequest,
                 StopJobRequest, KillTaskRequest, ReadTaskLog, StopAgent, GetMembers,
                 ChangeMembersRequest, AddMemberRequest, TransferLeadershipRequest, GetMetrics,
                 BeginBackup, ReadSnapshot, ReadEntries, AskKeys, WatchKeys, Done, Failure,
                 AdminRedirect, MasterStatus, AgentRows, FrameworkRows, TaskRows, JobAnswer,
                 JobRows, LogChunk, MembersAnswer, JoinTokenAnswer, LeaderAnswer, MetricsAnswer,
                 BackupBegun, LogEntries, KeysAnswer, KeyEvents>;

struct AdminMessage {
  std::uint64_t id = 0;
  AdminBody body;
  friend bool operator==(const AdminMessage&, const AdminMessage&) = default;
};

Bytes encode(const AdminMessage&);
Result<AdminMessage> decode_admin_message(ByteView);

}  // namespace cluster::wire
