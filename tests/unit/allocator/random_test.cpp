// Random histories against a model that is plain and slow: nothing is handed out twice, everybody
// who could be offered an agent was, and the one with the smallest share came first.
#include <algorithm>
#include <map>
#include <set>

#include "base/random.hpp"
#include "tests/unit/allocator/fixture.hpp"

namespace cluster {
namespace {

struct ModelFramework {
  std::string role;
  bool active = true;
  bool suppressed = false;
};

struct ModelAgent {
  Resources total;
  bool active = true;
};

struct ModelFilter {
  Time until;
  Resources returned;
};

using Pair = std::pair<FrameworkId, AgentId>;

class Model {
 public:
  // Ids are made of `prefix`, which must make no difference.
  Model(std::uint64_t seed, std::string prefix) : random_(seed), prefix_(std::move(prefix)) {
    for (const auto& [role, weight] : weights_) allocator_.set_weight(role, weight);
  }

  void step() {
    const std::uint64_t what = random_.below(100);
    if (what < 8) return add_agent();
    if (what < 10) return with_agent([&](const AgentId& id) { remove_agent(id); });
    if (what < 14) return with_agent([&](const AgentId& id) { flip(id); });
    if (what < 18) return add_framework();
    if (what < 20) return with_framework([&](const FrameworkId& id) { remove_framework(id); });
    if (what < 24) return with_framework([&](const FrameworkId& id) { flip(id); });
    if (what < 27) return with_framework([&](const FrameworkId& id) { suppress(id); });
    if (what < 32) return with_framework([&](const FrameworkId& id) { revive(id); });
    if (what < 40) return charge();
    if (what < 75) return recover();
    allocate();
  }

  void check_sums() const {
    for (const auto& [id, agent] : agents_) {
      Resources left = agent.total;
      for (const auto& [pair, held] : held_) {
        if (pair.second != id) continue;
        REQUIRE(left.contains(held));  // Nothing is held twice.
        left -= held;
      }
      REQUIRE(allocator_.available(id) == left);
    }
    std::map<FrameworkId, Resources> sums;
    for (const auto& [pair, held] : held_) sums[pair.first] += held;
    for (const auto& [id, framework] : frameworks_) sums.try_emplace(id);
    for (const auto& [id, sum] : sums) REQUIRE(allocator_.allocated(id) == sum);
  }

  // All grants so far, without the prefix.
  const std::string& history() const { return history_; }
  std::size_t grants() const { return grants_; }

 private:
  AgentId new_agent() { return AgentId(prefix_ + "s" + std::to_string(next_++)); }
  FrameworkId new_framework() { return FrameworkId(prefix_ + "f" + std::to_string(next_++)); }

  Resources random_resources() {
    Resources resources;
    resources.set("cpus", Scalar::thousandths(static_cast<std::int64_t>(random_.below(9)) * 500));
    resources.set("mem", Scalar::whole(static_cast<std::int64_t>(random_.below(512))));
    if (random_.chance(1, 2)) {
      const std::uint64_t first = random_.below(50);
      resources.set("ports", Ranges{{first, first + random_.below(30)}});
    }
    if (random_.chance(1, 4)) resources.set("gpus", Items{"g0", "g1"});
    return resources;
  }

  // Part of `whole`, often all of it.
  Resources random_part(const Resources& whole) {
    if (random_.chance(1, 2)) return whole;
    return whole - random_resources();
  }

  template <class Ids>
  auto pick(Ids& ids) {
    return std::next(ids.begin(), static_cast<std::ptrdiff_t>(random_.below(ids.size())));
  }
  template <class Act>
  void with_agent(const Act& act) {
    if (!agents_.empty()) act(AgentId(pick(agents_)->first));
  }
  template <class Act>
  void with_framework(const Act& act) {
    if (!frameworks_.empty()) act(FrameworkId(pick(frameworks_)->first));
  }

  void add_agent() {
    // At times one that is known, which is replaced.
    const AgentId id =
        agents_.empty() || random_.chance(9, 10) ? new_agent() : pick(agents_)->first;
    if (agents_.count(id)) remove_from_model(id);
    ModelAgent agent{.total = random_resources()};
    std::vector<Allocator::Usage> used;
    if (!frameworks_.empty() && random_.chance(1, 3)) {
      const bool known = random_.chance(2, 3);
      const FrameworkId user = known ? pick(frameworks_)->first : new_framework();
      const Resources part = random_part(agent.total);
      used.push_back({user, part});
      if (!part.empty()) held_[{user, id}] = part;
      if (!known) arriving_.push_back(user);
    }
    allocator_.add_agent(id, agent.total, used);
    agents_[id] = std::move(agent);
  }

