// Users' keys, watches, leases, locks and elections through the C face.
#include "tests/bindings/calls.hpp"

using namespace cluster::test;

namespace {

struct OneRegistry {
  explicit OneRegistry(Host& host_) : host(host_) {
    options = host.alone("registry");
    INFO(cluster_error_text());
    REQUIRE(cluster_registry_open(host.runtime, &options, &registry) == CLUSTER_OK);
  }
  ~OneRegistry() { cluster_registry_close(registry); }

  std::uint64_t put(const std::string& key, const std::string& value, std::uint64_t lease = 0) {
    return host.done(cluster_registry_put(registry, slice(key), slice(value), lease, nullptr, 1),
                     1);
  }
  Happened get(const std::string& key) {
    REQUIRE(cluster_registry_get(registry, slice(key), nullptr, 2) == CLUSTER_OK);
    return host.next(2);
  }

  Host& host;
  cluster_log_options options;
  cluster_registry* registry = nullptr;
};

cluster_key_range all_of(const std::string& prefix) {
  return {CLUSTER_RANGE_PREFIX, 0, slice(prefix), {nullptr, 0}};
}

}  // namespace

TEST_CASE("keys are put, read, listed and deleted", "[c]") {
  Host host;
  OneRegistry one(host);
  const std::uint64_t first = one.put("a/1", "one");
  CHECK(one.put("a/2", std::string("t\0wo", 4)) == first + 1);
  one.put("b", "");
  CHECK(one.get("a/2").rows.at(0).value == std::string("t\0wo", 4));
  CHECK(one.get("b").rows.at(0).value.empty());
  CHECK(one.get("missing").rows.empty());

  const std::string prefix = "a/";
  const cluster_key_range range = all_of(prefix);
  REQUIRE(cluster_registry_range(one.registry, &range, nullptr, nullptr, 3) == CLUSTER_OK);
  Happened listed = host.next(3);
  REQUIRE(listed.rows.size() == 2);
  CHECK(listed.rows[1].key == "a/2");
  CHECK(listed.event.b == 2);
  cluster_read_options what = CLUSTER_READ_OPTIONS_INIT;
  what.limit = 1;
  REQUIRE(cluster_registry_range(one.registry, &range, &what, nullptr, 4) == CLUSTER_OK);
  CHECK(host.next(4).event.flags == CLUSTER_FLAG_MORE);
  what = CLUSTER_READ_OPTIONS_INIT;
  what.at = first;
  REQUIRE(cluster_registry_range(one.registry, &range, &what, nullptr, 5) == CLUSTER_OK);
  CHECK(host.next(5).rows.size() == 1);

  CHECK(host.done(cluster_registry_erase(one.registry, &range, nullptr, 6), 6) == 2);
  CHECK(one.get("a/1").rows.empty());
  cluster_key_range odd = range;
  odd.kind = 17;
  CHECK(cluster_registry_erase(one.registry, &odd, nullptr, 7) == CLUSTER_E_INVALID_ARGUMENT);
}

