@0xa7d3095c8e1b64f2;
# What operators' tools ask of masters and agents: src/wire/admin_messages.hpp says what each
# message means.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cluster::schema::admin");

using Spec = import "spec.capnp";
using Registry = import "registry.capnp";

struct GetTasks {
  job @0 :Text;
  ended @1 :Bool;
  limit @2 :UInt32;
}

struct GetJob {
  job @0 :Text;
  after @1 :UInt64;
  wait @2 :Int64;                 # Microseconds, as every duration here.
}

struct ReadTaskLog {
  framework @0 :Text;
  task @1 :Text;
  standardError @2 :Bool;
  offset @3 :UInt64;
  sizeMax @4 :UInt32;
  wait @5 :Int64;
}

struct StopAgent {
  killTasks @0 :Bool;
}

struct AdminRedirect {
  leader @0 :Spec.Endpoint;       # Absent: none is known.
}

struct MasterRow {
  id @0 :UInt64;
  endpoint @1 :Spec.Endpoint;
  reachable @2 :Bool;
}

struct MasterStatus {
  self @0 :UInt64;
  cluster @1 :UInt64;
  term @2 :UInt64;
  leader @3 :UInt64;
  logEnd @4 :UInt64;
  applied @5 :UInt64;
  digest @6 :UInt64;
  agents @7 :UInt32;
  frameworks @8 :UInt32;
  tasks @9 :UInt32;
  jobs @10 :UInt32;
  members @11 :List(MasterRow);
  version @12 :Text;
  process @13 :Int64;
}

struct AgentRow {
  record @0 :Registry.AgentRecord;
  connected @1 :Bool;
  used @2 :List(Spec.Resource);
  tasks @3 :UInt32;
}

struct FrameworkRow {
  record @0 :Registry.FrameworkRecord;
  connected @1 :Bool;
  tasks @2 :UInt32;
  used @3 :List(Spec.Resource);
}

struct TaskRow {
  key @0 :Registry.TaskKey;
  name @1 :Text;
  agent @2 :Text;
  hostname @3 :Text;
  agentEndpoint @4 :Spec.Endpoint;
  resources @5 :List(Spec.Resource);
  status @6 :Spec.TaskStatus;
  job @7 :Spec.JobRef;
  why @8 :Text;
  launchedAt @9 :Int64;
}

struct LogChunk {
  data @0 :Data;
  offset @1 :UInt64;
  ended @2 :Bool;
}

struct MemberSeat {
  endpoint @0 :Spec.Endpoint;
  role @1 :UInt8;                 # cluster::MemberRole
}

struct MemberEdit {
  id @0 :UInt64;                  # Of all but `add`.
  union {
    none @1 :Void;
    add @2 :MemberSeat;
    setRole @3 :UInt8;
    setEndpoint @4 :Spec.Endpoint;
    remove @5 :Void;
  }
}

struct MemberRow {
  id @0 :UInt64;
  endpoint @1 :Spec.Endpoint;
  role @2 :UInt8;
  hasJoined @3 :Bool;
  isHeard @4 :Bool;
  chosenEnd @5 :UInt64;
}

struct Members {
  since @0 :UInt64;
  members @1 :List(MemberRow);
  leader @2 :UInt64;
}

struct Leader {
  leader @0 :UInt64;
  term @1 :UInt64;
}

struct Metric {
  name @0 :Text;
  help @1 :Text;
  kind @2 :UInt8;                 # cluster::Metric::Kind
  value @3 :Float64;
}

struct BackupBegun {
  cluster @0 :UInt64;
  member @1 :UInt64;
  first @2 :UInt64;
  end @3 :UInt64;
  term @4 :UInt64;
  hasSnapshot @5 :Bool;
  snapshotId @6 :UInt64;
  snapshotSize @7 :UInt64;
  snapshotChecksum @8 :UInt32;
}

struct ReadSnapshot {
  id @0 :UInt64;
  offset @1 :UInt64;
  sizeMax @2 :UInt32;
}

struct ReadEntries {
  from @0 :UInt64;
  to @1 :UInt64;
  sizeMax @2 :UInt32;
}

struct LogEntry {
  position @0 :UInt64;
  data @1 :Data;
}

struct WatchKeys {
  what @0 :Data;
  wait @1 :Int64;                 # Microseconds.
}

struct AdminMessage {
  id @0 :UInt64;
  union {
    none @1 :Void;                # What an empty message would be: never valid.
    getStatus @2 :Void;
    getAgents @3 :Void;
    getFrameworks @4 :Void;
    getTasks @5 :GetTasks;
    getJobs @6 :Void;
    getJob @7 :GetJob;
    submitJob @8 :Spec.JobInfo;
    stopJob @9 :Text;
    killTask @10 :Registry.TaskKey;
    readTaskLog @11 :ReadTaskLog;
    stopAgent @12 :StopAgent;
    done @13 :Void;
    failure @14 :Spec.Error;
    redirect @15 :AdminRedirect;
    masterStatus @16 :MasterStatus;
    agents @17 :List(AgentRow);
    frameworks @18 :List(FrameworkRow);
    tasks @19 :List(TaskRow);
    job @20 :Registry.JobRecord;
    jobs @21 :List(Registry.JobRecord);
    logChunk @22 :LogChunk;
    getMembers @23 :Void;
    changeMembers @24 :List(MemberEdit);
    addMember @25 :MemberSeat;
    transferLeadership @26 :UInt64; # To whom.
    getMetrics @27 :Void;
    members @28 :Members;
    joinToken @29 :Text;
    leader @30 :Leader;
    metrics @31 :List(Metric);
    beginBackup @32 :Void;
    readSnapshot @33 :ReadSnapshot;
    readEntries @34 :ReadEntries;
    backupBegun @35 :BackupBegun;
    logEntries @36 :List(LogEntry);
    askKeys @37 :Data;            # These four: src/registry/remote_keys.hpp.
    watchKeys @38 :WatchKeys;
    keysAnswer @39 :Data;
    keyEvents @40 :Data;
  }
}