  void remove_from_model(const AgentId& id) {
    agents_.erase(id);
    std::erase_if(held_, [&](const auto& entry) { return entry.first.second == id; });
    std::erase_if(filters_, [&](const auto& entry) { return entry.first.second == id; });
  }

  void remove_agent(const AgentId& id) {
    allocator_.remove_agent(id);
    remove_from_model(id);
  }

  void flip(const AgentId& id) {
    agents_[id].active = !agents_[id].active;
    allocator_.set_agent_active(id, agents_[id].active);
  }

  void add_framework() {
    FrameworkId id = new_framework();
    if (!arriving_.empty() && random_.chance(1, 2)) {
      id = arriving_.back();
      arriving_.pop_back();
    }
    frameworks_[id] = {.role = std::string(1, static_cast<char>('a' + random_.below(4)))};
    allocator_.add_framework(id, frameworks_[id].role);
  }

  void forget_filters(const FrameworkId& id) {
    std::erase_if(filters_, [&](const auto& entry) { return entry.first.first == id; });
  }

  void remove_framework(const FrameworkId& id) {
    allocator_.remove_framework(id);
    frameworks_.erase(id);
    forget_filters(id);
  }

  void flip(const FrameworkId& id) {
    frameworks_[id].active = !frameworks_[id].active;
    if (!frameworks_[id].active) forget_filters(id);
    allocator_.set_framework_active(id, frameworks_[id].active);
  }

  void suppress(const FrameworkId& id) {
    frameworks_[id].suppressed = true;
    allocator_.suppress(id);
  }

  void revive(const FrameworkId& id) {
    frameworks_[id].suppressed = false;
    forget_filters(id);
    allocator_.revive(id);
  }

  void charge() {
    if (agents_.empty() || frameworks_.empty()) return;
    const Pair pair{pick(frameworks_)->first, pick(agents_)->first};
    const Resources part = random_part(allocator_.available(pair.second));
    if (part.empty()) return;
    held_[pair] += part;
    allocator_.charge(pair.first, pair.second, part);
  }

  void recover() {
    if (held_.empty()) return;
    const auto entry = pick(held_);
    const Pair pair = entry->first;
    const Resources part = random_part(entry->second);
    Time until = Time::min();
    if (random_.chance(1, 2)) until = now_ + std::chrono::milliseconds(random_.below(5000));
    allocator_.recover(pair.first, pair.second, part, until);
    entry->second -= part;
    if (entry->second.empty()) held_.erase(entry);
    if (until > now_ && !part.empty() && frameworks_.count(pair.first))
      filters_[pair] = {until, part};
  }

  void allocate() {
    now_ += std::chrono::milliseconds(random_.below(1000));
    std::erase_if(filters_, [&](const auto& entry) { return entry.second.until <= now_; });
    for (const Grant& grant : allocator_.allocate(now_)) {
      check_grant(grant);
      held_[{grant.framework, grant.agent}] += grant.resources;
      history_ += grant.framework.value().substr(prefix_.size()) + '<' +
                  grant.agent.value().substr(prefix_.size()) + ' ';
      ++grants_;
    }
    check_nobody_was_forgotten();
    Time first = time_never;
    for (const auto& [pair, filter] : filters_) first = std::min(first, filter.until);
    REQUIRE(allocator_.deadline() == first);
  }

  Resources left(const AgentId& id) const {
    Resources rest = agents_.at(id).total;
    for (const auto& [pair, held] : held_) {
      if (pair.second == id) rest -= held;
    }
    return rest;
  }

  bool may_be_offered(const FrameworkId& id, const AgentId& agent, const Resources& free) const {
    const ModelFramework& framework = frameworks_.at(id);
    if (!framework.active || framework.suppressed) return false;
    const auto filter = filters_.find({id, agent});
    return filter == filters_.end() || !filter->second.returned.contains(free);
  }

  // The dominant share of the frameworks that `counts` accepts.
  template <class Counts>
  double share(const Counts& counts) const {
    double dominant = 0;
    for (const char* name : {"cpus", "mem"}) {
      Scalar sum, total;
      for (const auto& [id, agent] : agents_) total = total + agent.total.scalar(name);
      for (const auto& [pair, held] : held_) {
        if (counts(pair.first)) sum = sum + held.scalar(name);
      }
      if (total > Scalar()) dominant = std::max(dominant, sum.to_double() / total.to_double());
    }
    return dominant;
  }

