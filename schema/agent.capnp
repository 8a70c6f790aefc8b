@0x9c2f7b51ae60d4f3;
# Between a master and an agent: src/wire/agent_messages.hpp says what each message means.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cluster::schema::agent");

using Spec = import "spec.capnp";

struct AgentTask {
  framework @0 :Text;
  status @1 :Spec.TaskStatus;
}

struct RegisterAgentRequest {
  agent @0 :Text;
  cluster @1 :UInt64;
  hostname @2 :Text;
  endpoint @3 :Spec.Endpoint;
  total @4 :List(Spec.Resource);
  isolation @5 :Text;
  tasks @6 :List(AgentTask);
}

struct AgentRegistered {
  cluster @0 :UInt64;
  term @1 :UInt64;
  pingInterval @2 :Int64;         # Microseconds.
}

struct AgentRedirect {
  leader @0 :Spec.Endpoint;       # Absent: none is known.
}

struct RunTask {
  framework @0 :Text;
  task @1 :Text;
  spec @2 :Data;                  # An encoded Spec.TaskInfo.
}

struct KillAgentTask {
  framework @0 :Text;
  task @1 :Text;
}

struct AgentUpdateAck {
  framework @0 :Text;
  task @1 :Text;
  sequence @2 :UInt64;
}

struct AgentMessage {
  union {
    none @0 :Void;                # What an empty message would be: never valid.
    registerAgent @1 :RegisterAgentRequest;
    registered @2 :AgentRegistered;
    refused @3 :Spec.Error;
    redirect @4 :AgentRedirect;
    runTask @5 :RunTask;
    killTask @6 :KillAgentTask;
    update @7 :AgentTask;
    updateAck @8 :AgentUpdateAck;
    ping @9 :Void;
    pong @10 :Void;
  }
}
