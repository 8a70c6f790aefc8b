// Offers: made from the allocator's grants, accepted, declined, rescinded.

#include <algorithm>
#include <utility>

#include "master/core.hpp"
#include "master/saturating.hpp"
#include "master/validation.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::master {

// At once when nothing was offered of late; changes that come faster share a round.
void Core::offers_changed(Moment at) {
  if (next_allocation_ != time_never) return;
  next_allocation_ = last_allocation_ == Time::min()
                         ? at.now
                         : std::max(at.now, last_allocation_ + options_.allocation_interval);
}

void Core::make_offers(Moment at, Effects& effects) {
  last_allocation_ = at.now;
  next_allocation_ = time_never;
  std::map<FrameworkId, wire::Offers> batches;
  for (Grant& grant : allocator_.allocate(at.now)) {
    const SessionId session = session_of(grant.framework);
    if (!session || offers_.size_of(grant.framework) >= options_.limits.offers_max) {
      if (session) ++counters_.limits_hit;
      allocator_.recover(grant.framework, grant.agent, grant.resources,
                         at.now + options_.ping_interval);
      continue;
    }
    const AgentRecord* agent = state_.find(grant.agent);
    wire::Offer offer{.agent = grant.agent,
                      .hostname = agent ? agent->hostname : std::string(),
                      .resources = grant.resources};
    wire::Offers& batch = batches[grant.framework];
    offer.id = offers_.add(std::move(grant), at.now);
    batch.offers.push_back(std::move(offer));
    ++counters_.offers_made;
  }
  for (auto& [framework, batch] : batches) {
    effects.send(session_of(framework), wire::SchedulerMessage(std::move(batch)));
  }
}

void Core::recover(const OutstandingOffer& offer, Duration refuse, Moment at) {
  refuse = std::min(refuse, options_.limits.refuse_max);
  const Time until = refuse > Duration::zero() ? saturating_add(at.now, refuse) : Time::min();
  allocator_.recover(offer.grant.framework, offer.grant.agent, offer.grant.resources, until);
  offers_changed(at);
}

void Core::rescind(std::vector<OutstandingOffer> offers, Moment at, Effects& effects) {
  for (const OutstandingOffer& offer : offers) {
    recover(offer, Duration::zero(), at);
    ++counters_.offers_rescinded;
    if (const SessionId session = session_of(offer.grant.framework)) {
      effects.send(session, wire::SchedulerMessage(wire::Rescind{offer.id}));
    }
  }
}

void Core::decline(Moment at, const FrameworkId& framework, const wire::Decline& call) {
  for (OfferId id : call.offers) {
    const OutstandingOffer* offer = offers_.find(id);
    if (!offer || offer->grant.framework != framework) continue;
    ++counters_.offers_declined;
    recover(*offers_.take(id), call.refuse, at);
  }
}

// Takes what is valid of the offers, so that each is used once whatever becomes of the tasks.
void Core::accept(Moment at, const FrameworkId& framework, const wire::Accept& call,
                  Effects& effects) {
  std::vector<OutstandingOffer> taken;
  std::string problem = call.offers.empty() ? "no offer was named" : "";
  for (OfferId id : call.offers) {
    const OutstandingOffer* offer = offers_.find(id);
    if (!offer || offer->grant.framework != framework) {
      problem = "offer " + std::to_string(id.value()) + " is no longer valid";
      continue;
    }
    if (!taken.empty() && offer->grant.agent != taken.front().grant.agent) {
      problem = "the offers are of several agents";
    }
    taken.push_back(*offers_.take(id));
  }
  if (!problem.empty()) {
    for (const OutstandingOffer& offer : taken) recover(offer, call.refuse, at);
    for (const Bytes& bytes : call.tasks) {
      auto spec = wire::decode_task_spec(bytes.view());
      if (!spec) {
        refuse_call(framework, Errc::invalid_argument, spec.error().message(), effects);
      } else if (const TaskKey key{framework, spec->id};
                 !tasks_.contains(key) && !state_.find(key)) {
        tell(at, key, TaskState::lost, "invalid_offers", problem, effects);
      }
    }
    return;
  }

  OutstandingOffer pool = taken.front();
  for (std::size_t i = 1; i < taken.size(); ++i) pool.grant.resources += taken[i].grant.resources;
  for (const Bytes& spec : call.tasks) {
    launch(at, framework, pool.grant.agent, spec, pool.grant.resources, effects);
  }
  if (!pool.grant.resources.empty()) recover(pool, call.refuse, at);
}

// What the task needs moves from the offers' pool to the task: the allocator holds it for the
// framework throughout.
void Core::launch(Moment at, const FrameworkId& framework, const AgentId& agent, const Bytes& bytes,
                  Resources& pool, Effects& effects) {
  if (bytes.size() > options_.limits.spec_size_max) {
    ++counters_.limits_hit;
    return refuse_call(framework, Errc::too_large,
                       "a task of " + std::to_string(bytes.size()) + " bytes; the limit is " +
                           std::to_string(options_.limits.spec_size_max),
                       effects);
  }
  auto spec = wire::decode_task_spec(bytes.view());
  if (!spec) return refuse_call(framework, spec.error().code, spec.error().context, effects);
  const TaskKey key{framework, spec->id};
  // An update would speak of the task that has this id already, so the call is refused instead.
  if (tasks_.contains(key) || state_.find(key)) {
    return refuse_call(framework, Errc::already_exists,
                       "task " + spec->id.value() + " is known already", effects);
  }
  if (std::string problem = problem_of_launch(*spec, framework, pool); !problem.empty()) {
    return tell(at, key, TaskState::error, "invalid_task", std::move(problem), effects);
  }
  FrameworkLink& link = frameworks_.at(framework);
  if (link.launches >= options_.limits.launches_max) {
    ++counters_.limits_hit;
    return tell(at, key, TaskState::dropped, "overloaded", "too many launches are being committed",
                effects);
  }

  pool -= spec->resources;
  ++link.launches;
  ++counters_.launches_accepted;
  tasks_[key] = LiveTask{.agent = agent, .resources = spec->resources};
  tasks_by_agent_[agent].insert(key);
  effects.propose(LaunchTask{TaskRecord{
      .key = key,
      .agent = agent,
      .name = spec->name,
      .resources = spec->resources,
      .job = spec->job,
      .spec = bytes,
      .status = {.task = key.task, .state = TaskState::staging, .agent = agent, .at = at.wall},
      .launched_at = at.wall}});
}

}  // namespace cluster::master
