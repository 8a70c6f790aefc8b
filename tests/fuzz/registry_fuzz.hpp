// What the fuzz target and the unit tests do with one input. Its first byte chooses: the rest is a
// row of choices for a maker of commands; a row of log entries, each led by its length; a snapshot;
// or one part of a snapshot.
#pragma once

#include <string>
#include <vector>

#include "base/check.hpp"
#include "base/crc32c.hpp"
#include "base/random.hpp"
#include "cluster/registry.hpp"
#include "registry/digest.hpp"
#include "registry/state_part.hpp"
#include "tests/snapshot_text.hpp"
#include "tests/unit/registry/commands.hpp"

namespace cluster::test {

inline void run_registry_choices(ByteView choices) {
  auto below = [&](std::uint64_t end) -> std::uint64_t {
    if (choices.empty()) return 0;
    auto byte = static_cast<unsigned char>(choices.front());
    choices.remove_prefix(1);
    return byte % end;
  };
  run_commands(std::min<std::size_t>(choices.size() / 6, 40), below);
}

inline void run_registry_entries(ByteView entries) {
  RegistryState state;
  Position at;
  while (entries.size() >= 2) {
    auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(entries[i])}; };
    std::size_t size = std::min(byte(0) + 256 * byte(1), entries.size() - 2);
    auto command = decode_registry_command(entries.substr(2, size));
    entries.remove_prefix(2 + size);
    at = at.next();
    if (!command) continue;
    const bool is_barrier = std::holds_alternative<BeginTerm>(*command);
    CLUSTER_CHECK(state.apply(at, *command).empty() == is_barrier,
                  "every command tells what it changed");
  }
  check_invariants(state, RegistryLimits{});
}

// A frame of a snapshot, with the checksum that it should have.
inline std::string registry_frame(ByteView body) {
  std::string frame;
  for (std::uint32_t number : {static_cast<std::uint32_t>(body.size()), crc32c(body)}) {
    for (int i = 0; i < 4; ++i) frame += static_cast<char>(number >> (8 * i));
  }
  return frame + std::string(body);
}

// Where the bytes are a snapshot, the state goes on, and is another snapshot's too.
inline void run_registry_snapshot(std::string bytes) {
  SnapshotText text(std::move(bytes));
  auto state = RegistryState::restore(text);
  if (!state) return;
  SnapshotText written;
  CLUSTER_CHECK(state->begin_snapshot()(written).has_value(), "a state can be written");
  auto again = RegistryState::restore(written);
  CLUSTER_CHECK(again && same_tables(*state, *again), "and read back");
  if (state->applied().value() > std::uint64_t{1} << 62) return;
  Random random(state->applied().value());
  for (int i = 0; i < 20; ++i) {
    auto command = make_command(*state, [&](std::uint64_t end) { return random.below(end); });
    const Position at = state->applied().next();
    CLUSTER_CHECK(state->apply(at, command) == again->apply(at, command), "both go on the same");
  }
}

// One part, whatever it holds, in a stream that is right otherwise, and of no digest's version.
inline void run_registry_part(ByteView body) {
  const Bytes head = registry::encode(registry::StateHead{});
  const Bytes end = registry::encode(registry::StateEnd{});
  run_registry_snapshot("clstate1" + registry_frame(head.view()) + registry_frame(body) +
                        registry_frame(end.view()));
}

inline void run_registry_input(ByteView input) {
  if (input.empty()) return;
  switch (input[0] % 4) {
    case 0: return run_registry_choices(input.substr(1));
    case 1: return run_registry_entries(input.substr(1));
    case 2: return run_registry_snapshot(std::string(input.substr(1)));
    default: return run_registry_part(input.substr(1));
  }
}

inline std::vector<std::string> registry_fuzz_corpus() {
  std::vector<std::string> corpus;
  Random random(8);
  for (int i = 0; i < 6; ++i) {
    std::string choices(1, '\0');
    for (int k = 0; k < 240; ++k) choices += static_cast<char>(random.below(256));
    corpus.push_back(choices);

    std::string entries(1, '\1');
    RegistryState state;
    for (std::uint64_t k = 1; k <= 12; ++k) {
      auto command = make_command(state, [&](std::uint64_t end) { return random.below(end); });
      state.apply(Position(k), command);
      Bytes entry = encode(command);
      entries += static_cast<char>(entry.size() % 256);
      entries += static_cast<char>(entry.size() / 256);
      entries += entry.view();
    }
    corpus.push_back(entries);

    SnapshotText snapshot;
    CLUSTER_CHECK(state.begin_snapshot()(snapshot).has_value(), "a state can be written");
    corpus.push_back('\2' + snapshot.bytes);
    for (const auto& [id, agent] : state.agents()) {
      const Bytes part = registry::encode(registry::RowRefs<AgentRecord>{&agent});
      corpus.push_back('\3' + std::string(part.view()));
    }
    for (const auto& [id, job] : state.jobs()) {
      const Bytes part = registry::encode(registry::RowRefs<JobRecord>{&job});
      corpus.push_back('\3' + std::string(part.view()));
    }
  }
  return corpus;
}

}  // namespace cluster::test
