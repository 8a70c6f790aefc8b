// Entries that compare the replicas' states and change none of them. The leader asks now and then,
// by an entry: its place in the log is the agreed position, and every replica says in another one
// what its state's digest was there, and which formats it reads. See digest_check.hpp and
// format_agreement.hpp.
//
// To a replica that does not know them they are entries that cannot be decoded, and are skipped.
#pragma once

#include <cstdint>
#include <variant>

#include "cluster/result.hpp"
#include "cluster/types.hpp"
#include "registry/row_hash.hpp"

namespace cluster::registry {

struct CompareDigests {
  std::uint64_t term = 0;  // Of the leader that asks.
  friend bool operator==(const CompareDigests&, const CompareDigests&) = default;
};
struct ReportDigest {
  Position at;  // Of the CompareDigests.
  NodeId member;
  std::uint32_t version = 0;  // `digest_version`.
  Digest digest{};
  std::uint32_t reads = 1;  // The newest format of the state that the member reads.
  friend bool operator==(const ReportDigest&, const ReportDigest&) = default;
};
using DigestNote = std::variant<CompareDigests, ReportDigest>;

Bytes encode(const DigestNote&);
Result<DigestNote> decode_digest_note(ByteView);

}  // namespace cluster::registry
