// Who belongs to a log, and how that changes.
//
// The set of members is itself an entry of the log: it decides the quorum of every later position,
// and the directory of each member is the authority on it. A member is a pair (id, incarnation):
// the incarnation is drawn when a directory is made and recorded when it joins, so a wiped disk, a
// copied disk or a disk of another cluster is not the member it claims to be and never votes. Ids
// are never used again: whoever replaces a member is a new one.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster {

// Stored and sent: never renumber.
enum class MemberRole : std::uint8_t {
  voter = 0,    // Keeps everything, counts for the quorum, may lead.
  witness = 1,  // Counts for the quorum, keeps no payload, never leads; cannot be read.
  learner = 2,  // Keeps everything, does not count. Where newcomers begin.
};

std::string_view to_string(MemberRole);

struct MemberInfo {
  NodeId id;
  Endpoint endpoint;
  MemberRole role = MemberRole::voter;
  bool has_joined = false;  // Its directory is known; false while its token waits to be used.

  // As the leader sees it; elsewhere as far as is known.
  bool is_heard = false;  // Within the last election timeout.
  Position chosen_end;    // It has everything before this; none when unknown.

  friend bool operator==(const MemberInfo&, const MemberInfo&) = default;
};

struct Members {
  Position since;  // The entry that set them; none for the founders.
  std::vector<MemberInfo> members;

  friend bool operator==(const Members&, const Members&) = default;
};

// What may be changed, by one entry and so all at once. "Replace 2 by 4": promote 4 and remove 2.
struct AddMember {  // Gets the next id that was never used.
  Endpoint endpoint;
  MemberRole role = MemberRole::learner;  // `witness` counts at once; `voter` is refused.
  friend bool operator==(const AddMember&, const AddMember&) = default;
};
struct SetMemberRole {  // A learner becomes a voter only when it has caught up.
  NodeId id;
  MemberRole role = MemberRole::voter;
  friend bool operator==(const SetMemberRole&, const SetMemberRole&) = default;
};
struct SetMemberEndpoint {
  NodeId id;
  Endpoint endpoint;
  friend bool operator==(const SetMemberEndpoint&, const SetMemberEndpoint&) = default;
};
struct RemoveMember {
  NodeId id;
  friend bool operator==(const RemoveMember&, const RemoveMember&) = default;
};
using MemberEdit = std::variant<AddMember, SetMemberRole, SetMemberEndpoint, RemoveMember>;

// What a newcomer is given to join with, by an operator; good for one directory, once.
struct JoinToken {
  ClusterUid cluster;
  NodeId id;
  std::uint64_t secret = 0;
  std::vector<Endpoint> members;  // Whom to ask.

  friend bool operator==(const JoinToken&, const JoinToken&) = default;
};

// "cluster-join:..." on one line, with a checksum against typing errors.
std::string to_string(const JoinToken&);
Result<JoinToken> parse_join_token(std::string_view text);

}  // namespace cluster
