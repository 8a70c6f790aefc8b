// A master's core, the registry under it, and what its sessions hear. Proposed commands wait until
// the test applies them, so that the time between can be looked at.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "master/core.hpp"
#include "tests/catch.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::master::test {

using namespace std::chrono_literals;

inline Resources resources(std::string_view text) { return Resources::parse(text).value(); }

inline TaskSpec task_spec(std::string id, std::string_view what = "cpus:1;mem:100") {
  TaskSpec spec;
  spec.id = TaskId(std::move(id));
  spec.name = "test";
  spec.command.argv = {"/bin/true"};
  spec.resources = resources(what);
  return spec;
}

class World {
 public:
  World() {
    options.self = NodeId(1);
    options.cluster = ClusterUid(77);
    options.members = {{NodeId(1), {"127.0.0.1", 5001}}, {NodeId(2), {"127.0.0.1", 5002}}};
    lead();
  }

  // A new leader over the state as it is; what the old one had proposed and nobody applied is gone.
  void lead() {
    proposed.clear();
    open_sessions.clear();
    core.reset();
    Effects effects;
    core = std::make_unique<Core>(state, options, Logger(), ++term, at, Counters{}, effects);
    perform(effects);
  }

  SessionId open(Lane lane) {
    const SessionId id(++last_session);
    open_sessions.insert(id);
    Effects effects;
    core->opened(at, id, lane, effects);
    perform(effects);
    return id;
  }

  template <class Message>
  void say(SessionId id, Message message) {
    if (!open_sessions.contains(id)) return;
    Effects effects;
    core->on(at, id, message, effects);
    perform(effects);
  }
  void agent_says(SessionId id, wire::AgentMessage message) { say(id, std::move(message)); }
  void scheduler_says(SessionId id, wire::SchedulerMessage message) { say(id, std::move(message)); }
  void tool_asks(SessionId id, wire::AdminBody body, std::uint64_t question = 1) {
    say(id, wire::AdminMessage{question, std::move(body)});
  }

  void hang_up(SessionId id) {
    if (open_sessions.erase(id) == 0) return;
    Effects effects;
    core->closed(at, id, effects);
    perform(effects);
  }

  void apply_one() {
    const RegistryCommand command = std::move(proposed.front());
    proposed.pop_front();
    apply(command);
  }
  void apply(const RegistryCommand& command) {
    position = position.next();
    const auto events = state.apply(position, command);
    Effects effects;
    core->applied(at, events, effects);
    perform(effects);
  }
  void apply_all() {
    while (!proposed.empty()) apply_one();
  }

  // Lets time pass, waking the core whenever it asks to be.
  void advance(Duration duration) {
    const Time end = at.now + duration;
    while (core->deadline() <= end) {
      move_to(std::max(at.now, core->deadline()));
      const Time before = core->deadline();
      Effects effects;
      core->wake(at, effects);
      perform(effects);
      CHECK(core->deadline() > std::min(before, at.now));
      REQUIRE(core->deadline() > at.now);
    }
    move_to(end);
  }

  // What the session has heard of one kind since this was last asked.
  template <class Message>
  std::vector<Message> heard(SessionId id) {
    std::vector<Message> found;
    std::erase_if(inbox[id], [&](const AnyMessage& message) {
      return std::visit(
          [&](const auto& lane) {
            if constexpr (std::is_same_v<std::decay_t<decltype(lane)>, wire::AdminMessage>) {
              return take(lane.body, found);
            } else {
              return take(lane, found);
            }
          },
          message);
    });
    return found;
  }

  template <class Command>
  std::vector<Command> proposals() const {
    std::vector<Command> found;
    for (const RegistryCommand& command : proposed) {
      if (const auto* one = std::get_if<Command>(&command)) found.push_back(*one);
    }
    return found;
  }

  bool is_open(SessionId id) const { return open_sessions.contains(id); }