TEST_CASE("a transaction carries out what its conditions choose", "[c]") {
  Host host;
  OneRegistry one(host);
  one.put("from", "5");
  const std::string from = "from", to = "to", five = "5", zero = "0";
  cluster_compare when{slice(from), CLUSTER_COMPARE_VALUE, CLUSTER_EQUAL, 0, slice(five)};
  cluster_operation then[3] = {};
  then[0].kind = CLUSTER_PUT;
  then[0].range.begin = slice(from);
  then[0].value = slice(zero);
  then[0].flags = CLUSTER_WANTS_PREVIOUS;
  then[1].kind = CLUSTER_PUT;
  then[1].range.begin = slice(to);
  then[1].value = slice(five);
  then[2].kind = CLUSTER_READ;
  then[2].range = {CLUSTER_RANGE_KEY, 0, slice(to), {nullptr, 0}};
  cluster_transaction transaction = CLUSTER_TRANSACTION_INIT;
  transaction.when = &when;
  transaction.when_count = 1;
  transaction.then = then;
  transaction.then_count = 3;
  REQUIRE(cluster_registry_transact(one.registry, &transaction, nullptr, 3) == CLUSTER_OK);
  Happened moved = host.next(3);
  REQUIRE(moved.event.kind == CLUSTER_EVENT_TRANSACTION);
  CHECK(moved.event.flags == CLUSTER_FLAG_SUCCEEDED);
  CHECK(moved.event.item_count == 3);
  REQUIRE(moved.rows.size() == 2);  // What `from` was, what `to` is.
  CHECK(moved.rows[0].value == "5");
  CHECK(moved.rows[1].value == "5");
  REQUIRE(cluster_registry_transact(one.registry, &transaction, nullptr, 4) == CLUSTER_OK);
  CHECK(host.next(4).event.flags == 0);
  when.target = 99;
  CHECK(cluster_registry_transact(one.registry, &transaction, nullptr, 5) ==
        CLUSTER_E_INVALID_ARGUMENT);
}

TEST_CASE("a watch tells each change once, in order, until it is closed", "[c]") {
  Host host;
  OneRegistry one(host);
  const std::string prefix = "w/";
  const cluster_key_range range = all_of(prefix);
  const std::uint64_t from = one.put("w/0", "0");
  cluster_watch_options what = CLUSTER_WATCH_OPTIONS_INIT;
  what.from = from;
  cluster_watch* watch = nullptr;
  REQUIRE(cluster_registry_watch(one.registry, &range, &what, nullptr, &watch) == CLUSTER_OK);
  for (int i = 1; i < 30; ++i) one.put("w/" + std::to_string(i), std::to_string(i));
  one.put("elsewhere", "x");
  CHECK(host.done(cluster_registry_erase(one.registry, &range, nullptr, 3), 3) == 30);

  std::vector<Happened::Row> changes;
  while (changes.size() < 60) {
    REQUIRE(cluster_watch_next(watch, 50) == CLUSTER_OK);
    for (auto& row : host.next(50).rows) changes.push_back(row);
  }
  for (int i = 0; i < 30; ++i) {
    CHECK(changes[static_cast<std::size_t>(i)].value == std::to_string(i));
    CHECK(changes[static_cast<std::size_t>(30 + i)].is_deleted);
  }
  REQUIRE(cluster_watch_next(watch, 50) == CLUSTER_OK);
  cluster_watch_close(watch);
  CHECK(host.next(50).event.kind == CLUSTER_EVENT_WATCH_END);

  host.done(cluster_registry_compact(one.registry, from + 5, nullptr, 4), 4);
  REQUIRE(cluster_registry_watch(one.registry, &range, &what, nullptr, &watch) == CLUSTER_OK);
  REQUIRE(cluster_watch_next(watch, 51) == CLUSTER_OK);
  Happened ended = host.next(51);
  CHECK(ended.event.kind == CLUSTER_EVENT_WATCH_END);
  CHECK(ended.event.error == CLUSTER_E_TRUNCATED);
  CHECK(ended.event.b > from);
  cluster_watch_close(watch);
}

