// How fast the keys' state is by itself, on one core: what each replica does with each entry; and
// the registry on three replicas, through the log.
//
//   registry_bench [--seconds S] [--keys N] [--only NAME] [--directory DIR]
//
// Loads whose names begin with "log_" go through the log: --only log runs all of those. Their files
// are in DIR, whose disk decides.
//
// Watches: puts, each of which is told to and taken by its watchers. One JSON line for each load.
// Rates are of processor time, so a busy machine changes them little; `limit` is the rate of the
// same run at which the allocator makes and frees a record of that size.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "bench/registry/through_log.hpp"
#include "registry/keys_state.hpp"
#include "registry/watch_hub.hpp"

using namespace cluster;
using registry::KeyCommand;
using registry::KeysState;

namespace {

struct Settings {
  double seconds = 1;
  std::uint64_t keys = 1'000'000;
  std::string only;
  std::string directory = "/tmp";
};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string key_of(std::uint64_t i) {
  char text[40];
  std::snprintf(text, sizeof text, "services/tasks/%010llu", static_cast<unsigned long long>(i));
  return text;
}

const Bytes& value_of_128() {
  static const Bytes value(std::string(128, 'v'));
  return value;
}

// Calls `step(i)` until the time is over; gives calls per second of processor time.
template <class Step>
double rate_of(double seconds, Step step) {
  constexpr std::uint64_t at_once = 1000;
  const double start = cpu_seconds();
  std::uint64_t steps = 0;
  double now = start;
  for (; now - start < seconds; now = cpu_seconds()) {
    for (std::uint64_t i = 0; i < at_once; ++i) step(steps + i);
    steps += at_once;
  }
  return static_cast<double>(steps) / (now - start);
}

double allocations_per_s() {
  return rate_of(0.2, [](std::uint64_t) {
    auto memory = std::make_unique<char[]>(240);
    std::memcpy(memory.get(), value_of_128().data(), 128);
    asm volatile("" : : "r"(memory.get()) : "memory");
  });
}

void report(const char* name, const Settings& settings, double rate, const std::string& more = {}) {
  std::printf(
      "{\"bench\":\"%s\",\"keys\":%llu,\"ops_per_s\":%.0f,%s\"limit\":{\"allocations_per_s\":"
      "%.0f}}\n",
      name, static_cast<unsigned long long>(settings.keys), rate, more.c_str(),
      allocations_per_s());
  std::fflush(stdout);
}

KeyCommand put_command(std::uint64_t key) {
  return {.request = {1, key}, .body = PutKey{.key = key_of(key), .value = value_of_128()}};
}

// Three conditions that hold and three puts.
KeyCommand transaction_command(Random& random, std::uint64_t keys) {
  Transaction transaction;
  const std::uint64_t first = random.below(keys - 3);
  for (std::uint64_t i = 0; i < 3; ++i) {
    transaction.when.push_back(Compare::exists(key_of(first + i)));
    transaction.then.emplace_back(PutKey{.key = key_of(first + i), .value = value_of_128()});
  }
  return {.request = {1, first}, .body = std::move(transaction)};
}

std::vector<Bytes> encoded(std::size_t count, auto make) {
  std::vector<Bytes> entries;
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) entries.push_back(registry::encode(make()));
  return entries;
}

struct State {
  KeysState keys;
  Position at;

  void apply(const KeyCommand& command) {
    auto applied = keys.apply(at = at.next(), command);
    if (!applied.answer || !applied.answer->succeeded) std::abort();
  }
  void apply(const Bytes& entry) {
    auto command = registry::decode_key_command(entry);
    if (!command) std::abort();
    apply(*command);
  }
};

constexpr std::size_t distinct = 1 << 17;  // Commands made before the clock runs.

