// What members say to each other. Any message may be lost, doubled, delayed or reordered.
//
//   candidate                 members                  leader                  members
//   PreVote      ----------->                          Accept     ----------->
//                <-----------  PreVoted                           <-----------  Accepted (durable)
//   Prepare      ----------->                          Heartbeat  ----------->
//                <-----------  Promised   (durable)               <-----------  Heard
//
//   Learn/Learned: chosen entries for one that lacks them, and where they are no longer kept
//   SnapshotOffered, SnapshotFetch/SnapshotChunk. Forward/Forwarded: appends to the leader.
//   ReadIndex/ReadIndexed: up to where a reader must have the log. Command/Commanded: what
//   operators ask of the leader. CampaignNow: leadership handed over. RangeSum/RangeSummed: stores
//   compared. Introduce/Form: founders find each other. Join/Form: a newcomer is let in.
//   Resting: a follower that awaits no heartbeats asks. HostBeat, NoSuchLog: between hosts.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "cluster/log_host.hpp"
#include "cluster/result.hpp"
#include "replog/configuration.hpp"
#include "replog/types.hpp"

namespace cluster::replog {

// "Would you promise `ballot`?" Changes nothing anywhere.
struct PreVote {
  Ballot ballot;
  friend bool operator==(const PreVote&, const PreVote&) = default;
};
struct PreVoted {
  Ballot ballot;
  bool granted = false;
  Ballot promised;  // So that a candidate learns how high it must go.
  friend bool operator==(const PreVoted&, const PreVoted&) = default;
};

// Phase 1 for every position from `from` on. Sent again with a later `from` to fetch a long answer.
struct Prepare {
  Ballot ballot;
  Position from;
  friend bool operator==(const Prepare&, const Prepare&) = default;
};
struct Promised {
  Ballot ballot;
  bool granted = false;
  Ballot promised;      // The higher one, when not granted.
  Position chosen_end;  // Positions before it are chosen, and the values told are the chosen ones.
  Position first;       // `entries` is everything accepted in [first, next).
  Position next;
  Position end;  // Nothing is accepted at or after it. The answer is whole when next == end.
  std::vector<LogEntry> entries;
  friend bool operator==(const Promised&, const Promised&) = default;
};

// Phase 2 for the positions [first, first + values.size()).
struct Accept {
  Ballot ballot;
  Position first;
  std::vector<Value> values;
  Position chosen_end;
  friend bool operator==(const Accept&, const Accept&) = default;
};
struct Accepted {
  Ballot ballot;
  bool granted = false;
  Ballot promised;
  Position first;
  Position end;
  friend bool operator==(const Accepted&, const Accepted&) = default;
};

// "I lead": resets elections, and tells what is chosen.
struct Heartbeat {
  Ballot ballot;
  Position chosen_end;
  Position lead_at;  // Of the leader's own first entry; none until it is chosen.
  std::uint64_t sequence = 0;
  bool wants_lease = false;
  bool may_rest = false;  // No more will come before there is news: docs/PROTOCOL.md, "Resting".
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};
struct Heard {
  Ballot ballot;
  bool granted = false;
  Ballot promised;
  std::uint64_t sequence = 0;
  Position chosen_end;  // Of the one that answers: what it lacks is its lag.
  // It helps to elect nobody else for an election timeout from when it heard this heartbeat.
  bool grants_lease = false;
  bool rests = false;  // It awaits no more heartbeats.
  friend bool operator==(const Heard&, const Heard&) = default;
};

struct Learn {
  Position from;
  Position end;  // None: as far as the teller knows.
  friend bool operator==(const Learn&, const Learn&) = default;
};
struct Learned {
  std::vector<LogEntry> entries;  // Chosen, in order, without gaps.
  Position chosen_end;            // Of the teller: more can be asked for up to there.
  friend bool operator==(const Learned&, const Learned&) = default;
};

// The asked-for entries are no longer kept: this covers everything before `end`. Without bytes
// (`size` 0, no state machine) there is nothing to fetch: the log just begins at `end`.
struct SnapshotOffered {
  Position end;
  std::uint64_t term = 0;  // Of the last entry before `end` that has one.
  Configuration configuration;
  std::uint64_t id = 0;  // Of the teller's file: chunks of one id fit together.
  std::uint64_t size = 0;
  std::uint32_t checksum = 0;  // crc32c of all its bytes.
  friend bool operator==(const SnapshotOffered&, const SnapshotOffered&) = default;
};
struct SnapshotFetch {
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
  friend bool operator==(const SnapshotFetch&, const SnapshotFetch&) = default;
};
struct SnapshotChunk {
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
  Bytes data;  // None: this snapshot is not here any more; ask anew.
  friend bool operator==(const SnapshotChunk&, const SnapshotChunk&) = default;
};

// Appends for the leader of `ballot`, and for no other: a copy that comes late must not be carried
// out by a leader that was not asked. Tags are unique among all that a member ever sends.
struct Forward {
  Ballot ballot;
  struct Item {
    std::uint64_t tag = 0;
    Bytes data;
    bool is_packed = false;  // `data` is compressed.
    friend bool operator==(const Item&, const Item&) = default;
  };
  std::vector<Item> items;
  friend bool operator==(const Forward&, const Forward&) = default;
};
struct Forwarded {
  Ballot ballot;  // Of the Forward that is answered.
  struct Item {
    std::uint64_t tag = 0;
    Position position;  // None when it failed.
    Errc errc = Errc::ok;
    Outcome outcome = Outcome::not_applied;
    friend bool operator==(const Item&, const Item&) = default;
  };
  std::vector<Item> items;
  friend bool operator==(const Forwarded&, const Forwarded&) = default;
};

struct ReadIndex {
  std::uint64_t tag = 0;
  friend bool operator==(const ReadIndex&, const ReadIndex&) = default;
};
struct ReadIndexed {
  std::uint64_t tag = 0;
  bool granted = false;  // False: not the leader.
  Position end;
  friend bool operator==(const ReadIndexed&, const ReadIndexed&) = default;
};

// What an operator asks of the leader, through any member.
struct TransferLeadership {
  NodeId to;
  friend bool operator==(const TransferLeadership&, const TransferLeadership&) = default;
};
struct TruncateLog {
  Position to;
  friend bool operator==(const TruncateLog&, const TruncateLog&) = default;
};
struct ChangeMembers {
  std::vector<MemberEdit> edits;
  friend bool operator==(const ChangeMembers&, const ChangeMembers&) = default;
};
using CommandBody = std::variant<ChangeMembers, TransferLeadership, TruncateLog>;

struct Command {
  Ballot ballot;  // Of the leader that is meant, as with `Forward`.
  std::uint64_t tag = 0;
  CommandBody body;
  friend bool operator==(const Command&, const Command&) = default;
};
struct Commanded {
  std::uint64_t tag = 0;
  Errc errc = Errc::ok;
  Outcome outcome = Outcome::not_applied;
  std::string context;
  Position position;   // Of the entry, where one was made.
  Ballot ballot = {};  // Of the Command that is answered.
  friend bool operator==(const Commanded&, const Commanded&) = default;
};

// From the leader of `ballot` to the member that is to lead next: stand at once.
struct CampaignNow {
  Ballot ballot;
  friend bool operator==(const CampaignNow&, const CampaignNow&) = default;
};

// "My entries at [first, end), all chosen, sum up to `checksum`. And yours?"
struct RangeSum {
  Position first;
  Position end;
  std::uint32_t checksum = 0;
  friend bool operator==(const RangeSum&, const RangeSum&) = default;
};
struct RangeSummed {
  Position first;
  Position end;
  bool is_known = false;  // False: not all of it is here, or not chosen yet.
  std::uint32_t checksum = 0;
  friend bool operator==(const RangeSummed&, const RangeSummed&) = default;
};

// A founder with an empty directory looks for the others; its incarnation is the envelope's.
struct Introduce {
  // A checksum of the list it was started with: all must have the same.
  std::uint64_t founders = 0;
  // The incarnation of the one it is said to, as far as known: what was said to a directory that is
  // gone must not count for the next one.
  std::uint64_t to = 0;
  friend bool operator==(const Introduce&, const Introduce&) = default;
};
// A newcomer shows its token; its incarnation is the envelope's.
struct Join {
  std::uint64_t secret = 0;
  Endpoint endpoint;
  friend bool operator==(const Join&, const Join&) = default;
};
// "You belong to us": to a founder, or a newcomer whose joining is chosen.
struct Form {
  Configuration configuration;
  friend bool operator==(const Form&, const Form&) = default;
};

// From one that rests, now and then, to the leader that it follows: "do you lead still?"
struct Resting {
  Ballot ballot;
  friend bool operator==(const Resting&, const Resting&) = default;
};

// Between hosts of several logs, of no log: "this process runs". Another `life` is another process.
struct HostBeat {
  std::uint64_t life = 0;
  friend bool operator==(const HostBeat&, const HostBeat&) = default;
};
// To whoever speaks to a log that this host has not open, or not any more.
struct NoSuchLog {
  friend bool operator==(const NoSuchLog&, const NoSuchLog&) = default;
};

using Message =
    std::variant<PreVote, PreVoted, Prepare, Promised, Accept, Accepted, Heartbeat, Heard, Learn,
                 Learned, Forward, Forwarded, ReadIndex, ReadIndexed, SnapshotOffered,
                 SnapshotFetch, SnapshotChunk, Command, Commanded, CampaignNow, RangeSum,
                 RangeSummed, Introduce, Join, Form, Resting, HostBeat, NoSuchLog>;

std::string_view name_of(const Message&);

// Who says something: a member is both.
struct Sender {
  NodeId id;
  std::uint64_t incarnation = 0;
  friend auto operator<=>(const Sender&, const Sender&) = default;
};

// It does not say to whom: a message to all is encoded once. What is said to the wrong member does
// no harm, since answers name what they answer.
struct Envelope {
  ClusterUid cluster;
  NodeId from;
  std::uint64_t incarnation = 0;  // Of the sender's directory.
  Message message;
  LogId log = {};  // Of a host's logs; none: the only one of its directory.
  friend bool operator==(const Envelope&, const Envelope&) = default;
};

Bytes encode(const Envelope&);
// Checks all that can be checked without state: kinds, ids, order and number of positions.
Result<Envelope> decode_envelope(const Bytes&);

}  // namespace cluster::replog
