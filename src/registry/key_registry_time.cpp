// What a registry does in time: leases that it keeps or, leading, ends; history that is forgotten.
#include <algorithm>

#include "registry/key_registry_core.hpp"

namespace cluster {

using registry::KeyAnswer;
using registry::KeyCommandBody;

namespace {

constexpr Duration garbage_interval = std::chrono::milliseconds(100);

// Tells what became of renewals.
class Renewal final : public registry::Waiter {
 public:
  using OnRenewed = std::function<void(const std::vector<LeaseId>& renewed)>;
  Renewal(std::vector<LeaseId> leases, OnRenewed on_renewed)
      : leases_(std::move(leases)), on_renewed_(std::move(on_renewed)) {}
  void answer(Result<KeyAnswer> answer) override {
    if (!answer) return;  // The next ones are on their way.
    for (LeaseId ended : answer->ended) std::erase(leases_, ended);
    on_renewed_(leases_);
  }

 private:
  std::vector<LeaseId> leases_;
  OnRenewed on_renewed_;
};

}  // namespace

void Registry::Core::on_leadership(const Leadership& leadership) {
  std::lock_guard lock(mutex);
  if (leadership.is_self && (!is_leading_ || leadership.term != term_)) {
    timer_.begin(host.now(), state);
    ages_.clear();
  } else if (!leadership.is_self) {
    timer_.end();
  }
  is_leading_ = leadership.is_self;
  term_ = leadership.term;
  arm();
}

// A replica that has stopped for good applies nothing more.
void Registry::Core::on_health(const Health& health) {
  if (health.is_live) return;
  News news;
  {
    std::lock_guard lock(mutex);
    if (stopped) return;
    logger.error("stopped", "why", health.reason);
    end_all(Error{Errc::storage, "this member: " + health.reason, Outcome::maybe}, news);
  }
  news.tell();
}

// Leases that are kept.

void Registry::Core::keep(LeaseId lease, Duration ttl, Time sent_at) {
  std::lock_guard lock(mutex);
  if (stopped) return;
  Kept& kept = kept_[lease];
  kept.ttl = ttl;
  kept.next = host.now() + kept.interval();
  kept.sure_until = sure_until(sent_at, ttl);
  next_renewal_ = std::min(next_renewal_, kept.next);
  arm();
}

void Registry::Core::keep_no_longer(LeaseId lease) {
  News news;
  {
    std::lock_guard lock(mutex);
    auto found = kept_.find(lease);
    if (found == kept_.end()) return;
    lose(lease, found->second, false, news);
    kept_.erase(found);
  }
  news.tell();
}

// By this clock, and for certain by any that is not faster than the bound says.
Time Registry::Core::sure_until(Time sent_at, Duration ttl) const {
  return sent_at + ttl - ttl * options.log.clock_drift_permille_max / 1000;
}

Op<LeaseLoss> Registry::Core::lease_loss(LeaseId lease) {
  if (host.is_forked()) return Op<LeaseLoss>::ready(runtime::forked_error());
  Promise<LeaseLoss> promise(host.delivery());
  auto op = promise.op();
  std::lock_guard lock(mutex);
  auto found = kept_.find(lease);
  if (found == kept_.end()) {
    auto why = stopped.value_or(Error{Errc::not_found, "this registry keeps no such lease"});
    return Op<LeaseLoss>::ready(why);
  }
  found->second.asked.push_back(std::move(promise));
  next_loss_ = std::min(next_loss_, found->second.sure_until);
  arm();
  return op;
}

void Registry::Core::lose(LeaseId lease, Kept& kept, bool has_ended, News& news) {
  for (Promise<LeaseLoss>& asked : std::exchange(kept.asked, {})) {
    news.losses.emplace_back(std::move(asked), LeaseLoss{lease, has_ended});
  }
}

void Registry::Core::lose_overdue_leases(Time now, News& news) {
  if (now < next_loss_) return;
  next_loss_ = time_never;
  for (auto& [lease, kept] : kept_) {
    if (kept.asked.empty()) continue;
    if (kept.sure_until <= now) {
      lose(lease, kept, false, news);
    } else {
      next_loss_ = std::min(next_loss_, kept.sure_until);
    }
  }
}

void Registry::Core::lose_ended_leases(const KeyCommandBody& body, News& news) {
  auto look = [&](LeaseId lease) {
    auto kept = kept_.find(lease);
    if (kept == kept_.end() || state.find_lease(lease)) return;
    lose(lease, kept->second, true, news);
    kept_.erase(kept);
  };
  if (const auto* renewed = std::get_if<registry::KeepAlive>(&body)) {
    for (LeaseId lease : renewed->leases) look(lease);
  } else if (const auto* revoked = std::get_if<registry::RevokeLease>(&body)) {
    look(revoked->lease);
  } else if (const auto* expired = std::get_if<registry::ExpireLease>(&body)) {
    look(expired->lease);
  }
}

std::vector<LeaseId> Registry::Core::leases_to_renew(Time now) {
  std::vector<LeaseId> leases;
  if (now < next_renewal_) return leases;
  next_renewal_ = time_never;
  for (auto& [lease, kept] : kept_) {
    // Those that are nearly due go along.
    if (kept.next <= now + kept.interval() / 4) {
      leases.push_back(lease);
      kept.next = now + kept.interval();
    }
    next_renewal_ = std::min(next_renewal_, kept.next);
  }
  return leases;
}

void Registry::Core::renew(std::vector<LeaseId> leases, Time now) {
  if (leases.empty()) return;
  auto on_renewed = [weak = weak_from_this(), now](const std::vector<LeaseId>& renewed) {
    if (auto core = weak.lock()) core->on_renewed(renewed, now);
  };
  auto waiter = std::make_unique<Renewal>(leases, std::move(on_renewed));
  submit({.body = registry::KeepAlive{std::move(leases)}}, {}, std::move(waiter));
}

void Registry::Core::on_renewed(const std::vector<LeaseId>& renewed, Time sent_at) {
  std::lock_guard lock(mutex);
  for (LeaseId lease : renewed) {
    auto kept = kept_.find(lease);
    if (kept == kept_.end()) continue;
    kept->second.sure_until =
        std::max(kept->second.sure_until, sure_until(sent_at, kept->second.ttl));
  }
}

Time Registry::Core::next_wake() const {
  Time next = std::min({timer_.deadline(), next_renewal_, next_loss_, next_look_});
  if (is_leading_ && state.has_garbage()) next = std::min(next, host.now() + garbage_interval);
  if (is_leading_ && state.history_policy().age > Duration::zero()) {
    next = std::min(next, host.now() + state.history_policy().age / 10);
  }
  if (hub_.size() > 0) next = std::min(next, std::max(next_progress_, host.now()));
  return next;
}

// With the mutex. The alarm itself is the node thread's.
void Registry::Core::arm() {
  const Time next = next_wake();
  if (next >= armed_) return;
  armed_ = next;
  host.post([weak = weak_from_this(), next] {
    auto core = weak.lock();
    if (core && core->alarm_) core->alarm_->set(next);
  });
}

void Registry::Core::note_age(Time now, std::vector<KeyCommandBody>& due) {
  const Duration age = state.history_policy().age;
  if (age <= Duration::zero()) return ages_.clear();
  ages_.emplace_back(now, state.revision());
  while (ages_.size() > 1 && ages_[1].first <= now - age) ages_.pop_front();
  if (ages_.front().first <= now - age && ages_.front().second > state.compacted()) {
    due.emplace_back(registry::Compact{ages_.front().second});
  }
}

std::vector<KeyCommandBody> Registry::Core::due(Time now) {
  std::vector<KeyCommandBody> due;
  for (const registry::ExpireLease& one : timer_.expired(now, state)) due.emplace_back(one);
  if (is_leading_) {
    note_age(now, due);
    // Any command forgets some more of what is over.
    if (state.has_garbage()) due.emplace_back(registry::Compact{state.compacted()});
  }
  if (now >= next_progress_) {
    hub_.tell_progress(state);
    next_progress_ = now + options.progress_interval;
  }
  return due;
}

void Registry::Core::wake() {
  std::vector<KeyCommandBody> commands;
  std::vector<Retry> retries;
  std::vector<LeaseId> leases;
  Time now;
  News news;
  {
    std::lock_guard lock(mutex);
    if (stopped) return;
    armed_ = time_never;
    now = host.now();
    commands = due(now);
    leases = leases_to_renew(now);
    lose_overdue_leases(now, news);
    retries = look_after_calls(now, news);
    pump_watches(news);
    arm();
  }
  propose(std::move(commands));
  renew(std::move(leases), now);
  for (Retry& retry : retries) append(retry.number, std::move(retry.entry), retry.call);
  news.tell();
}

}  // namespace cluster
