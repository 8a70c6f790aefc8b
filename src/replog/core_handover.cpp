// Leadership handed over: because an operator asks for it, or because the leader is no voter any
// more. The next one stands at once and without asking whether it may: its term ends ours.
#include <algorithm>
#include <utility>

#include "replog/core.hpp"

namespace cluster::replog {
namespace {

// One that lacks more than this would have everybody wait for it.
constexpr std::uint64_t lag_max = 4096;

}  // namespace

void Core::execute_one(Time now, Origin origin, const TransferLeadership& asked, Effects& effects) {
  if (asked.to == options_.self) {
    return answer_command(origin, Commanded{.tag = origin.tag, .position = lead_at_}, effects);
  }
  std::string who = "member " + to_field(asked.to);
  auto no = [&](Errc errc, const std::string& why) { refuse(origin, Error{errc, why}, effects); };
  const Member* to = configuration_.find(asked.to);
  if (to == nullptr) return no(Errc::invalid_argument, "there is no " + who);
  if (to->role != MemberRole::voter) {
    return no(Errc::invalid_argument,
              who + " is a " + std::string(to_string(to->role)) + "; only a voter leads");
  }
  bool is_heard = pipeline_->heard_at(asked.to) > now - options_.election_timeout;
  if (to->incarnation == 0 || !is_heard) return no(Errc::unreachable, who + " is not heard from");
  if (is_changing()) {
    return no(Errc::overloaded, "another change of the members or the leader is under way");
  }
  Position has = std::max(pipeline_->chosen_end_of(asked.to), Position(1));
  if (has.plus(lag_max) < chosen_end_) {
    return no(Errc::overloaded,
              who + " lacks " + std::to_string(distance(has, chosen_end_)) + " entries");
  }
  log_.info("hands over", "to", asked.to);
  hand_over_ = HandOver{.to = asked.to, .asked = origin, .until = now + options_.election_timeout};
  pipeline_->hold();
  go_on_handing_over(now, effects);
}

// After whatever may have moved it.
void Core::go_on_handing_over(Time now, Effects& effects) {
  if (!hand_over_->to) return leave_the_lead(now, effects);
  if (now >= hand_over_->until) {
    log_.info("goes on leading", "ballot", ballot_, "why", "nobody took over in time");
    refuse(hand_over_->asked,
           Error{Errc::timed_out, "member " + to_field(hand_over_->to) + " did not take over",
                 Outcome::maybe},
           effects);
    hand_over_.reset();
    wants_lease_ = options_.lease_reads;
    if (!is_changing_) pipeline_->go_on();
    return propose(effects);
  }
  if (!pipeline_->has_all(hand_over_->to) || now < hand_over_->ask_again_at) return;
  hand_over_->ask_again_at = now + options_.heartbeat_interval;
  give_lease_up(now, effects);
  effects.now.push_back(Send{hand_over_->to, CampaignNow{ballot_}});
}

// We lead and vote no more. First a quorum of those that remain must have all of it on their disks,
// as a promise says and a heartbeat's answer does not: whoever asked for the change may switch the
// others off then. After that the furthest of them stands.
void Core::leave_the_lead(Time now, Effects& effects) {
  bool is_known = preparation_ && preparation_->has_quorum();
  if (!is_known && now < hand_over_->until) return;
  NodeId furthest;
  for (const Member& member : configuration_.all()) {
    if (member.role != MemberRole::voter || member.id == options_.self) continue;
    Position has = pipeline_->chosen_end_of(member.id);
    if (!furthest || has > pipeline_->chosen_end_of(furthest)) furthest = member.id;
  }
  auto change = std::exchange(chosen_change_, std::nullopt);
  if (change && is_known) {
    answer_command(change->asked, Commanded{.tag = change->asked.tag, .position = change->at},
                   effects);
  } else {
    chosen_change_ = change;
  }
  give_lease_up(now, effects);
  if (furthest) effects.now.push_back(Send{furthest, CampaignNow{ballot_}});
  stop_leading(now, "it votes no more", effects);
}

}  // namespace cluster::replog
