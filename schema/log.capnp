@0xb0c1a6a3f8e4d201;
# What the members of one log say to each other. Positions and ballots as in docs/PROTOCOL.md.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("cluster::schema");

struct Ballot {
  round @0 :UInt64;
  member @1 :UInt64;
}

struct LogValue {
  kind @0 :UInt8;
  data @1 :Data;
  term @2 :UInt64;
}

struct LogEntry {
  position @0 :UInt64;
  ballot @1 :Ballot;
  kind @2 :UInt8;
  data @3 :Data;
  term @4 :UInt64;
}

# Every message names the cluster and both ends, so that one that strayed is seen.
struct LogEnvelope {
  cluster @0 :UInt64;
  from @1 :UInt64;
  to @2 :UInt64;

  union {
    preVote @3 :PreVote;
    preVoted @4 :PreVoted;
    prepare @5 :Prepare;
    promised @6 :Promised;
    accept @7 :Accept;
    accepted @8 :Accepted;
    heartbeat @9 :Heartbeat;
    heard @10 :Heard;
    learn @11 :Learn;
    learned @12 :Learned;
    forward @13 :Forward;
    forwarded @14 :Forwarded;
    readIndex @15 :ReadIndex;
    readIndexed @16 :ReadIndexed;
  }
}

struct PreVote {
  ballot @0 :Ballot;
}
struct PreVoted {
  ballot @0 :Ballot;
  granted @1 :Bool;
  promised @2 :Ballot;
}
struct Prepare {
  ballot @0 :Ballot;
  from @1 :UInt64;
}
struct Promised {
  ballot @0 :Ballot;
  granted @1 :Bool;
  promised @2 :Ballot;
  chosenEnd @3 :UInt64;
  first @4 :UInt64;
  next @5 :UInt64;
  end @6 :UInt64;
  entries @7 :List(LogEntry);
}
struct Accept {
  ballot @0 :Ballot;
  first @1 :UInt64;
  values @2 :List(LogValue);
  chosenEnd @3 :UInt64;
}
struct Accepted {
  ballot @0 :Ballot;
  granted @1 :Bool;
  promised @2 :Ballot;
  first @3 :UInt64;
  end @4 :UInt64;
}
struct Heartbeat {
  ballot @0 :Ballot;
  chosenEnd @1 :UInt64;
  leadAt @2 :UInt64;
  sequence @3 :UInt64;
}
struct Heard {
  ballot @0 :Ballot;
  granted @1 :Bool;
  promised @2 :Ballot;
  sequence @3 :UInt64;
  chosenEnd @4 :UInt64;
}
struct Learn {
  from @0 :UInt64;
}
struct Learned {
  entries @0 :List(LogEntry);
  chosenEnd @1 :UInt64;
}
struct Forward {
  ballot @1 :Ballot;
  items @0 :List(Item);
  struct Item {
    tag @0 :UInt64;
    data @1 :Data;
  }
}
struct Forwarded {
  ballot @1 :Ballot;
  items @0 :List(Item);
  struct Item {
    tag @0 :UInt64;
    position @1 :UInt64;
    errc @2 :UInt16;
    maybe @3 :Bool;
  }
}
struct ReadIndex {
  tag @0 :UInt64;
}
struct ReadIndexed {
  tag @0 :UInt64;
  granted @1 :Bool;
  end @2 :UInt64;
}
