// What the checker of histories may be asked about: registers by name, and a log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/linearizability.hpp"

namespace cluster::sim {

// A map of registers, each by itself. A register that was never put holds nothing.
struct RegisterModel {
  struct Call {
    enum class Kind : std::uint8_t { get, put, cas } kind = Kind::get;
    std::string key;
    std::string value;                    // Of put and cas.
    std::optional<std::string> expected;  // Of cas; none: the register holds nothing.
    friend bool operator==(const Call&, const Call&) = default;
  };
  struct Answer {
    std::optional<std::string> value;  // Of get.
    bool swapped = false;              // Of cas.
  };
  using State = std::optional<std::string>;

  static std::uint64_t hash(const State&);
  static std::string key(const Call& call) { return call.key; }
  static bool apply(State&, const Call&, const Answer*);
};

// A log: appends take positions that grow, with gaps; a read shows everything before its end, and a
// catch-up ends behind everything that was appended.
struct LogModel {
  struct Call {
    enum class Kind : std::uint8_t { append, read, catch_up } kind = Kind::append;
    std::string log;    // Whose; logs do not meet.
    std::string value;  // Of append.
    friend bool operator==(const Call&, const Call&) = default;
  };
  struct Answer {
    std::uint64_t position = 0;        // Of append: where. Of catch_up: the end, not included.
    std::vector<std::string> entries;  // Of read: all of them, in order.
  };
  struct State {
    std::uint64_t end = 1;      // No entry takes a position before it.
    std::uint64_t entries = 0;  // How many, and what they are, all in one.
    std::uint64_t content = 0;
    friend bool operator==(const State&, const State&) = default;
  };

  static std::uint64_t hash(const State&);
  static std::string key(const Call& call) { return call.log; }
  static bool apply(State&, const Call&, const Answer*);
};

}  // namespace cluster::sim
