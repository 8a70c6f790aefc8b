// The snapshot of two states that share a log: whole and the same, or refused.
#include "registry/shared_snapshot.hpp"

#include "registry/digest_note.hpp"
#include "registry/key_entries.hpp"
#include "tests/catch.hpp"
#include "tests/unit/registry/commands.hpp"
#include "tests/unit/registry/keys_support.hpp"

using namespace cluster;
using namespace cluster::test;
using Catch::Contains;
using registry::Digest;
using registry::restore_shared;
using registry::SharedState;

namespace {

std::string written(const SnapshotJob& job) {
  MemorySnapshot memory;
  REQUIRE(job(memory));
  return std::move(memory.text);
}

Result<SharedState> read(std::string text) {
  MemorySnapshot memory;
  memory.text = std::move(text);
  memory.step = 777;
  return restore_shared(memory);
}

// Agents, and keys that fill several blocks.
struct Both {
  Both() {
    cluster.apply(Position(1), RegisterAgent{agent_record("a1")});
    keys.at = Position(4);
    keys.must(registry::GrantLease{LeaseId(9), std::chrono::seconds(5)});
    keys.must(put("leased", "x", LeaseId(9)));
    for (int i = 0; i < 60; ++i) {
      keys.must(put("key" + std::to_string(i), std::string(10'000, static_cast<char>(i))));
    }
    keys.must(erase("key7"));
  }
  std::string snapshot() {
    return written(registry::join_snapshots(cluster.begin_snapshot(), keys.state.begin_snapshot()));
  }
  Digest digest() const { return SharedState::shared_digest(cluster, keys.state); }

  RegistryState cluster;
  Keys keys;
};

}  // namespace

TEST_CASE("without keys a snapshot is the cluster's own, and restores to no keys",
          "[registry][shared]") {
  RegistryState state;
  state.apply(Position(1), RegisterAgent{agent_record("a1")});
  const std::string own = written(state.begin_snapshot());
  CHECK(written(registry::join_snapshots(state.begin_snapshot(), std::nullopt)) == own);

  auto both = read(own);
  REQUIRE(both);
  CHECK(same_tables(both->cluster, state));
  CHECK_FALSE(both->keys.applied());
  CHECK(both->digest() == state.digest());
  CHECK(both->applied() == Position(1));
}

TEST_CASE("a snapshot of both restores both, with the digest of both", "[registry][shared]") {
  Both both;
  auto again = read(both.snapshot());
  if (!again) FAIL(again.error().message());
  CHECK(same_tables(again->cluster, both.cluster));
  CHECK(again->keys.digest() == both.keys.state.digest());
  CHECK(again->digest() == both.digest());
  CHECK(again->digest() != both.cluster.digest());
  CHECK(again->applied() == both.keys.at);
  CHECK(registry::first_difference(*again, *again).empty());
}

TEST_CASE("a snapshot of both that is cut, or changed, or goes on, is refused",
          "[registry][shared]") {
  Both both;
  const std::string sound = both.snapshot();
  for (std::size_t size = 0; size < sound.size(); size += 1 + size / 50) {
    INFO("cut to " << size);
    CHECK_FALSE(read(sound.substr(0, size)));
  }
  CHECK_FALSE(read(sound.substr(0, sound.size() - 1)));
  for (std::size_t at = 0; at < sound.size(); at += 1 + at / 50) {
    std::string changed = sound;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    auto got = read(changed);
    INFO("changed at " << at);
    // Within a block that says less than it holds, the rest is the other state's, and refused
    // there.
    CHECK_FALSE(got);
  }
  CHECK_FALSE(read(sound + "x"));
  auto newer = sound;
  newer[newer.size() - 5] = 3;
  auto refused = read(newer);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::unsupported);
}

TEST_CASE("the first difference between two states is a key, where the clusters' are the same",
          "[registry][shared]") {
  Both one;
  Both other;
  other.keys.must(put("key8", "b"));
  one.keys.must(put("key8", "a"));
  auto here = read(one.snapshot());
  auto there = read(other.snapshot());
  REQUIRE(here);
  REQUIRE(there);
  CHECK_THAT(registry::first_difference(*here, *there), Contains("key key8\n"));

  other.keys.must(put("new", "x"));
  there = read(other.snapshot());
  REQUIRE(there);
  CHECK_THAT(registry::first_difference(*here, *there), Contains("the keys\nhere:  revision"));
}

TEST_CASE("a key's entry is told from one of the cluster's", "[registry][shared]") {
  const Bytes command = registry::encode(registry::KeyCommand{.body = put("a", "1")});
  const Bytes marked = registry::mark_key_entry(command);
  CHECK(registry::marked_key_entry(marked) == command);
  CHECK_FALSE(
      registry::marked_key_entry(encode(RegistryCommand(LoseAgent{AgentId("a"), "", wall(1)}))));
  CHECK_FALSE(registry::marked_key_entry(Bytes("key")));
  // What a program that knows no keys makes of it: nothing.
  CHECK_FALSE(decode_registry_command(marked.view()));
  CHECK_FALSE(registry::decode_digest_note(marked.view()));
}
