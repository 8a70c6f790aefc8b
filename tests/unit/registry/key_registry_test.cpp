// The registry as an embedder uses it: three members in one process, real sockets and disks.
//
// Leadership changes where a test says so; where it does, calls without a session may end in doubt.
#include "cluster/key_registry.hpp"

#include <atomic>
#include <chrono>
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

Bytes bytes(const std::string& text) { return Bytes(ByteView(text)); }

}  // namespace

TEST_CASE("what one member puts, every member reads", "[registry][keys][log]") {
  Registries members;
  for (std::size_t i = 0; i < 3; ++i) {
    std::string text = std::to_string(i);
    Revision at = get(members[i].put("from/" + text, bytes(text)));
    CHECK(at == Revision(i + 1));
    CHECK(members.value((i + 1) % 3, "from/" + text) == text);
  }
  auto all = get(members[2].range(KeyRange::prefix("from/"), {.limit = 2}));
  CHECK(all.keys.size() == 2);
  CHECK(all.count == 3);
  CHECK(get(members[1].erase(KeyRange::key("from/0"))).deleted == 1);
  CHECK(members.value(2, "from/0") == "-");
  // As it was; and what is asked of this member alone.
  CHECK(get(members[0].range(KeyRange::all(), {.at = Revision(2)})).keys.size() == 2);
  KeyCallOptions local{.is_local = true};
  CHECK(get(members[0].range(KeyRange::all(), {}, local)).revision.value() >= 3);
}

TEST_CASE("of transactions on one key, each sees those before it", "[registry][keys][log]") {
  Registries members;
  std::atomic<int> added = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 15; ++n) {
        auto now = members[i].get("counter").get();
        if (!now) continue;
        const int value = *now ? std::stoi(std::string((*now)->value.view())) : 0;
        const Revision modified = *now ? (*now)->modified : Revision();
        Transaction add{
            .when = {Compare::to_modified("counter", Compare::Is::equal, modified)},
            .then = {PutKey{.key = "counter", .value = bytes(std::to_string(value + 1))}},
            .otherwise = {}};
        auto done = members[i].transact(std::move(add)).get();
        if (done && done->succeeded) ++added;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(added > 0);
  CHECK(members.value(0, "counter") == std::to_string(added));
}

TEST_CASE("a watch on a follower tells each change once, over a change of the leader",
          "[registry][keys][watch][log]") {
  Registries members;
  auto watch = members[2].watch(KeyRange::prefix("w/"), {.from = Revision(1)});
  REQUIRE(watch);
  auto session = get(members[1].open_session(120s));
  for (int i = 0; i < 40; ++i) {
    if (i == 20) members.lead(1);
    get(session.put({.key = "w/key", .value = bytes(std::to_string(i))}));
    if (i % 10 == 0) get(session.put({.key = "other", .value = {}}));
  }
  std::uint64_t version = 0;
  while (version < 40) {
    WatchBatch batch = get(watch->next());
    for (const KeyEvent& event : batch.events) {
      CHECK(event.now.key == "w/key");
      CHECK(event.now.version == version + 1);
      version = event.now.version;
    }
  }
  // One that starts anew from the middle is told the rest.
  auto later = members[0].watch(KeyRange::key("w/key"), {.from = Revision(10)});
  REQUIRE(later);
  WatchBatch batch = get(later->next());
  REQUIRE_FALSE(batch.events.empty());
  CHECK(batch.events.front().now.modified >= Revision(10));
}

TEST_CASE("a command of a session is applied once while leaders come and go",
          "[registry][keys][log]") {
  Registries members;
  auto session = get(members[2].open_session(120s));
  std::vector<Op<Revision>> open;
  for (int i = 0; i < 60; ++i) {
    open.push_back(session.put({.key = "k", .value = bytes(std::to_string(i))}));
    if (i % 20 == 10) members.lead(static_cast<std::size_t>(i / 20) % 2);
  }
  for (auto& op : open) get(std::move(op));
  auto found = get(members[0].get("k"));
  REQUIRE(found);
  CHECK(found->version == 60);
  get(session.close());
  auto late = session.put({.key = "k", .value = {}}).get();
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Errc::not_found);
}

TEST_CASE("a lease that is kept lives, over a change of the leader; another ends with its keys",
          "[registry][keys][log]") {
  Registries members;
  LeaseInfo kept = get(members[1].grant_lease(20s));
  LeaseInfo left = get(members[1].grant_lease(1s, false));
  get(members[1].put(PutKey{.key = "kept", .value = bytes("1"), .lease = kept.id}));
  auto put = members[2].put(PutKey{.key = "left", .value = bytes("1"), .lease = left.id}).get();
  members.lead(2);
  CHECK(comes_true([&] { return !members[0].lease(left.id); }));
  CHECK(members.value(0, "left") == "-");
  CHECK(members.value(0, "kept") == "1");
  auto ended = get(members[0].keep_alive({kept.id, left.id}));
  CHECK(ended == std::vector{left.id});
  get(members[0].revoke_lease(kept.id));
  CHECK(members.value(2, "kept") == "-");
}

