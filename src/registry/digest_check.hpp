// Judges, from what the replicas say of their digests at one position, whether this one's state is
// the odd one out. Pure; one per replica.
//
// A replica is odd when more than half of those that keep the state and vote say one and the same
// digest, and it is not this one's. Where no digest has so many, nobody can tell who is wrong: all
// go on, and say so.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "registry/digest_note.hpp"

namespace cluster::registry {

class DigestCheck {
 public:
  enum class Verdict {
    open,    // Too few have said what they have.
    agreed,  // All of them have what this one has.
    differ,  // Not all have the same, and this one is not known to be wrong.
    odd,     // This one's state is wrong.
  };

  explicit DigestCheck(NodeId self) : self_(self) {}

  // The state's digest after every entry before `at`, which asks for it. Gives what is to be said.
  ReportDigest compare(Position at, const Digest& own);
  // What somebody says, this replica too. `judges`: the members that vote and keep the state.
  Verdict on(const ReportDigest&, const std::vector<NodeId>& judges);

  Position at() const { return at_; }  // Of the last that was asked; none before.
  // Who says what most say: for whom to ask what this one should have. After `odd`.
  std::vector<NodeId> right_ones() const;
  // Who says another thing than this one.
  std::vector<NodeId> different_ones() const;

 private:
  NodeId self_;
  Position at_;
  Digest own_{};
  std::map<NodeId, Digest> said_;
  std::optional<Digest> right_;
};

}  // namespace cluster::registry
