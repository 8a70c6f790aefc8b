// One member's core, a step at a time: its own messages come back at once, as if its disk were
// quick.
#pragma once

#include "replog/core.hpp"
#include "tests/unit/replog/support.hpp"

namespace cluster::replog::test {

using namespace std::chrono_literals;

// Replica 1 of three, one input at a time. Messages to itself come back at once: its disk is quick.
class Replica {
 public:
  explicit Replica(Recovered recovered = {.entries = {}}, const CoreOptions& how = options())
      : core(how, of_three(std::move(recovered)), 1, Logger(), now) {}

  static Recovered of_three(Recovered recovered) {
    if (recovered.configuration.is_empty()) {
      recovered.configuration = Configuration::of_voters({one, two, three});
    }
    return recovered;
  }

  static CoreOptions options() {
    CoreOptions made;
    made.self = one;
    made.incarnation = one.value();
    return made;
  }

  template <class F>
  Effects step(F input) {
    Effects all, effects;
    input(effects);
    for (;;) {
      std::vector<Message> to_self;
      for (auto* list : {&effects.now, &effects.then}) {
        for (Action& action : *list) {
          auto* send = std::get_if<Send>(&action);
          if (send != nullptr && send->to == one) to_self.push_back(send->message);
        }
      }
      for (Action& a : effects.now) all.now.push_back(std::move(a));
      for (Change& c : effects.changes) all.changes.push_back(std::move(c));
      for (Action& a : effects.then) all.then.push_back(std::move(a));
      if (to_self.empty()) return all;
      effects = {};
      for (const Message& message : to_self) core.on(now, sender(one), message, effects);
    }
  }
  Effects hear(NodeId from, const Message& message) {
    return step([&](Effects& e) { core.on(now, sender(from), message, e); });
  }
  Effects tick(Duration after) {
    now += after;
    return step([&](Effects& e) { core.on_time(now, e); });
  }
  Effects append(Proposal proposal) {
    return step([&](Effects& e) { core.on_append({std::move(proposal)}, e); });
  }
  Effects catch_up(std::uint64_t tag) {
    return step([&](Effects& e) { core.on_catch_up(now, tag, e); });
  }

  // Makes it the leader of ballot 1.1, with its first entry chosen.
  void lead() {
    step([&](Effects& e) { core.on_campaign(now, e); });
    hear(two, Promised{.ballot = ballot(1),
                       .granted = true,
                       .promised = ballot(1),
                       .chosen_end = Position(1),
                       .first = Position(1),
                       .next = Position(1),
                       .end = Position(1),
                       .entries = {}});
    hear(two, accepted(ballot(1), 1, 2));
    REQUIRE(core.leadership().is_self);
  }

  static Accepted accepted(Ballot by, std::uint64_t first, std::uint64_t end) {
    return {.ballot = by,
            .granted = true,
            .promised = by,
            .first = Position(first),
            .end = Position(end)};
  }
  static Heartbeat beat(Ballot by, std::uint64_t chosen_end) {
    return {.ballot = by, .chosen_end = Position(chosen_end), .lead_at = {}, .sequence = 1};
  }

  Time now{10s};
  Core core;
};

// The messages of one kind in `actions`, with whom they go to.
template <class T>
std::vector<std::pair<NodeId, T>> sent(const std::vector<Action>& actions) {
  std::vector<std::pair<NodeId, T>> found;
  for (const Action& action : actions) {
    auto* send = std::get_if<Send>(&action);
    if (send == nullptr) continue;
    if (auto* message = std::get_if<T>(&send->message)) found.emplace_back(send->to, *message);
  }
  return found;
}

template <class T>
std::vector<T> only(const std::vector<Action>& actions) {
  std::vector<T> found;
  for (const Action& action : actions) {
    if (auto* one_of_them = std::get_if<T>(&action)) found.push_back(*one_of_them);
  }
  return found;
}

}  // namespace cluster::replog::test