TEST_CASE("what is compacted is told clearly, to readers and watchers", "[registry][keys][log]") {
  Registries members;
  for (int i = 1; i <= 10; ++i) get(members[0].put("k", bytes(std::to_string(i))));
  get(members[1].compact(Revision(8)));
  auto old = members[0].range(KeyRange::key("k"), {.at = Revision(7)}).get();
  REQUIRE_FALSE(old);
  CHECK(old.error().code == Errc::truncated);
  CHECK(get(members[0].range(KeyRange::key("k"), {.at = Revision(8)})).keys.size() == 1);
  auto watch = members[0].watch(KeyRange::all(), {.from = Revision(3)});
  REQUIRE(watch);
  auto batch = watch->next().get();
  REQUIRE_FALSE(batch);
  CHECK(batch.error().code == Errc::truncated);
  CHECK(watch->ended()->resume_from == Revision(9));
}

TEST_CASE("progress is told where nothing happens, whether it is waited for before or after",
          "[registry][keys][watch][log]") {
  Registries members;
  auto watch = members[1].watch(KeyRange::key("quiet"), {.wants_progress = true});
  REQUIRE(watch);
  Revision at = get(members[0].put("k", {}));
  // Here too, before anybody asks: that is where it was once lost.
  REQUIRE(get(members[1].get("k")));
  WatchBatch batch = get(watch->next());
  CHECK(batch.is_progress);
  CHECK(batch.upto == at);
}

TEST_CASE("a restart keeps all, and a member that was away comes back from a snapshot",
          "[registry][keys][log]") {
  Registries members;
  get(members[0].set_namespace("n", {.keys = 3}));
  KeyCallOptions space{.space = "n"};
  for (int i = 0; i < 3; ++i) get(members[0].put("k" + std::to_string(i), bytes("v"), space));
  auto full = members[0].put("k3", {}, space).get();
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Errc::overloaded);
  members.stop(2);
  for (int i = 0; i < 50; ++i) get(members[0].put("later", bytes(std::to_string(i))));
  get(members[0].log().take_snapshot());
  members.start(2);
  CHECK(members.value(2, "later") == "49");
  for (std::size_t i = 0; i < 3; ++i) members.stop(i);
  for (std::size_t i = 0; i < 3; ++i) members.start(i);
  members.lead(1);
  CHECK(members.value(0, "later") == "49");
  CHECK(get(members[2].range(KeyRange::all(), {}, space)).count == 3);
  CHECK(members[2].namespaces().at(1).quota.keys == 3);
}

TEST_CASE("calls on a registry that is gone end", "[registry][keys][log]") {
  Registries members;
  auto watch = members[1].watch(KeyRange::all());
  auto session = get(members[1].open_session(10s));
  auto next = watch->next();
  members.stop(1);
  CHECK(next.get().error().code == Errc::closed);
  CHECK(watch->next().get().error().code == Errc::closed);
  CHECK(session.put({.key = "k", .value = {}}).get().error().code == Errc::closed);
}

TEST_CASE("what is open when an entry of a newer version comes ends, and says so",
          "[registry][keys][log]") {
  Registries members;
  get(members[0].put("k", bytes("1")));
  auto watch = members[1].watch(KeyRange::all(), {.from = Revision(2)});
  REQUIRE(watch);
  auto next = watch->next();
  // No version of today writes it.
  get(members[0].log().append(bytes("\xff of the future")));
  CHECK(next.get().error().code == Errc::unsupported);
  CHECK(watch->ended()->resume_from > Revision(0));
  auto put = members[1].put("k", bytes("2")).get();
  REQUIRE_FALSE(put);
  CHECK(put.error().code == Errc::unsupported);
  CHECK(members[1].get("k").get().error().code == Errc::unsupported);
}

TEST_CASE("where nobody leads, calls end when their time is over", "[registry][keys][log]") {
  Registries members;
  auto session = get(members[2].open_session(120s));
  get(session.put({.key = "k", .value = bytes("1")}));
  members.stop(0);
  members.stop(1);
  KeyCallOptions soon;
  soon.call.timeout = 300ms;
  auto read = members[2].get("k", soon).get();
  REQUIRE_FALSE(read);
  CHECK(read.error().outcome == Outcome::not_applied);
  CHECK_FALSE(members[2].put("k", bytes("2"), soon).get());
  CHECK_FALSE(session.put({.key = "k", .value = bytes("3")}, soon).get());
  // One that is cancelled does not wait for its time.
  std::stop_source stop;
  KeyCallOptions long_one;
  long_one.call.cancel = stop.get_token();
  auto cancelled = members[2].get("k", long_one);
  stop.request_stop();
  CHECK(cancelled.get().error().code == Errc::cancelled);
  CHECK(get(members[2].get("k", {.is_local = true}))->value == bytes("1"));
}

TEST_CASE("what is open on a member whose disk fails ends, and the others go on",
          "[registry][keys][log]") {
  Registries members(std::size_t{48} << 20);
  auto watch = members[2].watch(KeyRange::key("quiet"));
  REQUIRE(watch);
  auto next = watch->next();
  const Bytes large{std::string(512 << 10, 'x')};
  for (int i = 0; i < 400 && !next.is_done(); ++i) get(members[0].put("k", large));
  REQUIRE(comes_true([&] { return next.is_done(); }));
  CHECK(next.get().error().code == Errc::storage);
  CHECK(members[2].put("k", {}).get().error().code == Errc::storage);
  get(members[1].put("k", bytes("on")));
}
