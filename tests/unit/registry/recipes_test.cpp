// What is built on shared keys, among three members in one process.
#include "cluster/recipes.hpp"

#include <atomic>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

#include "tests/catch.hpp"
#include "tests/unit/registry/registries.hpp"

using namespace cluster;
using namespace std::chrono_literals;
using test::comes_true;
using test::get;
using test::Registries;

namespace {

// Nothing ends here because a machine is slow.
const RecipeOptions slow{.space = {}, .ttl = 120s, .patience = {}, .cancel = {}};

}  // namespace

TEST_CASE("an exclusive lock is held by one after another, with growing tokens",
          "[registry][recipes][log]") {
  Registries members;
  std::atomic<int> holders = 0, turns = 0;
  std::atomic<std::uint64_t> last_token = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      auto lock = Lock::acquire(members[i % 3], "l", Lock::Kind::exclusive, slow).get();
      if (!lock) return;
      const bool is_alone = ++holders == 1;
      const bool is_newer = last_token.exchange(lock->token().value()) < lock->token().value();
      if (is_alone && is_newer) ++turns;
      --holders;
      if (i % 2 == 0) (void)lock->release().get();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(turns == 6);
}

TEST_CASE("a lock is shared until an exclusive one is asked for, and later ones wait behind it",
          "[registry][recipes][log]") {
  Registries members;
  using Kind = Lock::Kind;
  auto first = get(Lock::acquire(members[0], "l", Kind::shared, slow));
  auto second = get(Lock::acquire(members[1], "l", Kind::shared, slow));
  auto writer = Lock::acquire(members[2], "l", Kind::exclusive, slow);
  REQUIRE(comes_true([&] {
    return get(members[0].range(KeyRange::prefix("lock/l/"), {.count_only = true})).count == 3;
  }));
  auto late = Lock::acquire(members[0], "l", Kind::shared, slow);
  get(first.release());
  CHECK_FALSE(writer.is_done());
  get(second.release());
  {
    auto held = get(std::move(writer));
    CHECK(held.token() > second.token());
    CHECK_FALSE(late.is_done());
  }  // Given up.
  get(std::move(late));
  // Another name that begins so is another lock.
  auto outer = get(Lock::acquire(members[0], "a", Kind::exclusive, slow));
  get(Lock::acquire(members[0], "a/b", Kind::exclusive, slow));
}

TEST_CASE("who waits for a lock may give up, and then takes no turn", "[registry][recipes][log]") {
  Registries members;
  auto held = get(Lock::acquire(members[0], "l", Lock::Kind::exclusive, slow));
  RecipeOptions brief = slow;
  brief.patience = 200ms;
  auto timed_out = Lock::acquire(members[1], "l", Lock::Kind::exclusive, brief).get();
  REQUIRE_FALSE(timed_out);
  CHECK(timed_out.error().code == Errc::timed_out);
  std::stop_source stop;
  RecipeOptions cancellable = slow;
  cancellable.cancel = stop.get_token();
  auto waiting = Lock::acquire(members[1], "l", Lock::Kind::exclusive, cancellable);
  stop.request_stop();
  CHECK(waiting.get().error().code == Errc::cancelled);
  CHECK(comes_true([&] {
    return get(members[0].range(KeyRange::prefix("lock/l/"), {.count_only = true})).count == 1;
  }));
  get(held.release());
  get(Lock::acquire(members[2], "l", Lock::Kind::exclusive, slow));
}

TEST_CASE("a holder whose lease is ended by others is told, and the next one holds it",
          "[registry][recipes][log]") {
  Registries members;
  auto held = get(Election::win(members[0], "e", Bytes("one"), slow));
  auto next = Election::win(members[1], "e", Bytes("two"), slow);
  auto lost = held.lost();
  CHECK(get(Election::leader(members[2], "e")) == Election::Leader{Bytes("one"), held.token()});
  CHECK_FALSE(lost.is_done());
  get(members[2].revoke_lease(held.lease()));
  CHECK(get(std::move(lost)).has_ended);
  auto second = get(std::move(next));
  CHECK(second.token() > held.token());
  CHECK(get(Election::leader(members[2], "e"))->value == Bytes("two"));
  get(second.resign());
  CHECK_FALSE(get(Election::leader(members[0], "e")));
}

