#include "agentlib/master_link.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace cluster::agentlib {

namespace {

constexpr int silent_pings_max = 5;
// Masters that lost their leader point at each other for a while: the first redirections are
// followed at once, later ones at the pace of failures.
constexpr std::uint32_t prompt_redirections_max = 3;
// A refusal needs a person; asking more often only fills logs.
constexpr Duration refused_pause = std::chrono::seconds(5);

}  // namespace

MasterLink::MasterLink(LinkOptions options, Time now)
    : options_(std::move(options)), random_(options_.seed), deadline_(now) {
  CLUSTER_CHECK(!options_.masters.empty(), "an agent knows at least one master");
  turn_ = static_cast<std::size_t>(random_.below(options_.masters.size()));
  target_ = options_.masters[turn_];
  problem_ = "it has not reached a master yet";
}

bool MasterLink::on_open(Time now, LinkId link) {
  if (link != link_ || state_ != State::dialing) return false;
  state_ = State::registering;
  deadline_ = now + options_.register_timeout;
  problem_ = "the master at " + to_string(target_) + " has not answered yet";
  return true;
}

void MasterLink::on_close(Time now, LinkId link, const Error& why) {
  if (link != link_ || state_ == State::over) return;
  problem_ = "no session with the master at " + to_string(target_) + ": " + why.message();
  take_next_master();
  wait(now, Duration::zero());
}

void MasterLink::on_registered(Time now, Duration ping_interval) {
  if (state_ != State::registering && state_ != State::registered) return;
  state_ = State::registered;
  silence_max_ = std::max<Duration>(ping_interval, std::chrono::milliseconds(100)) *
                 static_cast<Duration::rep>(silent_pings_max);
  failures_ = 0;
  redirections_ = 0;
  problem_.clear();
  deadline_ = now + silence_max_;
}

void MasterLink::on_redirect(Time now, const wire::AgentRedirect& redirect, Effects& effects) {
  if (!redirect.leader || redirect.leader->host.empty()) {
    problem_ = "the master at " + to_string(target_) + " knows no leader at present";
    take_next_master();
    return retry(now, Duration::zero(), effects);
  }
  problem_ = "the master at " + to_string(target_) + " names " + to_string(*redirect.leader) +
             " as the leader";
  target_ = *redirect.leader;
  redirections_ += 1;
  bool prompt = redirections_ <= prompt_redirections_max;
  retry(now, Duration::zero(), effects);
  if (prompt) deadline_ = now;
}

void MasterLink::on_refused(Time now, std::string why, Effects& effects) {
  problem_ = std::move(why);
  take_next_master();
  retry(now, refused_pause, effects);
}

void MasterLink::on_outdated(Time now, Effects& effects) {
  problem_ = "the master at " + to_string(target_) + " has been replaced and does not know it yet";
  take_next_master();
  retry(now, Duration::zero(), effects);
}

void MasterLink::on_heard(Time now) {
  if (state_ == State::registered) deadline_ = now + silence_max_;
}

void MasterLink::on_time(Time now, Effects& effects) {
  if (now < deadline_) return;
  switch (state_) {
    case State::waiting:
      state_ = State::dialing;
      link_ = LinkId(++links_);
      deadline_ = now + options_.register_timeout;
      effects.now.push_back(Dial{.link = link_, .master = target_});
      return;
    case State::dialing:
    case State::registering:
      problem_ = "the master at " + to_string(target_) + " did not answer in time";
      take_next_master();
      return retry(now, Duration::zero(), effects);
    case State::registered:
      problem_ = "the master at " + to_string(target_) + " fell silent";
      take_next_master();
      return retry(now, Duration::zero(), effects);
    case State::over: return;
  }
}

void MasterLink::quit(Effects& effects) {
  // What is queued for the master by then is still sent: hang up in order.
  if (link_) effects.then.push_back(Hang{.link = link_});
  link_ = LinkId();
  state_ = State::over;
  deadline_ = time_never;
  problem_ = "it was stopped";
}

void MasterLink::retry(Time now, Duration least, Effects& effects) {
  if (link_) effects.now.push_back(Hang{.link = link_});
  wait(now, least);
}

void MasterLink::wait(Time now, Duration least) {
  Duration pause = options_.retry_min;
  for (std::uint32_t i = 0; i < failures_ && pause < options_.retry_max; ++i) pause *= 2;
  pause = std::min(pause, options_.retry_max);
  // Agents that lost the same master must not come back in step.
  auto half = static_cast<std::uint64_t>(std::max<Duration::rep>(pause.count() / 2, 1));
  pause = Duration(static_cast<Duration::rep>(half + random_.below(half + 1)));
  failures_ += 1;
  state_ = State::waiting;
  link_ = LinkId();
  deadline_ = now + std::max(pause, least);
}

void MasterLink::take_next_master() {
  turn_ = (turn_ + 1) % options_.masters.size();
  target_ = options_.masters[turn_];
}

}  // namespace cluster::agentlib
