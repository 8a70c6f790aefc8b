#include "sim/log_checker.hpp"

#include <charconv>

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

std::string text(Position at) { return std::to_string(at.value()); }

}  // namespace

std::uint64_t writer_term(ByteView data) {
  return data.starts_with('w') ? number_at(data.substr(1)) : 0;
}

void LogChecker::violated(std::string what) {
  if (!violation_) violation_ = std::move(what);
}

void LogChecker::on_message(const replog::Envelope& envelope, const Disk& disk) {
  std::string who = "member " + std::to_string(envelope.from.value());
  replog::Ballot& promised = promised_[envelope.from];
  if (auto* answer = std::get_if<replog::Promised>(&envelope.message); answer && answer->granted) {
    if (disk.promised < answer->ballot) {
      violated(who + " told a promise of " + to_field(answer->ballot) + " that is not on its disk");
    }
    if (answer->ballot < promised) {
      violated(who + " promised " + to_field(answer->ballot) + " after it had told a promise of " +
               to_field(promised));
    }
    promised = std::max(promised, answer->ballot);
  }
  if (auto* proposal = std::get_if<replog::Accept>(&envelope.message)) {
    // Else it could use the same ballot again after a crash, for other values.
    if (disk.promised < proposal->ballot) {
      violated(who + " proposed at " + to_field(proposal->ballot) + ", which is not on its disk");
    }
  }
  if (auto* answer = std::get_if<replog::Accepted>(&envelope.message); answer && answer->granted) {
    if (answer->ballot < promised) {
      violated(who + " accepted at " + to_field(answer->ballot) +
               " after it had told a promise of " + to_field(promised));
    }
    if (disk.promised < answer->ballot) {
      violated(who + " accepted at " + to_field(answer->ballot) +
               " and did not keep that it must refuse lower ballots");
    }
    promised = std::max(promised, answer->ballot);
    Told& told = told_[envelope.from];
    told.accepted.add(answer->first, answer->end);
    told.end = std::max(told.end, answer->end);
    for (Position at = answer->first; at < answer->end; at = at.next()) {
      auto held = disk.entries.find(at);
      if (held == disk.entries.end() ||
          (held->second.ballot < answer->ballot && !chosen_.contains(at))) {
        return violated(who + " told that it accepted position " + text(at) +
                        ", which is not on its disk");
      }
    }
  }
}

void LogChecker::on_restart(NodeId member, const Disk& disk) {
  seen_[member] = Position(1);
  const Told& told = told_[member];
  for (Position at(1); at < told.end; at = at.next()) {
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
    const replog::LogEntry* entry = window.find(seen);
    if (auto kept = disk.entries.find(seen); seen < window.first() && kept != disk.entries.end()) {
      entry = &kept->second;
    }
    if (entry == nullptr) {
      return violated("member " + std::to_string(member.value()) + " calls position " + text(seen) +
                      " chosen and does not have it");
    }
    choose(member, seen, entry->value);
  }
}

void LogChecker::choose(NodeId member, Position at, const replog::Value& value) {
  auto [found, is_new] = chosen_.try_emplace(at, Chosen{value, member});
  if (!is_new) {
    if (found->second.value == value) return;
    return violated("position " + text(at) + " is \"" + std::string(value.data.view()) +
                    "\" for member " + std::to_string(member.value()) + " and \"" +
                    std::string(found->second.value.data.view()) + "\" for member " +
                    std::to_string(found->second.by.value()));
  }
  if (value.kind == replog::Kind::data) {
    auto [place, is_first] = place_of_.try_emplace(std::string(value.data.view()), at);
    if (!is_first) {
      violated("\"" + place->first + "\" stands at " + text(place->second) + " and again at " +
               text(at));
    }
  }
  for (auto next = chosen_.find(chosen_end_); next != chosen_.end() && next->first == chosen_end_;
       ++next, chosen_end_ = chosen_end_.next()) {
    const replog::Value& chosen = next->second.value;
    if (chosen.term != 0 && chosen.term < last_term_) {
      violated("position " + text(next->first) + " is of term " + std::to_string(chosen.term) +
               " after an entry of term " + std::to_string(last_term_));
    }
    last_term_ = std::max(last_term_, chosen.term);
    if (chosen.kind == replog::Kind::lead) {
      std::uint64_t term = term_of_lead(chosen.data.view());
      if (term < leader_term_)
        violated("leaders' entries are out of order at " + text(next->first));
      leader_term_ = term;
    }
    std::uint64_t term = writer_term(chosen.data.view());
    if (chosen.kind == replog::Kind::data && term != 0 && term != leader_term_) {
      violated("position " + text(next->first) + " is a writer's of term " + std::to_string(term) +
               " in the term " + std::to_string(leader_term_));
    }
  }
}

void LogChecker::on_acknowledged(Position at, const Bytes& data) {
  acknowledged_.emplace(at, data);
  highest_acknowledged_ = std::max(highest_acknowledged_, at);
  unchecked_.push_back(at);
}

void LogChecker::on_step_end() {
  for (Position at : unchecked_) {
    const Bytes& data = acknowledged_.at(at);
    auto found = chosen_.find(at);
    if (found == chosen_.end()) {
      violated("position " + text(at) + " was acknowledged and nobody knows it to be chosen");
    } else if (found->second.value.data != data) {
      violated("position " + text(at) + " was acknowledged for \"" + std::string(data.view()) +
               "\" and holds \"" + std::string(found->second.value.data.view()) + "\"");
    }
  }
  unchecked_.clear();
}

void LogChecker::on_applied(NodeId member, const Entry& entry) {
  std::size_t& index = applied_[member];
  if (index == history_.size()) {
    history_.push_back(entry);
  } else if (history_[index] != entry) {
    violated("member " + std::to_string(member.value()) + " applied position " +
             text(entry.position) + " where another had applied " + text(history_[index].position));
  }
  index += 1;
}

void LogChecker::on_caught_up(Position asked_after, const LogRange& range) {
  if (asked_after && range.end <= asked_after) {
    violated("a catch-up ended at " + text(range.end) + " although position " + text(asked_after) +
             " had been acknowledged before it began");
  }
}

}  // namespace cluster::sim
