// Which entries may be held against other members' copies, and what is done about one that is the
// odd one. docs/PROTOCOL.md, "Comparing stores".
#include <algorithm>

#include "replog/core.hpp"
#include "replog/store.hpp"

namespace cluster::replog {
namespace {

constexpr std::uint64_t scrub_entries_max = 1u << 16;

}  // namespace

// What is chosen is compared, and only once it is durable: `then`.
void Core::on_scrub(Position from, Effects& effects) {
  Position first = damage_.end_at(std::max(from, kept_from_));
  Position end = std::min(first.plus(scrub_entries_max), chosen_end_);
  end = first < end ? damage_.first_in(first, end) : first;
  effects.then.push_back(ScrubRange{{first, end}});
  finish(effects);
}

void Core::on(Time now, NodeId from, const RangeSum& asked, Effects& effects) {
  (void)now;
  if (from == options_.self || !(asked.first < asked.end)) return;
  bool is_whole = asked.first >= kept_from_ && asked.end <= chosen_end_ &&
                  distance(asked.first, asked.end) <= scrub_entries_max &&
                  damage_.first_in(asked.first, asked.end) == asked.end && !acceptor_.is_witness();
  if (is_whole) {
    effects.then.push_back(SumRange{from, {asked.first, asked.end}});
  } else {
    effects.now.push_back(Send{from, RangeSummed{.first = asked.first, .end = asked.end}});
  }
}

void Core::on(Time now, NodeId from, const RangeSummed& told, Effects& effects) {
  (void)now;
  effects.now.push_back(RangeCompared{from, told});
}

// The entry in memory may be what was written, or what was read back wrong at the start.
void Core::on_odd_copy(Time now, Position at, std::uint32_t checksum, Effects& effects) {
  if (at < kept_from_ || at >= chosen_end_ || damage_.contains(at)) return;
  wake(now);
  counters_.damaged += 1;
  const LogEntry* held = acceptor_.window().find(at);
  if (held != nullptr && checksum_value(0, *held) == checksum) {
    log_.error("entry differs from the other members'", "position", at, "remedy",
               "written again from memory");
    counters_.repaired += 1;
    effects.changes.push_back(PutEntry{*held});
    return finish(effects);
  }
  log_.error("entry differs from the other members'", "position", at, "remedy",
             "asked for from the other members");
  damage_.add({at, at.next()});
  ask_for_repair(now, effects);
  finish(effects);
}

}  // namespace cluster::replog
