#include "replog/formation.hpp"

#include <algorithm>
#include <utility>

#include "base/crc32c.hpp"

namespace cluster::replog {
namespace {

constexpr Duration tell_interval = std::chrono::seconds(5);

// Of the same founders in any order the same.
std::uint64_t checksum_of(std::vector<Peer> founders) {
  std::sort(founders.begin(), founders.end(),
            [](const Peer& a, const Peer& b) { return a.id < b.id; });
  std::string text;
  for (const Peer& peer : founders)
    text += to_field(peer.id) + '=' + to_string(peer.endpoint) + ',';
  return (std::uint64_t{crc32c(text)} << 16) | founders.size();
}

}  // namespace

Formation::Formation(Sender self, Founding founding, Duration interval, Logger log, Time now)
    : self_(self),
      founding_(std::move(founding)),
      list_(checksum_of(founding_.founders)),
      interval_(interval),
      log_(std::move(log)),
      ask_at_(now),
      tell_at_(now + tell_interval),
      alone_at_(now + interval * 5) {
  for (const Peer& founder : founding_.founders) {
    if (founder.id != self_.id) heard_[founder.id];
  }
}

std::optional<Configuration> Formation::on_time(Time now, Effects& effects) {
  if (now < ask_at_) return std::nullopt;
  ask_at_ = now + interval_;
  if (now >= tell_at_) tell_waiting(now);
  if (founding_.founders.empty()) {
    for (NodeId member : founding_.ask) {
      effects.now.push_back(Send{member, Join{founding_.join_secret, founding_.endpoint}});
    }
    return std::nullopt;
  }
  for (const auto& [id, founder] : heard_) introduce_to(id, effects);
  return form(now);
}

void Formation::introduce_to(NodeId founder, Effects& effects) {
  effects.now.push_back(
      Send{founder, Introduce{.founders = list_, .to = heard_.at(founder).incarnation}});
}

void Formation::tell_waiting(Time now) {
  tell_at_ = now + tell_interval;
  if (founding_.founders.empty()) return log_.info("waits to be let in", "member", self_.id);
  std::string missing;
  for (const auto& [id, founder] : heard_) {
    if (!founder.knows_us) missing += (missing.empty() ? "" : ", ") + to_field(id);
  }
  log_.info("waits for founders", "missing", missing);
}

bool Formation::is_news(const std::string& trouble) {
  if (told_ == trouble) return false;
  told_ = trouble;
  return true;
}

std::optional<Configuration> Formation::on(Time now, Sender from, const Message& message,
                                           Effects& effects) {
  if (heard_.empty() && !founding_.founders.empty() && !std::exchange(is_too_late_, true)) {
    log_.error("is not the member it claims to be", "member", self_.id, "why",
               "this directory is new, and its log has other members already: add it as a new "
               "member, with another empty directory and a join token");
  }
  if (auto* introduce = std::get_if<Introduce>(&message)) {
    return on_introduce(now, from, *introduce, effects);
  }
  if (auto* form = std::get_if<Form>(&message)) return on_form(form->configuration, effects);
  return std::nullopt;
}

std::optional<Configuration> Formation::on_introduce(Time now, Sender from, const Introduce& said,
                                                     Effects& effects) {
  auto at = heard_.find(from.id);
  if (at == heard_.end()) return std::nullopt;
  if (said.founders != list_) {
    if (is_news("list of " + to_field(from.id))) {
      log_.warning("a founder was started with another list of founders", "founder", from.id);
    }
    return std::nullopt;
  }
  Founder& founder = at->second;
  bool is_new = founder.incarnation != from.incarnation;
  founder.incarnation = from.incarnation;
  founder.knows_us = said.to == self_.incarnation;
  if (is_new || !founder.knows_us) introduce_to(from.id, effects);
  return form(now);
}

// The lowest of them makes the list, once each has said to its present incarnation that its own
// directory is empty.
std::optional<Configuration> Formation::form(Time now) {
  if (founding_.founders.empty()) return std::nullopt;
  // Nobody but those that joined it later can tell a single founder that its log is there already;
  // their heartbeats come within this time.
  if (heard_.empty() && (is_too_late_ || now < alone_at_)) return std::nullopt;
  std::vector<Member> members;
  NodeId last;
  for (const Peer& peer : founding_.founders) {
    last = std::max(last, peer.id);
    Member member{.id = peer.id, .incarnation = self_.incarnation, .endpoint = peer.endpoint};
    if (peer.id != self_.id) {
      const Founder& founder = heard_.at(peer.id);
      if (peer.id < self_.id || !founder.knows_us) return std::nullopt;
      member.incarnation = founder.incarnation;
    }
    members.push_back(std::move(member));
  }
  return Configuration(Position{}, std::move(members), NodeId(last.value() + 1));
}

std::optional<Configuration> Formation::on_form(const Configuration& configuration,
                                                Effects& effects) {
  const Member* self = configuration.find(self_.id);
  if (self != nullptr && self->incarnation == self_.incarnation) return configuration;
  if (self != nullptr && self->incarnation == 0) {  // Others may know the leader better.
    if (founding_.ask != configuration.ids()) effects.now.push_back(MembersChanged{configuration});
    founding_.ask = configuration.ids();
    std::erase(founding_.ask, self_.id);
    return std::nullopt;
  }
  const char* why = self == nullptr
                        ? "no such member exists any more: add this one as a new member"
                        : "this directory is new, and the member's was another: add it as a new "
                          "member, with another empty directory and a join token";
  if (is_news(why)) {
    log_.error("is not the member it claims to be", "member", self_.id, "why", why);
  }
  return std::nullopt;
}

}  // namespace cluster::replog
