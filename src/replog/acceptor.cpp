#include "replog/acceptor.hpp"

#include <algorithm>

namespace cluster::replog {

Acceptor::Acceptor(NodeId self, Recovered recovered, std::size_t answer_bytes_max)
    : self_(self),
      promised_(recovered.promised),
      window_(recovered.first),
      answer_bytes_max_(answer_bytes_max) {
  for (LogEntry& entry : recovered.entries) window_.put(std::move(entry));
}

void Acceptor::on(NodeId from, const Prepare& prepare, Position chosen_end, Effects& effects) {
  if (prepare.ballot < promised_) {
    effects.now.push_back(Send{from, Promised{.ballot = prepare.ballot, .promised = promised_}});
    return;
  }
  if (prepare.ballot > promised_) {
    promised_ = prepare.ballot;
    effects.changes.push_back(SetPromise{promised_});
  }
  Promised answer{.ballot = prepare.ballot,
                  .granted = true,
                  .promised = promised_,
                  .chosen_end = chosen_end,
                  .first = prepare.from,
                  .next = prepare.from,
                  .end = std::max(prepare.from, end())};
  if (prepare.from < window_.first()) {
    Position end = window_.first();
    effects.then.push_back(SendStored{from, std::move(answer), prepare.from, end});
    return;
  }
  answer.entries = window_.range(answer.first, answer.end, answer_bytes_max_, answer.next);
  effects.then.push_back(Send{from, std::move(answer)});
}

void Acceptor::on(NodeId from, const Accept& accept, Position chosen_end, Effects& effects) {
  Position end = accept.first.plus(accept.values.size());
  if (accept.ballot < promised_) {
    effects.now.push_back(Send{
        from,
        Accepted{
            .ballot = accept.ballot, .promised = promised_, .first = accept.first, .end = end}});
    return;
  }
  if (accept.ballot > promised_) {
    promised_ = accept.ballot;
    effects.changes.push_back(SetPromise{promised_});
  }
  Position at = accept.first;
  effects.changes.reserve(effects.changes.size() + accept.values.size() + 2);
  for (const Value& value : accept.values) {
    const LogEntry* held = window_.find(at);
    bool is_new = at >= chosen_end && (held == nullptr || held->ballot < accept.ballot);
    if (is_new) {
      LogEntry entry{.position = at, .ballot = accept.ballot, .value = kept(value)};
      effects.changes.emplace_back(std::in_place_type<PutEntry>, PutEntry{entry});
      window_.put(std::move(entry));
    }
    at = at.next();
  }
  effects.then.push_back(Send{from, Accepted{.ballot = accept.ballot,
                                             .granted = true,
                                             .promised = promised_,
                                             .first = accept.first,
                                             .end = end}});
}

void Acceptor::restore(const LogEntry& entry, Effects& effects) {
  LogEntry restored{.position = entry.position, .ballot = entry.ballot, .value = kept(entry.value)};
  effects.changes.push_back(PutEntry{restored});
  if (restored.position >= window_.first()) window_.put(std::move(restored));
}

bool Acceptor::keep_chosen(const LogEntry& entry, Effects& effects) {
  const LogEntry* held = window_.find(entry.position);
  // An entry accepted at the ballot of the choice or later holds the chosen value: P2c.
  bool is_held = held != nullptr && held->ballot >= entry.ballot;
  if (is_held && !held->value.is_same_as(entry.value)) return false;
  bool is_whole = is_held && (!held->value.is_bare || is_witness_ || entry.value.is_bare);
  if (is_whole) return true;
  LogEntry chosen{.position = entry.position,
                  .ballot = is_held ? held->ballot : entry.ballot,
                  .value = kept(entry.value)};
  effects.changes.push_back(PutEntry{chosen});
  window_.put(std::move(chosen));
  return true;
}

}  // namespace cluster::replog
