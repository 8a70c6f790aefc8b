// What members say to each other. Any message may be lost, doubled, delayed or reordered.
//
//   candidate                 members                  leader                  members
//   PreVote      ----------->                          Accept     ----------->
//                <-----------  PreVoted                           <-----------  Accepted (durable)
//   Prepare      ----------->                          Heartbeat  ----------->
//                <-----------  Promised   (durable)               <-----------  Heard
//
//   Learn/Learned: chosen entries for one that lacks them. Forward/Forwarded: appends to the
//   leader. ReadIndex/ReadIndexed: up to where a reader must have the log.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "cluster/result.hpp"
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
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};
struct Heard {
  Ballot ballot;
  bool granted = false;
  Ballot promised;
  std::uint64_t sequence = 0;
  Position chosen_end;  // Of the one that answers: what it lacks is its lag.
  friend bool operator==(const Heard&, const Heard&) = default;
};

struct Learn {
  Position from;
  friend bool operator==(const Learn&, const Learn&) = default;
};
struct Learned {
  std::vector<LogEntry> entries;  // Chosen, in order, without gaps.
  Position chosen_end;            // Of the teller: more can be asked for up to there.
  friend bool operator==(const Learned&, const Learned&) = default;
};

// Appends for the leader of `ballot`, and for no other: a copy that comes late must not be carried
// out by a leader that was not asked. Tags are unique among all that a member ever sends.
struct Forward {
  Ballot ballot;
  struct Item {
    std::uint64_t tag = 0;
    Bytes data;
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

using Message = std::variant<PreVote, PreVoted, Prepare, Promised, Accept, Accepted, Heartbeat,
                             Heard, Learn, Learned, Forward, Forwarded, ReadIndex, ReadIndexed>;

std::string_view name_of(const Message&);

struct Envelope {
  ClusterUid cluster;
  NodeId from;
  NodeId to;
  Message message;
  friend bool operator==(const Envelope&, const Envelope&) = default;
};

Bytes encode(const Envelope&);
// Checks all that can be checked without state: kinds, ids, order and number of positions.
Result<Envelope> decode_envelope(const Bytes&);

}  // namespace cluster::replog
