// What clients that are no members of the log ask about users' keys, and are answered, as bytes:
// questions and answers on the masters' admin lane (wire/admin_messages.hpp).
//
// A command travels as the entry that it becomes (keys_command.hpp), with its session's stamp and a
// request id that is not heeded. A watch is a row of questions, each from the revision after what
// the last answer told: whoever answers the next one, nothing is left out or told twice.
//
// Everything here takes any bytes.
#pragma once

#include <string>

#include "cluster/keys.hpp"
#include "registry/keys_command.hpp"

namespace cluster::registry {

// What changed in a range from a revision on.
struct KeyWatchQuestion {
  std::string space;
  KeyRange range;
  Revision from;  // Not 0.
  bool puts = true;
  bool deletes = true;

  friend bool operator==(const KeyWatchQuestion&, const KeyWatchQuestion&) = default;
};

// The larger of what a watch's one answer may hold: more waits for the next question. One revision
// is never taken apart.
inline constexpr std::size_t watch_answer_bytes = 4u << 20;

Bytes encode(const KeyWatchQuestion&);
Result<KeyWatchQuestion> decode_key_watch_question(ByteView);

// Events without what was before; `upto` is where the next question goes on.
Bytes encode(const WatchBatch&);
Result<WatchBatch> decode_watch_batch(ByteView);

// What the state answered: its refusals are answers too.
Bytes encode_answer(const Result<KeyAnswer>&);
Result<Result<KeyAnswer>> decode_answer(ByteView);

}  // namespace cluster::registry
