// Applies a file of entries to the cluster's state and to users' keys, and prints their digests on
// the way: builds by different compilers, and runs with different addresses, must print the same.
//
//   state_digest make SEED COUNT FILE     writes entries that mostly find something to change
//   state_digest apply FILE               applies them, printing digests after every 500
//
// A file is entries, each led by its size: four bytes, the lowest first.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "base/random.hpp"
#include "cluster/registry.hpp"
#include "tests/snapshot_text.hpp"
#include "tests/unit/registry/commands.hpp"

using namespace cluster;

namespace {

constexpr RegistryLimits small_limits{.ended_tasks_kept = 50,
                                      .ended_jobs_kept = 10,
                                      .lost_agents_kept = 2,
                                      .removed_frameworks_kept = 2};

int make(std::uint64_t seed, int count, const char* path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  Random random(seed);
  RegistryState state(small_limits);
  for (int i = 0; i < count; ++i) {
    auto command = test::make_command(state, [&](std::uint64_t end) { return random.below(end); });
    state.apply(state.applied().next(), command);
    const Bytes entry = encode(command);
    const auto size = static_cast<std::uint32_t>(entry.size());
    for (int k = 0; k < 4; ++k) file.put(static_cast<char>(size >> (8 * k)));
    file << entry.view();
  }
  file.flush();
  return file ? 0 : 1;
}

void print(const char* what, Position at, const std::array<std::uint64_t, 2>& digest) {
  std::printf("%s %" PRIu64 " %016" PRIx64 "%016" PRIx64 "\n", what, at.value(), digest[0],
              digest[1]);
}

int apply(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  RegistryState state(small_limits);
  std::uint64_t events = 0;
  for (std::size_t at = 0; at + 4 <= bytes.size();) {
    std::size_t size = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      size |= std::size_t{static_cast<unsigned char>(bytes[at + k])} << (8 * k);
    }
    auto command = decode_registry_command(ByteView(bytes).substr(at + 4, size));
    if (!command) return std::printf("%s\n", command.error().message().c_str()), 1;
    at += 4 + size;
    for (const RegistryEvent& event : state.apply(state.applied().next(), *command)) {
      events = events * 31 + static_cast<std::uint64_t>(event.kind) + event.message.size();
    }
    if (state.applied().value() % 500 == 0) print("state", state.applied(), state.digest());
  }
  print("events", state.applied(), {events, 0});
  // The bytes of a snapshot are the same everywhere, too.
  test::SnapshotText text;
  if (!state.begin_snapshot()(text)) return 1;
  std::uint64_t sum = 0;
  for (char c : text.bytes) sum = sum * 1099511628211u + static_cast<unsigned char>(c);
  print("snapshot", state.applied(), {sum, text.bytes.size()});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "make") == 0) {
    return make(std::strtoull(argv[2], nullptr, 10), std::atoi(argv[3]), argv[4]);
  }
  if (argc == 3 && std::strcmp(argv[1], "apply") == 0) return apply(argv[2]);
  std::fprintf(stderr, "usage: state_digest make SEED COUNT FILE | apply FILE\n");
  return 2;
}
