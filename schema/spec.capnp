@0xd5f8c0a1b7e34c21;
# What users hand in, and the values that every message shares. Structs and fields carry the names
# of Mesos' v1 API where it has them (camel case here, snake case there); a comment gives the v1
# name and its protobuf tag. Numbers here are our own: fields are added, never renumbered.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cluster::schema::spec");

struct DurationInfo {             # v1 DurationInfo
  nanoseconds @0 :Int64;          # nanoseconds = 1
}

struct Label {                    # v1 Label
  key @0 :Text;                   # key = 1
  value @1 :Text;                 # value = 2
}

struct Labels {                   # v1 Labels
  labels @0 :List(Label);         # labels = 1
}

struct Environment {              # v1 Environment
  variables @0 :List(Variable);   # variables = 1

  struct Variable {
    name @0 :Text;                # name = 1
    value @1 :Text;               # value = 2
  }
}

struct CommandInfo {              # v1 CommandInfo
  environment @0 :Environment;    # environment = 2
  shell @1 :Bool = true;          # shell = 6: `value` is run by /bin/sh -c
  value @2 :Text;                 # value = 3
  arguments @3 :List(Text);       # arguments = 7: run as they are when `shell` is false
}

struct KillPolicy {               # v1 KillPolicy
  gracePeriod @0 :DurationInfo;   # grace_period = 1
}

struct Value {                    # v1 Value
  struct Range {                  # v1 Value.Range, but half-open: [begin, end)
    begin @0 :UInt64;             # begin = 1
    end @1 :UInt64;               # end = 2, there inclusive
  }
}

struct Resource {                 # v1 Resource
  name @0 :Text;                  # name = 2
  union {                         # type = 3
    scalar @1 :Int64;             # scalar = 4, there a double: thousandths here
    ranges @2 :List(Value.Range); # ranges = 5
    set @3 :List(Text);           # set = 6
  }
}

struct JobRef {                   # Which piece of which job a task is. No v1 counterpart.
  job @0 :Text;
  stage @1 :UInt32;
  index @2 :UInt32;
  attempt @3 :UInt32;
}

struct TaskInfo {                 # v1 TaskInfo
  name @0 :Text;                  # name = 1
  taskId @1 :Text;                # task_id = 2, there { value }
  resources @2 :List(Resource);   # resources = 4
  command @3 :CommandInfo;        # command = 7
  killPolicy @4 :KillPolicy;      # kill_policy = 12
  labels @5 :Labels;              # labels = 10
  job @6 :JobRef;                 # ours; absent for tasks of other frameworks
}

struct StageInfo {                # ours
  name @0 :Text;
  after @1 :List(Text);
  command @2 :CommandInfo;
  commands @3 :List(CommandInfo);
  instances @4 :UInt32;
  resources @5 :List(Resource);
  attemptsMax @6 :UInt32;
  killPolicy @7 :KillPolicy;
}

struct JobInfo {                  # ours
  jobId @0 :Text;
  name @1 :Text;
  kind @2 :Kind;
  stages @3 :List(StageInfo);

  enum Kind {
    batch @0;
    service @1;
  }
}

enum TaskState {                  # v1 TaskState: the same numbers
  starting @0;                    # TASK_STARTING
  running @1;
  finished @2;
  failed @3;
  killed @4;
  lost @5;
  staging @6;
  error @7;
  killing @8;
  dropped @9;
}

struct TaskExit {                 # ours
  code @0 :Int32;
  signal @1 :Int32;
}

struct TaskStatus {               # v1 TaskStatus
  taskId @0 :Text;                # task_id = 1
  state @1 :TaskState = staging;  # state = 2
  sequence @2 :UInt64;            # ours: what v1 does with uuid = 11
  exit @3 :TaskExit;              # ours; absent while the task has not exited
  reason @4 :Text;                # reason = 10, there an enum
  message @5 :Text;               # message = 4
  agentId @6 :Text;               # agent_id = 5
  timestamp @7 :Int64;            # timestamp = 6, there a double of seconds: milliseconds here
}

struct Endpoint {
  host @0 :Text;
  port @1 :UInt16;
}

struct Error {
  code @0 :UInt16;                # Errc's number
  context @1 :Text;
  maybe @2 :Bool;                 # Whether the action may have been applied.
}