  double role_share(const std::string& role) const {
    const auto weight = weights_.find(role);
    const double share_of_role = share([&](const FrameworkId& id) {
      const auto at = frameworks_.find(id);
      return at != frameworks_.end() && at->second.role == role;
    });
    return share_of_role / (weight == weights_.end() ? 1 : weight->second);
  }

  double framework_share(const FrameworkId& id) const {
    return share([&](const FrameworkId& other) { return other == id; });
  }

  void check_grant(const Grant& grant) const {
    INFO(grant.framework.value() << " got " << grant.agent.value());
    const Resources free = left(grant.agent);
    REQUIRE(agents_.at(grant.agent).active);
    REQUIRE(grant.resources == free);
    REQUIRE_FALSE(free.empty());
    REQUIRE(frameworks_.count(grant.framework) == 1);
    REQUIRE(may_be_offered(grant.framework, grant.agent, free));
    const std::string& role = frameworks_.at(grant.framework).role;
    for (const auto& [id, other] : frameworks_) {
      if (!may_be_offered(id, grant.agent, free)) continue;
      INFO("instead of " << id.value());
      if (other.role == role) {
        REQUIRE(framework_share(grant.framework) <= framework_share(id) + 1e-9);
      } else {
        REQUIRE(role_share(role) <= role_share(other.role) + 1e-9);
      }
    }
  }

  void check_nobody_was_forgotten() const {
    for (const auto& [id, agent] : agents_) {
      const Resources free = left(id);
      if (!agent.active || free.empty()) continue;
      for (const auto& [framework, record] : frameworks_) {
        INFO(framework.value() << " was not offered " << id.value());
        REQUIRE_FALSE(may_be_offered(framework, id, free));
      }
    }
  }

  const std::map<std::string, double> weights_ = {{"a", 2}, {"b", 0.5}};
  Random random_;
  std::string prefix_;
  Allocator allocator_;
  std::uint64_t next_ = 100'000;  // All ids have the same length, so that their order is of age.
  Time now_ = at(1);
  std::map<AgentId, ModelAgent> agents_;
  std::map<FrameworkId, ModelFramework> frameworks_;
  std::vector<FrameworkId> arriving_;  // Seen as users of agents, and not added yet.
  std::map<Pair, Resources> held_;
  std::map<Pair, ModelFilter> filters_;
  std::string history_;
  std::size_t grants_ = 0;
};

TEST_CASE("random histories agree with a plain model", "[allocator][property]") {
  std::size_t grants = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Model model(seed, "");
    for (int i = 0; i < 400; ++i) {
      INFO("step " << i);
      model.step();
      if (i % 5 == 0) model.check_sums();
    }
    grants += model.grants();
  }
  CHECK(grants > 1000);
}

TEST_CASE("the same calls give the same offers, whatever things are called",
          "[allocator][property]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    Model first(seed, "");
    Model second(seed, "quite-another-name-");
    for (int i = 0; i < 300; ++i) {
      first.step();
      second.step();
    }
    REQUIRE(first.history() == second.history());
    REQUIRE(first.grants() > 0);
  }
}

TEST_CASE("who declines nothing is served, however often resources return",
          "[allocator][property]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    Allocator allocator;
    constexpr std::size_t frameworks = 20;
    for (std::size_t i = 0; i < frameworks; ++i) {
      allocator.add_framework(framework("f" + std::to_string(i)), "r" + std::to_string(i % 3));
    }
    for (int i = 0; i < 4; ++i) {
      const auto cpus = static_cast<std::int64_t>(random.between(1, 8));
      Resources total;
      total.set("cpus", Scalar::whole(cpus));
      allocator.add_agent(agent("s" + std::to_string(i)), total);
    }
    // One task ends in each round. Every framework has its turn within as many rounds as there are
    // frameworks and agents, counted per role, since a role's turn goes to one of its seven.
    std::vector<Grant> held;
    std::map<FrameworkId, int> served_in;
    for (int round = 1; round <= 200; ++round) {
      for (Grant& offer : allocator.allocate(at(round))) {
        served_in[offer.framework] = round;
        held.push_back(std::move(offer));
      }
      const std::size_t which = random.below(held.size());
      recover(allocator, held[which]);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    }
    REQUIRE(served_in.size() == frameworks);
    for (const auto& [id, round] : served_in) {
      INFO(id.value() << " was last served in round " << round);
      REQUIRE(round > 100);
    }
  }
}

}  // namespace
}  // namespace cluster
