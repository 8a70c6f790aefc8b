// The registry under seeded faults: what its users saw holds, things happen in those runs, and the
// checker is awake.
#include <string>
#include <vector>

#include "registry/keys_command.hpp"
#include "sim/key_truth.hpp"
#include "sim/log_run.hpp"
#include "tests/catch.hpp"

using namespace cluster;
using namespace cluster::sim;

namespace {

LogRunResult run_keys(std::uint64_t seed) {
  return run_log({.seed = seed, .workload = WorkloadKind::keys});
}

// A truth of "a" = 1 at revision 1 and "a" = 2 at revision 2.
KeyTruth two_puts() {
  KeyTruth truth;
  for (std::uint64_t i = 1; i <= 2; ++i) {
    registry::KeyCommand put{.body = PutKey{.key = "a", .value = Bytes(std::to_string(i))}};
    truth.on_entry(Position(i), registry::encode(put).view(), Time{});
  }
  return truth;
}

KeyTruth::Seen read_of(std::uint64_t revision, std::uint64_t floor, const std::string& value) {
  return {.at = Revision(revision),
          .floor = Revision(floor),
          .prefix = "a",
          .keys = {{"a", value}},
          .what = "a read"};
}

}  // namespace

TEST_CASE("users of the registry see nothing wrong under faults, and things happen in 300 seeds",
          "[sim][keys]") {
  Coverage paths;
  std::uint64_t operations = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed << ": cluster sim --workload keys --seeds " << seed);
    LogRunResult result = run_keys(seed);
    CHECK(result.violation == "");
    paths.add(result.coverage);
    operations += result.operations;
  }
  CHECK(operations > 20'000);
  for (const char* path : {
           "a lock was acquired",
           "a lock was given up in time",
           "a read came after its revision was forgotten",
           "a state was restored",
           "a transfer came too late",
           "a transfer was made",
           "a watch ended: overloaded",
           "a watch ended: storage failed",
           "a watch ended: truncated",
           "a watcher was told of progress",
           "an older revision was read",
           "leases that ended",
           "one was taken from the queue",
       }) {
    INFO(path);
    CHECK(paths.of(path) > 0);
  }
}

TEST_CASE("the same seed gives the registry the same history", "[sim][keys]") {
  CHECK(run_keys(5).fingerprint == run_keys(5).fingerprint);
  CHECK(run_keys(5).steps == run_keys(5).steps);
}

TEST_CASE("an answer that is not of its revision, or of one that is too old, is seen",
          "[sim][keys]") {
  auto check = [](KeyTruth::Seen seen) {
    KeyTruth truth = two_puts();
    truth.on_seen(std::move(seen));
    return truth.check();
  };
  CHECK(check(read_of(1, 1, "1")) == "");
  CHECK(check(read_of(2, 1, "2")) == "");
  CHECK_FALSE(check(read_of(2, 1, "1")).empty());
  CHECK_FALSE(check(read_of(1, 2, "1")).empty());
  CHECK_FALSE(check(read_of(3, 2, "2")).empty());
  KeyTruth::Seen write = read_of(2, 2, "2");
  write.is_write = true;
  CHECK_FALSE(check(write).empty());
  write.floor = Revision(1);
  CHECK(check(write) == "");
}

TEST_CASE("a lease that ends before its time is seen", "[sim][keys]") {
  auto check = [](Duration after) {
    KeyTruth truth;
    auto apply = [&](std::uint64_t at, registry::KeyCommandBody body, Time now) {
      truth.on_entry(Position(at), registry::encode({.body = std::move(body)}).view(), now);
    };
    apply(1, registry::GrantLease{LeaseId(7), std::chrono::seconds(1)}, Time{});
    apply(2, registry::ExpireLease{LeaseId(7), 0}, Time{} + after);
    return truth.check();
  };
  CHECK(check(std::chrono::milliseconds(990)) == "");
  CHECK_FALSE(check(std::chrono::milliseconds(900)).empty());
}
