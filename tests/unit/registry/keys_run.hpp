// A row of random commands on the keys' state, held against the model after each. For unit tests
// and the fuzz target.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "tests/unit/registry/keys_model.hpp"
#include "tests/unit/registry/keys_support.hpp"

namespace cluster::test {

inline bool same_events(const registry::KeysState& state, const registry::KeysApplied& applied,
                        std::vector<KeysModel::Event> expected) {
  std::vector<KeysModel::Event> told;
  for (std::uint64_t i = applied.first_change; i < applied.end_change; ++i) {
    const registry::KeyChange& change = state.history().at(i);
    KeysModel::Event event;
    event.space = state.find_space(change.now->fields().space)->name;
    event.event.kind = change.now->is_deletion() ? KeyEvent::Kind::deleted : KeyEvent::Kind::put;
    event.event.now = change.now->to_key_value();
    if (change.before && !change.before->is_deletion()) {
      event.event.before = change.before->to_key_value();
    }
    told.push_back(std::move(event));
  }
  auto by_name = [](const auto& a, const auto& b) {
    return std::tie(a.space, a.event.now.key) < std::tie(b.space, b.event.now.key);
  };
  std::sort(told.begin(), told.end(), by_name);
  std::sort(expected.begin(), expected.end(), by_name);
  return std::equal(
      told.begin(), told.end(), expected.begin(), expected.end(),
      [](const auto& a, const auto& b) { return a.space == b.space && a.event == b.event; });
}

struct KeysRun {
  explicit KeysRun(KeyLimits its_limits) : limits(its_limits), state(its_limits) {}

  KeyLimits limits;
  registry::KeysState state;
  KeysModel model;
  std::optional<registry::KeysState> replica;  // Made from a snapshot on the way.
  Position at;
  std::size_t accepted = 0;
  std::map<std::pair<LeaseId, std::uint64_t>, Result<registry::KeyAnswer>> answers;

  void step(const registry::KeyCommand& command) {
    at = at.next();
    const Revision before = state.revision();
    auto decoded = registry::decode_key_command(registry::encode(command));
    CLUSTER_CHECK(decoded && *decoded == command, "a command is decoded as it was encoded");
    const bool has_session = command.stamp.session && state.find_lease(command.stamp.session);
    auto applied = state.apply(at, *decoded);
    if (replica) {
      auto again = replica->apply(at, command);
      CLUSTER_CHECK(again.answer.has_value() == applied.answer.has_value(),
                    "a replica from a snapshot answers alike");
      CLUSTER_CHECK(replica->digest() == state.digest(), "a replica from a snapshot agrees");
    }
    if (!applied.answer) {
      CLUSTER_CHECK(state.revision() == before && applied.first_change == applied.end_change,
                    "what is refused changes nothing");
    } else if (applied.answer->is_repeated) {
      CLUSTER_CHECK(state.revision() == before, "a retry changes nothing");
      check_repeated(command, *applied.answer);
    } else {
      ++accepted;
      check_applied(command, applied);
    }
    if (has_session) remember(command, applied.answer);
    forget_ended();
    CLUSTER_CHECK(state.revision() == model.revision(), "the revision is the model's",
                  state.revision().value(), model.revision().value());
  }

  void check_applied(const registry::KeyCommand& command, const registry::KeysApplied& applied) {
    auto expected = model.apply(command);
    registry::KeyAnswer answer = *applied.answer;
    CLUSTER_CHECK(answer == expected, "the answer is the model's");
    if (applied.first_change == applied.end_change) return;
    CLUSTER_CHECK(same_events(state, applied, model.events(state.revision())),
                  "the changes are the model's");
  }

  void check_repeated(const registry::KeyCommand& command, registry::KeyAnswer answer) {
    auto first = answers.find({command.stamp.session, command.stamp.sequence});
    CLUSTER_CHECK(first != answers.end() && first->second, "a retry had a first time");
    answer.is_repeated = false;
    CLUSTER_CHECK(answer == *first->second, "a retry has the first answer");
  }

  void remember(const registry::KeyCommand& command, const Result<registry::KeyAnswer>& answer) {
    if (!answer || answer->is_repeated) return;
    const bool is_new =
        answers.emplace(std::pair(command.stamp.session, command.stamp.sequence), *answer).second;
    CLUSTER_CHECK(is_new, "a command of a session is applied once");
  }

  // A lease's number may be drawn again here, as in life it is not.
  void forget_ended() {
    for (auto one = answers.begin(); one != answers.end();) {
      one = state.find_lease(one->first.first) ? std::next(one) : answers.erase(one);
    }
  }

  template <class Below>
  void check_reads(Below& below) {
    const std::uint64_t newest = state.revision().value();
    for (int i = 0; i < 6; ++i) {
      ReadKeys read{.range = i % 2 == 0 ? KeyRange::all() : KeyRange::prefix("a/")};
      read.options.at = Revision(below(newest + 1));
      read.options.limit = below(3) * 4;
      for (std::string space : {"", "one", "two"}) {
        auto found = state.range(space, read.range, read.options);
        const bool is_kept = !read.options.at || read.options.at >= state.compacted();
        if (!state.find_space(space)) continue;
        CLUSTER_CHECK(found.has_value() == is_kept, "what is kept can be read, and nothing else");
        if (!found) continue;
        Revision at_revision = read.options.at ? read.options.at : state.revision();
        auto then = model.at(at_revision);
        CLUSTER_CHECK(*found == KeysModel::range(then[space], read, at_revision),
                      "a range is as it was");
      }
    }
  }

  void check_whole() {
    CLUSTER_CHECK(registry::recompute_tables_digest(state) == state.tables_digest(),
                  "the running digest is that of what is there");
    state.each_space([](const registry::KeySpace& space) {
      space.live.check();
      space.dead.check();
      std::uint64_t bytes = 0;
      for (auto key = space.live.begin(); !key.at_end(); key.next()) bytes += (*key)->size();
      CLUSTER_CHECK(bytes == space.bytes, "a namespace knows its bytes");
    });
    CLUSTER_CHECK(state.leases().size() == model.leases().size(), "leases are the model's");
    for (const auto& [id, lease] : model.leases()) {
      CLUSTER_CHECK(state.find_lease(id) && state.find_lease(id)->renewals == lease.renewals,
                    "renewals are the model's");
    }
    auto made = restored(snapshot_of(state), limits);
    CLUSTER_CHECK(made.has_value(), "a snapshot is restored", made ? "" : made.error().context);
    CLUSTER_CHECK(made->digest() == state.digest(), "and is the same state");
    replica.emplace(*std::move(made));
  }
};

// Returns how many commands were accepted.
template <class Below>
std::size_t run_keys(std::size_t steps, Below below) {
  KeyLimits limits;
  limits.session_answers_max = 6;
  limits.lease_keys_max = 5;
  limits.deletes_max = 12;
  KeysRun run(limits);
  CommandMaker<Below> maker(run.state, below);
  for (std::size_t i = 0; i < steps; ++i) {
    run.step(maker.make());
    if (i % 10 == 9) run.check_reads(below);
    if (i % 50 == 49) run.check_whole();
  }
  return run.accepted;
}

}  // namespace cluster::test
