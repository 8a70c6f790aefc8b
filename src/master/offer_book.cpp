#include "master/offer_book.hpp"

#include <utility>

namespace cluster::master {
namespace {

template <class Key>
void remove_from_index(std::map<Key, std::set<OfferId>>& index, const Key& key, OfferId id) {
  auto at = index.find(key);
  at->second.erase(id);
  if (at->second.empty()) index.erase(at);
}

}  // namespace

OfferId OfferBook::add(Grant grant, Time now) {
  const OfferId id(next_++);
  by_agent_[grant.agent].insert(id);
  by_framework_[grant.framework].insert(id);
  offers_.emplace(id, OutstandingOffer{.id = id, .grant = std::move(grant), .made_at = now});
  return id;
}

const OutstandingOffer* OfferBook::find(OfferId id) const {
  auto at = offers_.find(id);
  return at == offers_.end() ? nullptr : &at->second;
}

std::optional<OutstandingOffer> OfferBook::take(OfferId id) {
  auto at = offers_.find(id);
  if (at == offers_.end()) return std::nullopt;
  OutstandingOffer offer = std::move(at->second);
  offers_.erase(at);
  remove_from_index(by_agent_, offer.grant.agent, id);
  remove_from_index(by_framework_, offer.grant.framework, id);
  return offer;
}

std::vector<OutstandingOffer> OfferBook::take_each(const std::set<OfferId>& ids) {
  std::vector<OutstandingOffer> taken;
  for (OfferId id : std::set<OfferId>(ids)) taken.push_back(*take(id));
  return taken;
}

std::vector<OutstandingOffer> OfferBook::take_all_of(const AgentId& agent) {
  auto at = by_agent_.find(agent);
  return at == by_agent_.end() ? std::vector<OutstandingOffer>{} : take_each(at->second);
}

std::vector<OutstandingOffer> OfferBook::take_all_of(const FrameworkId& framework) {
  auto at = by_framework_.find(framework);
  return at == by_framework_.end() ? std::vector<OutstandingOffer>{} : take_each(at->second);
}

std::vector<OutstandingOffer> OfferBook::take_made_before(Time limit) {
  std::vector<OutstandingOffer> taken;
  while (!offers_.empty() && offers_.begin()->second.made_at < limit) {
    taken.push_back(*take(offers_.begin()->first));
  }
  return taken;
}

std::size_t OfferBook::size_of(const FrameworkId& framework) const {
  auto at = by_framework_.find(framework);
  return at == by_framework_.end() ? 0 : at->second.size();
}

Time OfferBook::oldest() const {
  return offers_.empty() ? time_never : offers_.begin()->second.made_at;
}

}  // namespace cluster::master