  void perform(const Effects& effects) {
    for (const Action& action : effects.actions) {
      if (const auto* send = std::get_if<Send>(&action)) {
        check_is_committed(send->message);
        if (is_open(send->session)) inbox[send->session].push_back(send->message);
      } else if (const auto* close = std::get_if<Close>(&action)) {
        open_sessions.erase(close->session);
      } else {
        proposed.push_back(std::get<Propose>(action).command);
      }
    }
  }

  // Dialogues that most tests begin with.

  wire::RegisterAgentRequest description(std::string id, std::string_view total) const {
    return {.agent = AgentId(std::move(id)),
            .cluster = options.cluster,
            .hostname = "host",
            .endpoint = {"127.0.0.1", 6000},
            .total = resources(total),
            .isolation = "none"};
  }
  SessionId agent(std::string id, std::string_view total = "cpus:4;mem:1000",
                  std::vector<wire::AgentTask> tasks = {}) {
    const SessionId session = open(Lane::agent);
    auto request = description(std::move(id), total);
    request.tasks = std::move(tasks);
    agent_says(session, request);
    apply_all();
    return session;
  }
  SessionId framework(std::string id = "f", Duration failover_timeout = 1min) {
    const SessionId session = open(Lane::scheduler);
    scheduler_says(session, wire::Subscribe{.framework = FrameworkId(std::move(id)),
                                            .name = "test",
                                            .failover_timeout = failover_timeout});
    apply_all();
    return session;
  }
  std::vector<wire::Offer> offers(SessionId session) {
    advance(10ms);
    std::vector<wire::Offer> all;
    for (auto& batch : heard<wire::Offers>(session)) {
      all.insert(all.end(), batch.offers.begin(), batch.offers.end());
    }
    return all;
  }
  void accept(SessionId session, OfferId offer, std::vector<TaskSpec> specs, Duration refuse = 0s) {
    wire::Accept call{.offers = {offer}, .refuse = refuse};
    for (const TaskSpec& spec : specs) call.tasks.push_back(wire::encode(spec));
    scheduler_says(session, call);
  }
  // An agent and a framework with one running task "t" on it.
  struct Running {
    SessionId agent;
    SessionId framework;
  };
  Running running() {
    const SessionId its_agent = agent("a");
    const SessionId its_framework = framework();
    accept(its_framework, offers(its_framework).at(0).id, {task_spec("t")});
    apply_all();
    return {its_agent, its_framework};
  }
  void update(SessionId session, TaskState update_state, std::uint64_t sequence,
              std::string task = "t", std::string of = "f") {
    agent_says(session,
               wire::AgentUpdate{FrameworkId(std::move(of)), status(task, update_state, sequence)});
  }
  static TaskStatus status(std::string task, TaskState its_state, std::uint64_t sequence) {
    return TaskStatus{.task = TaskId(std::move(task)), .state = its_state, .sequence = sequence};
  }

  MasterOptions options;
  RegistryState state;
  Position position;
  std::uint64_t term = 0;
  Moment at{Time(1h), WallTime(1000h)};
  std::unique_ptr<Core> core;
  std::deque<RegistryCommand> proposed;
  std::set<SessionId> open_sessions;
  std::map<SessionId, std::vector<AnyMessage>> inbox;
  std::uint64_t last_session = 0;

 private:
  void move_to(Time now) {
    at.wall += std::chrono::duration_cast<std::chrono::milliseconds>(now - at.now);
    at.now = now;
  }

  // The first law, held in every test: no agent hears of a launch that is not committed.
  void check_is_committed(const AnyMessage& message) const {
    const auto* to_agent = std::get_if<wire::AgentMessage>(&message);
    const auto* run = to_agent ? std::get_if<wire::RunTask>(to_agent) : nullptr;
    if (run) REQUIRE(state.find(TaskKey{run->framework, run->task}));
  }

  template <class Variant, class Message>
  static bool take(const Variant& body, std::vector<Message>& found) {
    return std::visit(
        [&](const auto& one) {
          constexpr bool is_asked = std::is_same_v<std::decay_t<decltype(one)>, Message>;
          if constexpr (is_asked) found.push_back(one);
          return is_asked;
        },
        body);
  }
};

}  // namespace cluster::master::test
