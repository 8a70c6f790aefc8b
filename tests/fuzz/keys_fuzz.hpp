// What the fuzz target and the unit tests do with one input. Its first byte chooses: the rest is a
// row of choices for a maker of commands, a row of log entries, each led by its length, a snapshot,
// or what clients and masters tell each other about keys.
#pragma once

#include <string>
#include <vector>

#include "base/crc32c.hpp"
#include "base/random.hpp"
#include "registry/keys_bytes.hpp"
#include "registry/remote_keys.hpp"
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

// What is understood can be said again, and then means the same.
inline void run_remote_keys(ByteView bytes) {
  auto question = registry::decode_key_watch_question(bytes);
  if (question) {
    auto again = registry::decode_key_watch_question(registry::encode(*question).view());
    CLUSTER_CHECK(again && *again == *question, "a question can be said again");
  }
  auto batch = registry::decode_watch_batch(bytes);
  if (batch) {
    auto again = registry::decode_watch_batch(registry::encode(*batch).view());
    CLUSTER_CHECK(again && *again == *batch, "changes can be told again");
  }
  auto answer = registry::decode_answer(bytes);
  if (answer) {
    auto again = registry::decode_answer(registry::encode_answer(*answer).view());
    const bool is_same = again && again->has_value() == answer->has_value() &&
                         (*answer ? **again == **answer : again->error() == answer->error());
    CLUSTER_CHECK(is_same, "an answer can be given again");
  }
}

inline void run_keys_input(ByteView input) {
  if (input.empty()) return;
  ByteView rest = input.substr(1);
  switch (static_cast<unsigned char>(input[0]) % 4) {
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
    case 2: run_key_snapshot(rest); break;
    default: run_remote_keys(rest);
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
    WatchBatch batch{.upto = Revision(9)};
    for (auto at = state.find_space("")->live.begin(); !at.at_end(); at.next()) {
      batch.events.push_back({.now = (*at)->to_key_value()});
    }
    batch.events.push_back({.kind = KeyEvent::Kind::deleted, .now = {.key = "gone"}});
    corpus.push_back('\3' + std::string(registry::encode(batch).view()));
    const registry::KeyWatchQuestion question{
        .space = "s", .range = KeyRange::prefix("a"), .from = Revision(3)};
    corpus.push_back('\3' + std::string(registry::encode(question).view()));
    auto answer = state.read("", {.then = {ReadKeys{.range = KeyRange::all()}}});
    corpus.push_back('\3' + std::string(registry::encode_answer(answer).view()));
    const Result<registry::KeyAnswer> refusal(Errc::overloaded, "no more");
    corpus.push_back('\3' + std::string(registry::encode_answer(refusal).view()));
  }
  return corpus;
}

}  // namespace cluster::test
