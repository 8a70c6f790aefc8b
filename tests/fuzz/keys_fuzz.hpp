// What the fuzz target and the unit tests do with one input. Its first byte chooses: the rest is a
// row of choices for a maker of commands, a row of log entries, each led by its length, or a
// snapshot.
#pragma once

#include <string>
#include <vector>

#include "base/crc32c.hpp"
#include "base/random.hpp"
#include "registry/keys_bytes.hpp"
#include "tests/unit/registry/keys_run.hpp"

namespace cluster::test {

inline void run_key_entries(ByteView entries) {
  registry::KeysState state;
  Position at;
  while (entries.size() >= 2) {
    auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(entries[i])}; };
    const std::size_t size = std::min(byte(0) + 256 * byte(1), entries.size() - 2);
    auto command = registry::decode_key_command(Bytes(entries.substr(2, size)));
    entries.remove_prefix(2 + size);
    if (!command) continue;
    auto again = registry::decode_key_command(registry::encode(*command));
    CLUSTER_CHECK(again && *again == *command, "what is decoded can be encoded");
    state.apply(at = at.next(), *command);
  }
  CLUSTER_CHECK(registry::recompute_tables_digest(state) == state.tables_digest(),
                "the running digest is that of what is there");
}

// A snapshot of one frame, whose checksum is right. One that is taken gives one that is taken.
inline void run_key_snapshot(ByteView frame) {
  registry::ByteWriter head;
  head.fixed(frame.size() | std::uint64_t{crc32c(frame)} << 32);
  auto state = restored(std::string(head.view()) + std::string(frame));
  if (!state) return;
  auto again = restored(snapshot_of(*state));
  CLUSTER_CHECK(again && again->digest() == state->digest(), "a restored state is whole");
}

inline void run_keys_input(ByteView input) {
  if (input.empty()) return;
  ByteView rest = input.substr(1);
  switch (input[0] % 3) {
    case 0: {
      const std::size_t steps = std::min<std::size_t>(rest.size() / 8, 60);
      run_keys(steps, [&](std::uint64_t end) -> std::uint64_t {
        if (rest.empty()) return 0;
        auto byte = static_cast<unsigned char>(rest.front());
        rest.remove_prefix(1);
        return byte % end;
      });
      break;
    }
    case 1: run_key_entries(rest); break;
    default: run_key_snapshot(rest);
  }
}

inline std::vector<std::string> keys_fuzz_corpus() {
  std::vector<std::string> corpus;
  Random random(11);
  auto below = [&](std::uint64_t end) { return random.below(end); };
  for (int i = 0; i < 5; ++i) {
    std::string choices(1, '\0');
    for (int k = 0; k < 320; ++k) choices += static_cast<char>(random.below(256));
    corpus.push_back(choices);

    std::string entries(1, '\1');
    registry::KeysState state;
    CommandMaker maker(state, below);
    for (std::uint64_t k = 1; k <= 25; ++k) {
      auto command = maker.make();
      state.apply(Position(k), command);
      Bytes entry = registry::encode(command);
      entries += static_cast<char>(entry.size() % 256);
      entries += static_cast<char>(entry.size() / 256);
      entries += entry.view();
    }
    corpus.push_back(entries);
    corpus.push_back('\2' + snapshot_of(state).substr(8));  // Without its frame's head.
  }
  return corpus;
}

}  // namespace cluster::test
