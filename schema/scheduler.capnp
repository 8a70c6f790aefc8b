@0xe4a8d16f03b97c52;
# Between a scheduler and the leading master: src/wire/scheduler_messages.hpp says what each message
# means.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cluster::schema::scheduler");

using Spec = import "spec.capnp";

struct Subscribe {
  framework @0 :Text;             # Empty: a new one.
  name @1 :Text;
  role @2 :Text;
  failoverTimeout @3 :Int64;      # Microseconds, as every duration here.
}

struct Subscribed {
  framework @0 :Text;
  term @1 :UInt64;
  pingInterval @2 :Int64;
}

struct SchedulerRedirect {
  leader @0 :Spec.Endpoint;       # Absent: none is known.
}

struct SchedulerError {
  error @0 :Spec.Error;
  fatal @1 :Bool;
}

struct Offer {
  id @0 :UInt64;
  agent @1 :Text;
  hostname @2 :Text;
  resources @3 :List(Spec.Resource);
}

struct Accept {
  offers @0 :List(UInt64);
  tasks @1 :List(Data);           # Encoded Spec.TaskInfos.
  refuse @2 :Int64;
}

struct Decline {
  offers @0 :List(UInt64);
  refuse @1 :Int64;
}

struct Acknowledge {
  task @0 :Text;
  sequence @1 :UInt64;
}

struct SchedulerMessage {
  union {
    none @0 :Void;                # What an empty message would be: never valid.
    subscribe @1 :Subscribe;
    subscribed @2 :Subscribed;
    redirect @3 :SchedulerRedirect;
    error @4 :SchedulerError;
    offers @5 :List(Offer);
    rescind @6 :UInt64;
    accept @7 :Accept;
    decline @8 :Decline;
    suppress @9 :Void;
    revive @10 :Void;
    kill @11 :Text;
    update @12 :Spec.TaskStatus;
    acknowledge @13 :Acknowledge;
    reconcile @14 :List(Text);
    teardown @15 :Void;
    ping @16 :Void;
    pong @17 :Void;
  }
}
