// The words of the protocol: ballots, values, entries.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "cluster/logger.hpp"
#include "cluster/types.hpp"

namespace cluster::replog {

// An entry travels in one message, whose limit is twice that.
inline constexpr std::size_t entry_size_limit = 16u << 20;

// A leader's right to propose. Totally ordered; no two members ever use the same one.
struct Ballot {
  std::uint64_t round = 0;  // 0: none.
  NodeId member;

  explicit operator bool() const { return round != 0; }
  friend bool operator==(const Ballot&, const Ballot&) = default;
  friend auto operator<=>(const Ballot&, const Ballot&) = default;
};

// Members' ids share a number with the round to make a term (see `term_of`).
inline constexpr std::uint64_t member_id_max = 0xffff;
inline constexpr std::uint64_t round_max = (std::uint64_t{1} << 47) - 1;

// A ballot as one number, in the same order.
inline std::uint64_t term_of(const Ballot& ballot) {
  return (ballot.round << 16) | ballot.member.value();
}

inline std::string to_field(const Ballot& ballot) {
  return std::to_string(ballot.round) + "." + std::to_string(ballot.member.value());
}

// What an entry is for. Stored and sent: never renumber.
enum class Kind : std::uint8_t {
  data = 0,      // An application's.
  noop = 1,      // Fills a hole that an earlier leader left.
  lead = 2,      // A leader's first own entry: everything of older leaders lies before it.
  config = 3,    // Sets the members; its data is an encoded `Configuration`.
  truncate = 4,  // Everything before a position may be forgotten; its data is that position.
  packed = 5,    // An application's, compressed.
};
inline constexpr std::uint8_t kind_max = 5;

// Whether applications see it.
inline bool is_data(Kind kind) { return kind == Kind::data || kind == Kind::packed; }

struct Value {
  Kind kind = Kind::data;
  Bytes data;
  // Of the leader that proposed it first; 0: a hole's, of no term. Along the log terms never fall,
  // so what an older leader left behind cannot come to stand after a newer one's entries.
  std::uint64_t term = 0;
  // At a witness: the data is withheld. Which value it is, position, kind and term say all the
  // same: one term's leader proposes one value at a position, and a hole has no data.
  bool is_bare = false;

  // As a witness keeps it. What the log needs for itself is kept whole.
  Value bare() const {
    return is_data(kind) ? Value{.kind = kind, .data = {}, .term = term, .is_bare = true} : *this;
  }
  // The same value, whether or not its data is here.
  bool is_same_as(const Value& other) const {
    return kind == other.kind && term == other.term &&
           (is_bare || other.is_bare || data == other.data);
  }

  std::size_t cost() const { return data.size() + 64; }  // Memory, about.
  friend bool operator==(const Value&, const Value&) = default;
};

// Positions [first, end).
struct PositionRange {
  Position first;
  Position end;
  friend bool operator==(const PositionRange&, const PositionRange&) = default;
};

// A value accepted at a position by the authority of a ballot.
struct LogEntry {
  Position position;
  Ballot ballot;
  Value value;

  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

// The data of a `truncate`: 8 bytes, the lowest first.
inline Bytes encode_position(Position position) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>(position.value() >> (8 * i));
  return Bytes(std::move(text));
}
// None where the data is not a position.
inline Position decode_position(ByteView data) {
  std::uint64_t number = 0;
  if (data.size() != 8) return Position{};
  for (std::size_t i = 0; i < 8; ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(data[i])} << (8 * i);
  }
  return Position(number);
}

}  // namespace cluster::replog