TEST_CASE("a holder that is cut off from the majority is told before its lease can end",
          "[registry][recipes][log]") {
  Registries members;
  RecipeOptions options = slow;
  options.ttl = 3s;
  auto held = Lock::acquire(members[2], "l", Lock::Kind::exclusive, options).get();
  if (!held) return;  // A machine that is too slow for such a lease.
  auto lost = held->lost();
  members.stop(0);
  members.stop(1);
  REQUIRE(comes_true([&] { return lost.is_done(); }));
  CHECK(get(std::move(lost)) == LeaseLoss{.lease = held->lease(), .has_ended = false});
}

TEST_CASE("a barrier opens for all once enough have come, and is closed again by hand",
          "[registry][recipes][log]") {
  Registries members;
  auto first = Barrier::enter(members[0], "b", 3, slow);
  auto second = Barrier::enter(members[1], "b", 3, slow);
  REQUIRE(comes_true([&] {
    return get(members[0].range(KeyRange::prefix("barrier/b/"), {.count_only = true})).count == 2;
  }));
  CHECK_FALSE(first.is_done());
  auto third = Barrier::enter(members[2], "b", 3, slow);
  const Revision opened = get(std::move(first));
  CHECK(get(std::move(second)) == opened);
  CHECK(get(std::move(third)) == opened);
  CHECK(get(Barrier::enter(members[0], "b", 3, slow)) == opened);
  get(Barrier::reset(members[1], "b"));
  RecipeOptions brief = slow;
  brief.patience = 200ms;
  CHECK(Barrier::enter(members[0], "b", 3, brief).get().error().code == Errc::timed_out);
}

TEST_CASE("a counter adds what all add, and refuses what is no number",
          "[registry][recipes][log]") {
  Registries members;
  std::vector<std::thread> threads;
  std::atomic<int> added = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      Counter counter(members[i], "n");
      for (int n = 0; n < 10; ++n) {
        if (counter.add(2).get()) ++added;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Counter counter(members[1], "n");
  CHECK(added == 30);
  CHECK(get(counter.get()) == 60);
  CHECK(get(counter.add(-61)) == -1);
  CHECK(counter.add(std::numeric_limits<std::int64_t>::min()).get().error().code ==
        Errc::invalid_argument);
  get(members[0].put("n", Bytes("many")));
  CHECK(counter.get().get().error().code == Errc::invalid_argument);
  CHECK(get(Counter(members[2], "none").get()) == 0);
}

TEST_CASE("a configuration is followed, over what is compacted and more than one read holds",
          "[registry][recipes][log]") {
  Registries members;
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 6; ++i) {
    get(members[0].put("config/c/large" + std::to_string(i), Bytes(ByteView(large).substr(1000))));
  }
  get(members[0].put("config/other/k", Bytes("1")));
  std::atomic<std::size_t> told = 0;
  auto config = get(ConfigMap::open(
      members[1], "c", [&](const ConfigMap::Values& values) { told = values.size(); }));
  CHECK(config.all().size() == 6);
  CHECK(told == 6);
  auto other = get(ConfigMap::open(members[2], "c"));
  get(other.set("limit", Bytes("8")));
  CHECK(comes_true([&] { return config.get("limit") == Bytes("8"); }));
  get(members[0].compact(members[0].revision()));
  get(config.erase("limit"));
  CHECK(comes_true([&] { return !other.get("limit"); }));
  CHECK_FALSE(config.get("k"));
  CHECK(comes_true([&] { return told == 6; }));
  CHECK_FALSE(config.error());
  members.stop(1);
  CHECK(comes_true([&] { return config.error().has_value(); }));
}

TEST_CASE("who serves is announced, again when its lease was ended, and not after its end",
          "[registry][recipes][log]") {
  Registries members;
  auto services = get(Services::watch(members[0], "web"));
  std::optional<ServiceEntry> entry =
      get(ServiceEntry::announce(members[1], "web", "one", Bytes("host:80"), slow));
  CHECK(comes_true([&] { return services.get("one") == Bytes("host:80"); }));
  auto found = get(members[2].get("service/web/one"));
  REQUIRE(found);
  get(members[2].revoke_lease(found->lease));
  CHECK(comes_true([&] {
    auto again = get(members[2].get("service/web/one"));
    return again && again->created > found->created;
  }));
  entry.reset();
  CHECK(comes_true([&] { return services.all().empty(); }));
}
