@0xb1f6e7c2d3a94855;
# The cluster's records, and the commands that change them: one command is one entry of the log.
# Entries are kept for ever: fields and commands are added, never renumbered or reused.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cluster::schema::registry");

using Spec = import "spec.capnp";

struct AgentRecord {
  id @0 :Text;
  hostname @1 :Text;
  endpoint @2 :Spec.Endpoint;
  total @3 :List(Spec.Resource);
  isolation @4 :Text;
  state @5 :State;
  since @6 :Int64;                # Milliseconds since 1970, as every time of day here.

  enum State {
    registered @0;
    lost @1;
  }
}

struct FrameworkRecord {
  id @0 :Text;
  name @1 :Text;
  role @2 :Text;
  failoverTimeout @3 :Int64;      # Microseconds, as every duration outside of specs.
  state @4 :State;
  since @5 :Int64;

  enum State {
    active @0;
    removed @1;
  }
}

struct TaskKey {
  framework @0 :Text;
  task @1 :Text;
}

struct TaskRecord {
  key @0 :TaskKey;
  agent @1 :Text;
  name @2 :Text;
  resources @3 :List(Spec.Resource);
  job @4 :Spec.JobRef;
  spec @5 :Data;                  # An encoded Spec.TaskInfo, as it was handed in.
  status @6 :Spec.TaskStatus;
  acknowledged @7 :Bool;
  killRequested @8 :Bool;
  launchedAt @9 :Int64;
}

struct JobTask {
  state @0 :State;
  attempt @1 :UInt32;
  failures @2 :UInt32;
  losses @3 :UInt32;
  task @4 :Text;
  exit @5 :Spec.TaskExit;
  endedAt @6 :Int64;

  enum State {
    waiting @0;
    launched @1;
    succeeded @2;
    failed @3;
  }
}

struct JobRecord {
  spec @0 :Spec.JobInfo;
  state @1 :State;
  message @2 :Text;
  tasks @3 :List(Stage);
  submittedAt @4 :Int64;
  endedAt @5 :Int64;
  revision @6 :UInt64;

  struct Stage {
    tasks @0 :List(JobTask);
  }

  enum State {
    active @0;
    stopping @1;
    succeeded @2;
    failed @3;
    stopped @4;
  }
}

struct LoseAgent {
  agent @0 :Text;
  reason @1 :Text;
  at @2 :Int64;
}

struct RemoveFramework {
  framework @0 :Text;
  at @1 :Int64;
}

struct EndTask {
  key @0 :TaskKey;
  status @1 :Spec.TaskStatus;
}

struct SubmitJob {
  job @0 :Spec.JobInfo;
  at @1 :Int64;
}

struct StopJob {
  job @0 :Text;
  reason @1 :Text;
  at @2 :Int64;
}

struct BeginTerm {
  term @0 :UInt64;
  leader @1 :UInt64;
  cluster @2 :UInt64;
}

struct RaiseFormat {
  format @0 :UInt32;              # Of the state, from here on: src/registry/format.hpp
  by @1 :Text;                    # The version that proposed it.
}

struct CompareDigests {
  term @0 :UInt64;
}

struct ReportDigest {
  at @0 :UInt64;
  member @1 :UInt64;
  version @2 :UInt32;             # Of how digests are made.
  low @3 :UInt64;
  high @4 :UInt64;
  reads @5 :UInt32;               # The newest format of the state that the member reads; 0 is 1.
}

struct Command {
  union {
    none @0 :Void;                # What an empty message would be: never valid.
    registerAgent @1 :AgentRecord;
    loseAgent @2 :LoseAgent;
    registerFramework @3 :FrameworkRecord;
    removeFramework @4 :RemoveFramework;
    launchTask @5 :TaskRecord;
    killTask @6 :TaskKey;
    endTask @7 :EndTask;
    acknowledgeTask @8 :TaskKey;
    submitJob @9 :SubmitJob;
    stopJob @10 :StopJob;
    beginTerm @11 :BeginTerm;
    compareDigests @12 :CompareDigests; # These two change nothing: src/registry/digest_note.hpp
    reportDigest @13 :ReportDigest;
    raiseFormat @14 :RaiseFormat;
  }
}

# One part of a snapshot of the whole state: the head first, then rows in the order of their keys (the
# history's oldest first), then the end. Read for ever, as commands are.
struct StateHead {
  version @0 :UInt32;             # The state's format; a program reads those up to its newest.
  applied @1 :UInt64;
  cluster @2 :UInt64;
  frameworksMade @3 :UInt64;
  digestVersion @4 :UInt32;
  digestLow @5 :UInt64;
  digestHigh @6 :UInt64;
  formatBy @7 :Text;              # The version that raised the format.
}

struct StatePart {
  union {
    none @0 :Void;                # What an empty message would be: never valid.
    head @1 :StateHead;
    agents @2 :List(AgentRecord);
    frameworks @3 :List(FrameworkRecord);
    tasks @4 :List(TaskRecord);
    history @5 :List(TaskRecord);
    jobs @6 :List(JobRecord);
    end @7 :Void;
  }
}
