#include "sim/log_checker.hpp"

#include <algorithm>
#include <charconv>

#include "base/crc32c.hpp"

namespace cluster::sim {
namespace {

std::uint64_t number_at(ByteView text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// A leader's first entry says its ballot: "round.member".
std::uint64_t term_of_lead(ByteView data) {
  auto dot = data.find('.');
  if (dot == ByteView::npos) return 0;
  return replog::term_of({number_at(data.substr(0, dot)), NodeId(number_at(data.substr(dot + 1)))});
}

std::uint64_t sum_of(const replog::Value& value) {
  std::uint64_t sum = crc32c(value.data.view());
  return (sum << 32) ^ (value.term * 0x9e3779b97f4a7c15u) ^ static_cast<std::uint64_t>(value.kind);
}

std::string name_of(NodeId member) { return "member " + std::to_string(member.value()); }

std::string text(Position at) { return std::to_string(at.value()); }

}  // namespace

std::uint64_t writer_term(ByteView data) {
  return data.starts_with('w') ? number_at(data.substr(1)) : 0;
}

void LogChecker::violated(std::string what) {
  if (!violation_) violation_ = std::move(what);
}

const replog::Value* LogChecker::chosen(Position at) const {
  if (at.value() >= chosen_.size() || !chosen_[at.value()]) return nullptr;
  return &chosen_[at.value()]->value;
}

void LogChecker::on_message(const replog::Envelope& envelope, const Disk& disk) {
  NodeId from = envelope.from;
  const replog::Sender sender{from, envelope.incarnation};
  if (auto* answer = std::get_if<replog::Promised>(&envelope.message); answer && answer->granted) {
    ledger_.on(sender, *answer);
    on_promised(from, *answer, disk);
  } else if (auto* proposal = std::get_if<replog::Accept>(&envelope.message)) {
    on_accept(from, *proposal, disk);
  } else if (auto* accepted = std::get_if<replog::Accepted>(&envelope.message);
             accepted && accepted->granted) {
    ledger_.on(sender, *accepted);
    on_accepted(from, *accepted, disk);
  } else if (auto* forward = std::get_if<replog::Forward>(&envelope.message)) {
    on_forward(*forward);
  } else if (auto* done = std::get_if<replog::Commanded>(&envelope.message)) {
    on_commanded(from, *done);
  } else if (auto* told = std::get_if<replog::Learned>(&envelope.message)) {
    for (const replog::LogEntry& entry : told->entries)
      choose(from, entry.position, entry.value, disk);
  }
}

void LogChecker::on_promised(NodeId from, const replog::Promised& answer, const Disk& disk) {
  std::string who = name_of(from);
  replog::Ballot& promised = promised_[from];
  if (disk.promised < answer.ballot) {
    violated(who + " told a promise of " + to_field(answer.ballot) + " that is not on its disk");
  }
  if (answer.ballot < promised) {
    violated(who + " promised " + to_field(answer.ballot) + " after it had told a promise of " +
             to_field(promised));
  }
  promised = std::max(promised, answer.ballot);
  if (answer.next < answer.end) coverage_.count("a promise told in parts");
  auto& reported = reported_[answer.ballot];
  if (reported_.size() > 8) reported_.erase(reported_.begin());
  std::unordered_set<std::uint64_t> shown;
  for (const replog::LogEntry& entry : answer.entries) {
    shown.insert(entry.position.value());
    if (entry.position < answer.chosen_end) {
      choose(from, entry.position, entry.value, disk);
    } else {
      reported.emplace(entry.position, entry.value.kind);
    }
  }
  // What came after the promise came at its ballot or above, and need not be told.
  const Told& told = told_[from];
  auto is_owed = [&](Position at, const replog::LogEntry& entry) {
    if (entry.ballot >= answer.ballot || shown.contains(at.value())) return false;
    if (disk.damaged.contains(at) && is_void(at, entry.ballot)) return false;
    bool is_in = at < answer.next || answer.next == answer.end;
    bool was_told = told.highest < answer.ballot && told.accepted.contains(at);
    return is_in && (was_told || chosen(at) == nullptr);
  };
  for (auto at = disk.entries.lower_bound(answer.first); at != disk.entries.end(); ++at) {
    if (is_owed(at->first, at->second)) {
      return violated(who + " promised " + to_field(answer.ballot) + " and did not tell position " +
                      text(at->first) + ", which it had accepted");
    }
  }
}

void LogChecker::on_accept(NodeId from, const replog::Accept& proposal, const Disk& disk) {
  // Else it could use the same ballot again after a crash, for other values.
  if (disk.promised < proposal.ballot) {
    violated(name_of(from) + " proposed at " + to_field(proposal.ballot) +
             ", which is not on its disk");
  }
  // What is chosen may be sent again whoever decides what comes after it.
  bool is_open = proposal.chosen_end < proposal.first.plus(proposal.values.size());
  if (is_open) proposals_.push_back({from, proposal.ballot, proposal.chosen_end});
  auto reported = reported_.find(proposal.ballot);
  Position at = proposal.first;
  for (const replog::Value& value : proposal.values) {
    if (proposed_.size() <= at.value()) proposed_.resize(at.value() + 1);
    auto& sums = proposed_[at.value()];
    Proposed proposed{proposal.ballot, value.term, value.is_bare, sum_of(value)};
    bool is_new = true;
    for (const Proposed& before : sums) {
      if (before.ballot != proposed.ballot) continue;
      is_new = is_new && before.is_bare != proposed.is_bare;
      bool is_same = before.term == proposed.term &&
                     (before.is_bare != proposed.is_bare || before.sum == proposed.sum);
      if (is_same) continue;
      return violated(name_of(from) + " proposed two values at position " + text(at) +
                      " and ballot " + to_field(proposal.ballot));
    }
    if (is_new) {
      sums.push_back(proposed);
      if (value.term == replog::term_of(proposal.ballot)) on_proposed(from, value);
      if (value.kind == replog::Kind::noop) {
        bool was_reported = reported != reported_.end() && reported->second.contains(at) &&
                            reported->second.at(at) != replog::Kind::noop;
        coverage_.count(was_reported ? "an entry voided since terms never fall"
                                     : "a hole closed by a candidate");
      } else if (reported != reported_.end() && reported->second.contains(at)) {
        coverage_.count("an entry proposed again by a candidate");
      }
    }
    at = at.next();
  }
}

void LogChecker::on_asked(NodeId member, const Bytes& data) {
  asked_.try_emplace(std::string(data.view()), Asked{member, {}});
}

void LogChecker::on_forward(const replog::Forward& forward) {
  for (const replog::Forward::Item& item : forward.items) {
    auto at = asked_.find(std::string(item.data.view()));
    if (at == asked_.end()) continue;
    std::vector<std::uint64_t>& terms = at->second.terms;
    std::uint64_t term = replog::term_of(forward.ballot);
    if (std::find(terms.begin(), terms.end(), term) == terms.end()) terms.push_back(term);
  }
}

// A change of the members is done when a quorum of those that it names has all that came before,
// the same as if something was proposed under it.
void LogChecker::on_commanded(NodeId leader, const replog::Commanded& done) {
  if (done.errc != Errc::ok || !done.position) return;
  const replog::Value* value = chosen(done.position);
  if (value == nullptr || value->kind != replog::Kind::config) return;
  coverage_.count("a change was said to be done");
  proposals_.push_back({leader, done.ballot, done.position.next()});
}

// For the first time, in the leader's own term.
void LogChecker::on_proposed(NodeId leader, const replog::Value& value) {
  if (value.kind != replog::Kind::data || value.is_bare) return;
  auto at = asked_.find(std::string(value.data.view()));
  if (at == asked_.end() || at->second.by == leader) return;
  const std::vector<std::uint64_t>& terms = at->second.terms;
  if (std::find(terms.begin(), terms.end(), value.term) != terms.end()) return;
  violated(name_of(leader) + " carried out \"" + at->first + "\" in the term " +
           std::to_string(value.term) + ", to which it was not sent");
}

void LogChecker::on_accepted(NodeId from, const replog::Accepted& answer, const Disk& disk) {
  std::string who = name_of(from);
  replog::Ballot& promised = promised_[from];
  if (answer.ballot < promised) {
    violated(who + " accepted at " + to_field(answer.ballot) + " after it had told a promise of " +
             to_field(promised));
  }
  if (disk.promised < answer.ballot) {
    violated(who + " accepted at " + to_field(answer.ballot) +
             " and did not keep that it must refuse lower ballots");
  }
  promised = std::max(promised, answer.ballot);
  Told& told = told_[from];
  told.accepted.add(answer.first, answer.end);
  told.end = std::max(told.end, answer.end);
  told.highest = std::max(told.highest, answer.ballot);
  for (Position at = std::max(answer.first, disk.kept_from); at < answer.end; at = at.next()) {
    auto held = disk.entries.find(at);
    if (held == disk.entries.end() ||
        (held->second.ballot < answer.ballot && chosen(at) == nullptr)) {
      return violated(who + " told that it accepted position " + text(at) +
                      ", which is not on its disk");
    }
  }
}

void LogChecker::on_leadership(NodeId member, const Leadership& leadership) {
  if (!leadership.is_self) return;
  auto [at, is_new] = leaders_.try_emplace(leadership.term, member);
  if (!is_new && at->second != member) {
    violated(name_of(member) + " and " + name_of(at->second) + " both lead the term " +
             std::to_string(leadership.term));
  }
}

// A later leader's first entry is chosen at or before `at`: what was accepted there at a lower
// ballot can't be chosen any more.
bool LogChecker::is_void(Position at, replog::Ballot ballot) const {
  for (;; at = Position(at.value() - 1)) {
    const auto* found = at ? chosen(at) : nullptr;
    if (!at) return false;
    if (found == nullptr || found->kind != replog::Kind::lead) continue;
    return found->term > replog::term_of(ballot);
  }
}

void LogChecker::on_restart(NodeId member, const Disk& disk) {
  seen_[member] = Position(1);
  const Told& told = told_[member];
  for (Position at = disk.kept_from; at < told.end; at = at.next()) {
    if (told.accepted.contains(at) && !disk.entries.contains(at)) {
      return violated("member " + std::to_string(member.value()) + " lost position " + text(at) +
                      ", which it had told to be durable");
    }
  }
}

void LogChecker::on_core(NodeId member, const replog::Core& core, const Disk& disk) {
  Position& seen = seen_.try_emplace(member, Position(1)).first->second;
  const replog::Window& window = core.acceptor().window();
  for (; seen < core.chosen_end(); seen = seen.next()) {
    // What is forgotten was chosen: others saw it, or it was chosen in this very step.
    if (seen < core.kept_from() && chosen(seen) != nullptr) continue;
    const replog::LogEntry* entry = window.find(seen);
    if (auto kept = disk.entries.find(seen); seen < window.first() && kept != disk.entries.end()) {
      entry = &kept->second;
    }
    if (disk.damaged.contains(seen) && core.damage().contains(seen)) continue;
    if (entry == nullptr) {
      return violated("member " + std::to_string(member.value()) + " calls position " + text(seen) +
                      " chosen and does not have it");
    }
    choose(member, seen, entry->value, disk);
  }
}

void LogChecker::choose(NodeId member, Position at, const replog::Value& value, const Disk& disk) {
  if (chosen_.size() <= at.value()) chosen_.resize(at.value() + 1);
  auto& chosen = chosen_[at.value()];
  if (chosen) {
    if (chosen->value.is_same_as(value)) {
      if (chosen->value.is_bare) chosen->value = value;
      return;
    }
    return violated("position " + text(at) + " is \"" + std::string(value.data.view()) + "\" for " +
                    name_of(member) + " and \"" + std::string(chosen->value.data.view()) +
                    "\" for " + name_of(chosen->by));
  }
  chosen = Chosen{value, member};
  auto held = disk.entries.find(at);
  choices_.push_back(
      {member, at, held == disk.entries.end() ? replog::Ballot{} : held->second.ballot});
  if (value.kind == replog::Kind::data) {
    std::string data(value.data.view());
    if (not_applied_.contains(data)) {
      violated("\"" + data + "\" failed as not applied and stands at " + text(at));
    }
    auto [place, is_first] = place_of_.try_emplace(std::move(data), at);
    if (!is_first) {
      violated("\"" + place->first + "\" stands at " + text(place->second) + " and again at " +
               text(at));
    }
  }
  while (chosen_end_.value() < chosen_.size() && chosen_[chosen_end_.value()]) {
    extend(chosen_end_);
    chosen_end_ = chosen_end_.next();
  }
}

// The chosen prefix grows by this position.
void LogChecker::extend(Position at) {
  const replog::Value& value = chosen_[at.value()]->value;
  if (value.term != 0 && value.term < last_term_) {
    violated("position " + text(at) + " is of term " + std::to_string(value.term) +
             " after an entry of term " + std::to_string(last_term_));
  }
  last_term_ = std::max(last_term_, value.term);
  if (value.kind == replog::Kind::config) {
    auto members = replog::decode_configuration(value.data.view(), at);
    if (!members) return violated("position " + text(at) + " sets members that cannot be read");
    // What was given out is never given out again.
    if (members->ids_end() < configuration().ids_end()) {
      violated("position " + text(at) + " lets ids be used again");
    }
    members_[at] = *std::move(members);
  }
  if (value.kind == replog::Kind::lead) {
    std::uint64_t term = term_of_lead(value.data.view());
    if (term < leader_term_) violated("leaders' entries are out of order at " + text(at));
    leader_term_ = term;
  }
  std::uint64_t term = writer_term(value.data.view());
  if (value.kind == replog::Kind::data && term != 0 && term != leader_term_) {
    violated("position " + text(at) + " is a writer's of term " + std::to_string(term) +
             " in the term " + std::to_string(leader_term_));
  }
}

void LogChecker::on_wiped(NodeId member) {
  told_.erase(member);
  promised_.erase(member);
}

void LogChecker::on_acknowledged(Position at, const Bytes& data,
                                 const std::map<NodeId, const Disk*>& disks) {
  acknowledged_ += 1;
  highest_seen_ = std::max(highest_seen_, at);
  unchecked_.push_back({at, data});
  // Those that the last entry before it named decided about it.
  const replog::Configuration& members = deciders_of(at);
  std::size_t holders = 0;
  for (NodeId voter : members.voters()) {
    auto disk = disks.find(voter);
    if (disk == disks.end()) continue;
    // It may have had it when it was counted.
    if (disk->second == nullptr) {
      holders += 1;
      continue;
    }
    auto held = disk->second->entries.find(at);
    bool is_held = held != disk->second->entries.end() &&
                   (held->second.value.is_bare || held->second.value.data == data);
    if (is_held || at < disk->second->kept_from) holders += 1;
  }
  if (holders < members.quorum()) {
    violated("position " + text(at) + " was acknowledged and is on the disks of " +
             std::to_string(holders) + " of " + std::to_string(members.voters().size()) +
             " voters");
  }
}

void LogChecker::on_not_applied(const Bytes& data) {
  std::string value(data.view());
  if (auto at = place_of_.find(value); at != place_of_.end()) {
    violated("\"" + value + "\" failed as not applied and stands at " + text(at->second));
  }
  not_applied_.insert(std::move(value));
}

// When the step is over: who the members are may have become known in it.
void LogChecker::check_quorums() {
  for (const Proposal& one : proposals_) {
    if (ledger_.may_propose(one.by, one.ballot, deciders_of(one.chosen_end))) continue;
    violated(name_of(one.by) + " proposed at " + to_field(one.ballot) + " after position " +
             text(one.chosen_end) + " without the promises of a quorum");
  }
  for (const Choice& one : choices_) {
    if (ledger_.is_chosen(one.at, deciders_of(one.at), one.by, one.own)) continue;
    violated(name_of(one.by) + " calls position " + text(one.at) +
             " chosen, which no quorum has accepted at one ballot");
  }
  proposals_.clear();
  choices_.clear();
}

void LogChecker::on_step_end() {
  check_quorums();
  for (const Acknowledged& one : unchecked_) {
    const replog::Value* found = chosen(one.position);
    if (found == nullptr) {
      violated("position " + text(one.position) +
               " was acknowledged and nobody knows it to be chosen");
    } else if (found->data != one.data) {
      violated("position " + text(one.position) + " was acknowledged for \"" +
               std::string(one.data.view()) + "\" and holds \"" + std::string(found->data.view()) +
               "\"");
    }
  }
  unchecked_.clear();
}

void LogChecker::on_applied(NodeId member, const Entry& entry, Position kept_from) {
  const replog::Value* value = chosen(entry.position);
  bool is_right =
      value != nullptr && value->kind == replog::Kind::data && value->data == entry.data;
  if (!is_right) violated(name_of(member) + " applied another value at " + text(entry.position));
  Position& last = applied_[member];
  if (entry.position <= last) {
    violated(name_of(member) + " applied " + text(entry.position) + " after " + text(last));
  }
  for (Position at = std::max(last.next(), kept_from); at < entry.position; at = at.next()) {
    const replog::Value* skipped = chosen(at);
    if (skipped == nullptr || skipped->kind == replog::Kind::data) {
      return violated(name_of(member) + " applied " + text(entry.position) + " and not " +
                      text(at));
    }
  }
  last = entry.position;
  highest_seen_ = std::max(highest_seen_, entry.position);
}

std::uint64_t LogChecker::add_to_sum(std::uint64_t sum, Position at, ByteView data) {
  return ((sum ^ at.value()) * 0x9e3779b97f4a7c15u) ^ crc32c(data);
}

void LogChecker::on_restored(NodeId member, Position last, std::uint64_t sum) {
  std::uint64_t expected = 0;
  for (Position at(1); at <= last; at = at.next()) {
    const replog::Value* value = chosen(at);
    if (value == nullptr) {
      return violated(name_of(member) + " restored a state to " + text(last) + ", and nobody " +
                      "knows position " + text(at) + " to be chosen");
    }
    if (value->kind == replog::Kind::data) expected = add_to_sum(expected, at, value->data.view());
  }
  if (sum != expected) {
    violated(name_of(member) + " restored a state to " + text(last) + " that is not the log's");
  }
  applied_[member] = last;
}

void LogChecker::on_caught_up(Position seen_before, const LogRange& range) {
  if (seen_before && range.end <= seen_before) {
    violated("a catch-up ended at " + text(range.end) + " although position " + text(seen_before) +
             " had been acknowledged or shown before it began");
  }
}

}  // namespace cluster::sim
