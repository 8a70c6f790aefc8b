// What operators ask of the leader, through any member: carried there, carried out once, answered.
//
// A command goes the way of an append (`Forward`): it names the ballot whose leader is meant and
// has a tag that its member never uses again. A leader carries a tag out once, and only at the
// named ballot. Refused for want of a leader, it waits for the next one; lost with a leader, its
// caller hears that it may have been carried out.
#include <algorithm>

#include "replog/core.hpp"

namespace cluster::replog {

void Core::on_command(Time now, std::uint64_t tag, CommandBody body, Effects& effects) {
  wake(now);
  if (is_removed()) {
    refuse(Origin{.member = options_.self, .tag = tag}, removal(), effects);
  } else if (role_ == Role::leader && lead_at_) {
    execute(now, Origin{options_.self, tag, true}, body, effects);
  } else {
    commands_.emplace(tag, OwnCommand{.body = std::move(body)});
    send_commands(effects);
  }
  finish(effects);
}

void Core::send_commands(Effects& effects) {
  if (!leader_ || leader_ == options_.self) return;
  for (auto& [tag, command] : commands_) {
    if (command.is_sent) continue;
    command.is_sent = true;
    command.ballot = leader_ballot_;
    effects.now.push_back(Send{leader_, Command{leader_ballot_, tag, command.body}});
  }
}

void Core::execute_waiting(Time now, Effects& effects) {
  const std::map<std::uint64_t, OwnCommand> waiting = std::exchange(commands_, {});
  for (const auto& [tag, command] : waiting) {
    if (role_ != Role::leader) {
      commands_.emplace(tag, command);
    } else {
      execute(now, Origin{options_.self, tag, true}, command.body, effects);
    }
  }
}

void Core::on(Time now, NodeId from, const Command& asked, Effects& effects) {
  if (from == options_.self || asked.ballot.member != options_.self) return;
  Taken& taken = commands_taken_[from];
  if (taken.fate(asked.tag) != Taken::Fate::unseen) return;
  if (role_ != Role::leader || asked.ballot != ballot_ || !lead_at_) {
    // Before it started this member may have carried it out, as the leader that is meant.
    bool is_from_before = asked.ballot <= promised_at_start_;
    Commanded refusal{.tag = asked.tag,
                      .errc = Errc::no_leader,
                      .outcome = is_from_before ? Outcome::maybe : Outcome::not_applied,
                      .context = "does not lead",
                      .position = {},
                      .ballot = asked.ballot};
    effects.now.push_back(Send{from, std::move(refusal)});
    return;
  }
  taken.add(asked.tag);
  execute(now, Origin{from, asked.tag, true}, asked.body, effects);
}

// As leader. What needs an entry is answered when that is chosen (`settle`) or the term ends
// (`stop_leading`).
void Core::execute(Time now, Origin origin, const CommandBody& body, Effects& effects) {
  std::visit([&](const auto& command) { execute_one(now, origin, command, effects); }, body);
}

void Core::execute_one(Time, Origin origin, const TruncateLog& command, Effects& effects) {
  Value value{Kind::truncate, encode_position(command.to), term_of(ballot_)};
  if (!pipeline_->enqueue(std::move(value), origin)) {
    return refuse(origin, Error{Errc::overloaded, "the leader's queue is full"}, effects);
  }
  propose(effects);
}

void Core::refuse(Origin origin, Error why, Effects& effects) {
  answer_command(origin,
                 Commanded{.tag = origin.tag,
                           .errc = why.code,
                           .outcome = why.outcome,
                           .context = std::move(why.context)},
                 effects);
}

void Core::answer_command(Origin origin, Commanded answer, Effects& effects) {
  if (origin.member == options_.self) {
    effects.now.push_back(CommandEnded{std::move(answer)});
  } else {
    answer.ballot = ballot_;
    effects.now.push_back(Send{origin.member, std::move(answer)});
  }
}

void Core::on(Time, NodeId from, const Commanded& answer, Effects& effects) {
  auto at = commands_.find(answer.tag);
  bool is_awaited = at != commands_.end() && at->second.is_sent &&
                    at->second.ballot == answer.ballot && answer.ballot.member == from;
  if (!is_awaited) return;
  bool is_for_the_next = answer.outcome == Outcome::not_applied &&
                         (answer.errc == Errc::no_leader || answer.errc == Errc::fenced);
  if (!is_for_the_next) {
    effects.now.push_back(CommandEnded{answer});
    commands_.erase(at);
    return;
  }
  at->second.is_sent = false;
  if (leader_ != from) return send_commands(effects);
  leader_ = NodeId{};
  tell_leadership(effects);
}

void Core::fail_commands(std::string_view why, Effects& effects) {
  for (auto at = commands_.begin(); at != commands_.end();) {
    if (!at->second.is_sent) {
      ++at;
      continue;
    }
    effects.now.push_back(CommandEnded{Commanded{.tag = at->first,
                                                 .errc = Errc::no_leader,
                                                 .outcome = Outcome::maybe,
                                                 .context = std::string(why)}});
    at = commands_.erase(at);
  }
}

}  // namespace cluster::replog
