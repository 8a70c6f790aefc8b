// The offers that are outstanding: who holds what, until it is accepted, declined or rescinded.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "cluster/allocator.hpp"
#include "cluster/types.hpp"

namespace cluster::master {

struct OutstandingOffer {
  OfferId id;
  Grant grant;
  Time made_at{};
};

class OfferBook {
 public:
  // Ids of different terms never meet: an offer of an earlier leader is unknown to this one.
  explicit OfferBook(std::uint64_t term) : next_((term << 32) + 1) {}

  OfferId add(Grant grant, Time now);
  const OutstandingOffer* find(OfferId) const;
  std::optional<OutstandingOffer> take(OfferId);
  std::vector<OutstandingOffer> take_all_of(const AgentId&);
  std::vector<OutstandingOffer> take_all_of(const FrameworkId&);
  std::vector<OutstandingOffer> take_made_before(Time);

  std::size_t size() const { return offers_.size(); }
  std::size_t size_of(const FrameworkId&) const;
  Time oldest() const;  // `time_never` when there is none.

 private:
  std::vector<OutstandingOffer> take_each(const std::set<OfferId>& ids);

  std::uint64_t next_;
  std::map<OfferId, OutstandingOffer> offers_;  // Ids grow with time.
  std::map<AgentId, std::set<OfferId>> by_agent_;
  std::map<FrameworkId, std::set<OfferId>> by_framework_;
};

}  // namespace cluster::master
