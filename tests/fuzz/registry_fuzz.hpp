// What the fuzz target and the unit tests do with one input. Its first byte chooses: the rest is a
// row of choices for a maker of commands, or a row of log entries, each led by its length.
#pragma once

#include <string>
#include <vector>

#include "base/check.hpp"
#include "base/random.hpp"
#include "cluster/registry.hpp"
#include "registry/digest.hpp"
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

inline void run_registry_input(ByteView input) {
  if (input.empty()) return;
  if (input[0] % 2 == 0) {
    run_registry_choices(input.substr(1));
  } else {
    run_registry_entries(input.substr(1));
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
  }
  return corpus;
}

}  // namespace cluster::test
