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
  bare @3 :Bool;
}

struct LogEntry {
  position @0 :UInt64;
  ballot @1 :Ballot;
  kind @2 :UInt8;
  data @3 :Data;
  term @4 :UInt64;
  bare @5 :Bool;
}

struct LogMember {
  id @0 :UInt64;
  incarnation @1 :UInt64;
  role @2 :UInt8;
  joinSecret @3 :UInt64;
  host @4 :Text;
  port @5 :UInt16;
}

# Who belongs to a log; an entry's data too.
struct LogConfiguration {
  members @0 :List(LogMember);
  idsEnd @1 :UInt64;
}

# Every message names the cluster and its sender with the incarnation of its disk, so that one that
# strayed is seen.
struct LogEnvelope {
  cluster @0 :UInt64;
  from @1 :UInt64;
  incarnation @2 :UInt64;

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
    snapshotOffered @17 :SnapshotOffered;
    snapshotFetch @18 :SnapshotFetch;
    snapshotChunk @19 :SnapshotChunk;
    command @20 :LogCommand;
    commanded @21 :LogCommanded;
    campaignNow @22 :CampaignNow;
    rangeSum @23 :RangeSum;
    rangeSummed @24 :RangeSummed;
    introduce @25 :Introduce;
    join @26 :Join;
    form @27 :Form;
    resting @29 :Resting;
    hostBeat @30 :HostBeat;
    noSuchLog @31 :NoSuchLog;
  }

  # Which of a host's logs; 0: the only one of its directory.
  log @28 :UInt64;
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
  wantsLease @4 :Bool;
  mayRest @5 :Bool;
}
struct Heard {
  ballot @0 :Ballot;
  granted @1 :Bool;
  promised @2 :Ballot;
  sequence @3 :UInt64;
  chosenEnd @4 :UInt64;
  grantsLease @5 :Bool;
  rests @6 :Bool;
}
struct Learn {
  from @0 :UInt64;
  end @1 :UInt64;
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
    packed @2 :Bool;
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
struct SnapshotOffered {
  end @0 :UInt64;
  term @1 :UInt64;
  configuration @2 :LogConfiguration;
  since @3 :UInt64;
  id @4 :UInt64;
  size @5 :UInt64;
  checksum @6 :UInt32;
}
struct SnapshotFetch {
  id @0 :UInt64;
  offset @1 :UInt64;
}
struct SnapshotChunk {
  id @0 :UInt64;
  offset @1 :UInt64;
  data @2 :Data;
}
struct LogCommand {
  ballot @0 :Ballot;
  tag @1 :UInt64;
  union {
    changeMembers @2 :List(MemberEdit);
    transferLeadership @3 :UInt64;
    truncate @4 :UInt64;
  }
  struct MemberEdit {
    id @0 :UInt64;
    role @1 :UInt8;
    host @2 :Text;
    port @3 :UInt16;
    kind @4 :Kind;
    enum Kind {
      add @0;
      setRole @1;
      setEndpoint @2;
      remove @3;
    }
  }
}
struct LogCommanded {
  tag @0 :UInt64;
  errc @1 :UInt16;
  maybe @2 :Bool;
  context @3 :Text;
  position @4 :UInt64;
  ballot @5 :Ballot;
}
struct CampaignNow {
  ballot @0 :Ballot;
}
struct RangeSum {
  first @0 :UInt64;
  end @1 :UInt64;
  checksum @2 :UInt32;
}
struct RangeSummed {
  first @0 :UInt64;
  end @1 :UInt64;
  known @2 :Bool;
  checksum @3 :UInt32;
}
struct Introduce {
  founders @0 :UInt64;
  to @1 :UInt64;
}
struct Join {
  secret @0 :UInt64;
  host @1 :Text;
  port @2 :UInt16;
}
struct Form {
  configuration @0 :LogConfiguration;
  since @1 :UInt64;
}
struct Resting {
  ballot @0 :Ballot;
}
struct HostBeat {
  life @0 :UInt64;
}
struct NoSuchLog {
}
