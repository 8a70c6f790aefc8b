@0xd1f7a2c95b3e4806;
# What a log's clients and members say to each other. A client speaks first: Hello.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cluster::schema");

struct LogClientMessage {
  tag @0 :UInt64;  # Of a call; its answer has the same. 0: not a call.
  union {
    hello @1 :UInt64;  # The cluster that is meant.
    welcome @2 :Welcome;
    append @3 :Data;
    read @4 :Read;
    catchUp @5 :Void;
    appended @6 :UInt64;
    entries @7 :List(Entry);
    range @8 :Range;
    failed @9 :Failed;
  }
  timeoutMs @10 :UInt32;  # Of a call: how long whoever asks still waits. 0: it does not say.

  struct Welcome {
    # Comes after Hello, and again whenever the leader changes. No host: nobody is known to lead, or
    # whoever says so does.
    leaderHost @0 :Text;
    leaderPort @1 :UInt16;
    leads @2 :Bool;
  }
  struct Read {
    from @0 :UInt64;
    to @1 :UInt64;
    bytesMax @2 :UInt64;
  }
  struct Entry {
    position @0 :UInt64;
    data @1 :Data;
  }
  struct Range {
    first @0 :UInt64;
    end @1 :UInt64;
  }
  struct Failed {
    errc @0 :UInt16;
    maybe @1 :Bool;
    context @2 :Text;
  }
}