void bench_state(const Settings& settings) {
  auto wanted = [&](std::string_view name) {
    return settings.only.empty() || settings.only == name;
  };
  Random random(7);
  auto state = std::make_unique<State>();

  const std::size_t memory_before = mallinfo2().uordblks;
  const double start = cpu_seconds();
  for (std::uint64_t i = 0; i < settings.keys; ++i) state->apply(put_command(i));
  const double load_rate = static_cast<double>(settings.keys) / (cpu_seconds() - start);
  const std::size_t memory = mallinfo2().uordblks - memory_before;
  char more[96];
  std::snprintf(more, sizeof more, "\"bytes_per_key\":%.0f,",
                static_cast<double>(memory) / static_cast<double>(settings.keys));
  report("load_in_order", settings, load_rate, more);

  auto puts = encoded(distinct, [&] { return put_command(random.below(settings.keys)); });
  std::vector<KeyCommand> decoded;
  for (const Bytes& entry : puts) decoded.push_back(*registry::decode_key_command(entry));
  if (wanted("put")) {
    report("put", settings, rate_of(settings.seconds, [&](std::uint64_t i) {
             state->apply(decoded[i % distinct]);
           }));
  }
  if (wanted("put_entry")) {
    report("put_entry", settings,
           rate_of(settings.seconds, [&](std::uint64_t i) { state->apply(puts[i % distinct]); }));
  }
  if (wanted("decode_put")) {
    report("decode_put", settings, rate_of(settings.seconds, [&](std::uint64_t i) {
             auto command = registry::decode_key_command(puts[i % distinct]);
             asm volatile("" : : "r"(&command) : "memory");
           }));
  }
  if (wanted("encode_put")) {
    report("encode_put", settings, rate_of(settings.seconds, [&](std::uint64_t i) {
             Bytes entry = registry::encode(decoded[i % distinct]);
             asm volatile("" : : "r"(entry.data()) : "memory");
           }));
  }
  if (wanted("transaction_3_3")) {
    auto entries = encoded(distinct, [&] { return transaction_command(random, settings.keys); });
    report("transaction_3_3", settings, rate_of(settings.seconds, [&](std::uint64_t i) {
             state->apply(entries[i % distinct]);
           }));
  }
  if (wanted("get")) {
    std::vector<KeyRange> ranges;
    for (std::size_t i = 0; i < distinct; ++i) {
      ranges.push_back(KeyRange::key(key_of(random.below(settings.keys))));
    }
    report("get", settings, rate_of(settings.seconds, [&](std::uint64_t i) {
             if (state->keys.range("", ranges[i % distinct])->keys.size() != 1) std::abort();
           }));
  }
  if (wanted("range_100")) {
    report("range_100", settings, rate_of(settings.seconds, [&](std::uint64_t) {
             auto found = state->keys.range(
                 "", KeyRange::from(key_of(random.below(settings.keys / 2))), {.limit = 100});
             if (found->keys.size() != 100) std::abort();
           }));
  }
  if (wanted("put_during_snapshot")) {
    SnapshotJob job = state->keys.begin_snapshot();  // Holds every node: each is copied once.
    report("put_during_snapshot", settings, rate_of(settings.seconds, [&](std::uint64_t i) {
             state->apply(decoded[i % distinct]);
           }));
  }
  if (wanted("snapshot")) {
    struct Counter final : SnapshotWriter {
      Result<void> write(ByteView bytes) override {
        size += bytes.size();
        return {};
      }
      std::size_t size = 0;
    } counter;
    const double begin = cpu_seconds();
    SnapshotJob job = state->keys.begin_snapshot();
    const double begun = cpu_seconds();
    if (!job(counter)) std::abort();
    const double end = cpu_seconds();
    std::snprintf(more, sizeof more, "\"begin_us\":%.0f,\"mb\":%.0f,\"s\":%.2f,",
                  (begun - begin) * 1e6, static_cast<double>(counter.size) / 1e6, end - begun);
    report("snapshot", settings, static_cast<double>(settings.keys) / (end - begun), more);
  }
}

// Each of `watchers` watches a key of its own, or a prefix of its own, or all the same prefix; each
// change is taken by whom it is for.
void bench_watch(const Settings& settings, const char* name, std::uint64_t watchers,
                 KeyRange (*range_of)(std::uint64_t), std::uint64_t told_each) {
  if (!settings.only.empty() && settings.only != name) return;
  State state;
  registry::WatchHub hub;
  for (std::uint64_t i = 0; i < watchers; ++i) {
    if (!hub.watch(state.keys, "", range_of(i), {})) std::abort();
  }
  Random random(3);
  std::uint64_t events = 0;
  std::uint64_t changes = 0;
  const double rate = rate_of(settings.seconds, [&](std::uint64_t) {
    if (changes * told_each > 20'000'000) return;
    auto applied =
        state.keys.apply(state.at = state.at.next(), put_command(random.below(watchers)));
    ++changes;
    hub.on_applied(state.keys, applied);
    for (registry::WatchId id : hub.take_ready()) {
      events += hub.take(id, state.keys).batch.events.size();
    }
  });
  if (events != changes * told_each) std::abort();
  char more[96];
  std::snprintf(more, sizeof more, "\"watchers\":%llu,\"told_each\":%llu,\"events_per_s\":%.0f,",
                static_cast<unsigned long long>(watchers),
                static_cast<unsigned long long>(told_each), rate * static_cast<double>(told_each));
  report(name, settings, rate, more);
}

void bench_watches(const Settings& settings) {
  constexpr std::uint64_t watchers = 10'000;
  auto key = [](std::uint64_t i) { return KeyRange::key(key_of(i)); };
  auto prefix = [](std::uint64_t i) { return KeyRange::prefix(key_of(i)); };
  auto all = [](std::uint64_t) { return KeyRange::prefix("services/"); };
  bench_watch(settings, "watch_own_key", watchers, key, 1);
  bench_watch(settings, "watch_own_prefix", watchers, prefix, 1);
  bench_watch(settings, "watch_same_100", 100, all, 100);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--seconds") {
      settings.seconds = std::atof(argv[i + 1]);
    } else if (name == "--keys") {
      settings.keys = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (name == "--only") {
      settings.only = argv[i + 1];
    } else if (name == "--directory") {
      settings.directory = argv[i + 1];
    } else {
      std::fprintf(stderr,
                   "registry_bench [--seconds S] [--keys N] [--only NAME] [--directory DIR]\n");
      return 2;
    }
  }
  const bool is_through_log = settings.only.starts_with("log");
  if (!is_through_log) {
    bench_state(settings);
    bench_watches(settings);
  }
  if (is_through_log || settings.only.empty()) {
    bench::run_through_log(
        {.seconds = settings.seconds,
         .directory = settings.directory + "/registry_bench." + std::to_string(::getpid()),
         .only = settings.only == "log" ? "" : settings.only});
  }
  return 0;
}