TEST_CASE("a lease takes its keys along, and its loss is told", "[c]") {
  Host host;
  OneRegistry one(host);
  REQUIRE(cluster_registry_grant_lease(one.registry, 60'000, 1, nullptr, 3) == CLUSTER_OK);
  const cluster_event lease = host.next(3).event;
  REQUIRE(lease.kind == CLUSTER_EVENT_LEASE);
  CHECK(lease.b == 60'000);
  one.put("leased", "x", lease.a);
  host.done(cluster_registry_renew_lease(one.registry, lease.a, nullptr, 4), 4);
  REQUIRE(cluster_registry_lease_loss(one.registry, lease.a, 5) == CLUSTER_OK);
  host.done(cluster_registry_revoke_lease(one.registry, lease.a, nullptr, 6), 6);
  CHECK(host.next(5).event.kind == CLUSTER_EVENT_LEASE_LOST);
  CHECK(one.get("leased").rows.empty());
  REQUIRE(cluster_registry_renew_lease(one.registry, lease.a, nullptr, 7) == CLUSTER_OK);
  CHECK(host.next(7).event.error == CLUSTER_E_NOT_FOUND);
}

TEST_CASE("a lock goes from holder to holder with a growing token", "[c]") {
  Host host;
  OneRegistry one(host);
  REQUIRE(cluster_registry_lock(one.registry, "job", nullptr, 3) == CLUSTER_OK);
  Happened first = host.next(3);
  INFO(first.text);
  REQUIRE(first.event.error == CLUSTER_OK);
  auto* held = static_cast<cluster_lock*>(first.event.handle);
  REQUIRE(cluster_registry_lock(one.registry, "job", nullptr, 4) == CLUSTER_OK);
  REQUIRE(cluster_registry_lock(one.registry, "job", nullptr, 5) == CLUSTER_OK);
  REQUIRE(cluster_registry_cancel(one.registry, 4) == CLUSTER_OK);
  CHECK(host.next(4).event.error == CLUSTER_E_CANCELLED);
  CHECK(cluster_registry_cancel(one.registry, 4) == CLUSTER_E_NOT_FOUND);

  REQUIRE(cluster_lock_loss(held, 6) == CLUSTER_OK);
  host.done(cluster_lock_release(held, 7), 7);
  CHECK(host.next(6).event.kind == CLUSTER_EVENT_LEASE_LOST);
  Happened second = host.next(5);
  REQUIRE(second.event.error == CLUSTER_OK);
  CHECK(second.event.a > first.event.a);
  cluster_lock_close(held);
  cluster_lock_close(static_cast<cluster_lock*>(second.event.handle));
}

TEST_CASE("an election has one leader, whom all can ask for", "[c]") {
  Host host;
  OneRegistry one(host);
  REQUIRE(cluster_registry_leader(one.registry, "chief", nullptr, 2) == CLUSTER_OK);
  CHECK(host.next(2).rows.empty());
  const std::string value = "node 1";
  REQUIRE(cluster_registry_elect(one.registry, "chief", slice(value), nullptr, 3) == CLUSTER_OK);
  Happened won = host.next(3);
  REQUIRE(won.event.kind == CLUSTER_EVENT_LOCK);
  REQUIRE(cluster_registry_leader(one.registry, "chief", nullptr, 4) == CLUSTER_OK);
  Happened leader = host.next(4);
  REQUIRE(leader.rows.size() == 1);
  CHECK(leader.rows[0].value == value);
  CHECK(leader.rows[0].position == won.event.a);
  cluster_lock_close(static_cast<cluster_lock*>(won.event.handle));
}

TEST_CASE("a lock that nobody took from the queue is given up with it", "[c]") {
  Host host;
  cluster_queue* queue = nullptr;
  REQUIRE(cluster_queue_open(nullptr, &queue) == CLUSTER_OK);
  cluster_runtime_options how = CLUSTER_RUNTIME_OPTIONS_INIT;
  how.queue = queue;
  how.insecure = 1;
  cluster_runtime* runtime = nullptr;
  REQUIRE(cluster_runtime_open(&how, &runtime) == CLUSTER_OK);
  cluster_log_options options = host.alone("registry");
  cluster_registry* registry = nullptr;
  REQUIRE(cluster_registry_open(runtime, &options, &registry) == CLUSTER_OK);
  REQUIRE(cluster_registry_lock(registry, "job", nullptr, 1) == CLUSTER_OK);
  cluster_registry_close(registry);
  cluster_runtime_close(runtime);
  cluster_queue_close(queue);
}
