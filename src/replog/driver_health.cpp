// The driver's word on whether this replica can be used.
#include "replog/driver.hpp"

namespace cluster::replog {
namespace {

// One that was caught up may fall behind by so much before it is called so.
constexpr std::uint64_t lag_max = 4096;

}  // namespace

Driver::Standing Driver::standing() const {
  if (has_failed()) return Standing::failed;
  if (core_.is_forming()) return Standing::forming;
  if (core_.is_removed()) return Standing::removed;
  if (core_.is_disk_stalled()) return Standing::stalled;
  if (!core_.damage().empty()) return Standing::damaged;
  const Leadership& leadership = snapshot_.leadership;
  if (!leadership.leader) return Standing::leaderless;
  if (leadership.leader == options_.self && !leadership.is_self) return Standing::settling;
  Position end = core_.chosen_end();
  bool was_ready = standing_ == Standing::ready;
  bool is_near = end.plus(was_ready ? lag_max : 0) >= core_.known_chosen_end();
  bool applies = applier_ && !core_.acceptor().is_witness();
  bool is_applied = !applies || applier_->applied_end().plus(lag_max) >= end;
  return is_near && is_applied ? Standing::ready : Standing::lagging;
}

std::string Driver::reason_of(Standing standing) const {
  switch (standing) {
    case Standing::ready: return "";
    case Standing::failed: return "it has stopped for good: " + snapshot_.failure->message();
    case Standing::forming:
      return "its directory is no member yet: it waits for the other founders, or to be let in";
    case Standing::removed: return core_.removal().context;
    case Standing::leaderless:
      return "it knows no leader: a majority of the voters must be up and reachable";
    case Standing::settling:
      return "it was elected, and what earlier leaders left is not settled yet";
    case Standing::lagging: return "it is catching up with what others have chosen";
    case Standing::stalled: return "its disk finishes no sync";
    case Standing::damaged:
      return "entries are damaged on its disk, and being fetched from other members";
  }
  return "";
}

void Driver::note_health() {
  Standing now = standing();
  if (now == standing_ && !(health_ == Health{})) return;
  standing_ = now;
  health_ = Health{.is_live = now != Standing::failed,
                   .is_ready = now == Standing::ready,
                   .reason = reason_of(now)};
  if (health_.is_ready) {
    log_.info("ready");
  } else {
    log_.info("not ready", "why", health_.reason);
  }
  snapshot_.health = std::make_shared<const Health>(health_);
  publish();
  for (const auto& watcher : health_watchers_) tell(watcher);
}

}  // namespace cluster::replog
