#include "registry/keys_state.hpp"
#include "tests/catch.hpp"
#include "tests/unit/registry/keys_support.hpp"

using namespace cluster;
using namespace std::chrono_literals;
using registry::Compact;
using registry::ExpireLease;
using registry::GrantLease;
using registry::KeepAlive;
using registry::KeyAnswer;
using registry::RevokeLease;
using registry::SetHistoryPolicy;
using registry::SetNamespace;
using test::erase;
using test::Keys;
using test::put;
using Is = Compare::Is;

TEST_CASE("the revision grows by one with each transaction that changes something",
          "[registry][keys]") {
  Keys keys;
  CHECK(keys(put("a", "1"))->revision == Revision(1));
  CHECK(keys(Transaction{.then = {put("b", "1"), put("c", "1"), erase("a")}})->revision ==
        Revision(2));
  CHECK(keys(erase("nothing"))->revision == Revision(2));
  CHECK(keys(Transaction{.then = {ReadKeys{.range = KeyRange::all()}}})->revision == Revision(2));
  CHECK(keys(put("", "no key")).error().code == Errc::invalid_argument);
  CHECK(keys.state.revision() == Revision(2));
}

TEST_CASE("a key knows when it was made and last put, and how often", "[registry][keys]") {
  Keys keys;
  keys.must(put("other", ""));
  keys.must(put("a", "1"));
  keys.must(put("a", "2"));
  auto found = keys.state.range("", KeyRange::key("a"));
  REQUIRE(found->keys.size() == 1);
  CHECK(found->keys[0] == KeyValue{.key = "a",
                                   .value = Bytes(ByteView("2")),
                                   .created = Revision(2),
                                   .modified = Revision(3),
                                   .version = 2});
  keys.must(erase("a"));
  keys.must(put("a", "3"));
  found = keys.state.range("", KeyRange::key("a"));
  CHECK(found->keys[0].created == Revision(5));
  CHECK(found->keys[0].version == 1);
}

TEST_CASE("a transaction does one thing or the other, and all of it or nothing",
          "[registry][keys]") {
  Keys keys;
  keys.must(put("balance", "10"));
  Transaction take{.when = {Compare::to_value("balance", Is::equal, Bytes(ByteView("10"))),
                            Compare::missing("taken"), Compare::to_version("balance", Is::less, 2)},
                   .then = {put("balance", "0"), put("taken", "10")},
                   .otherwise = {ReadKeys{.range = KeyRange::key("balance")}}};
  CHECK(keys(take)->succeeded);
  auto again = keys(take);
  CHECK_FALSE(again->succeeded);
  CHECK(std::get<RangeResult>(again->results.at(0)).keys.at(0).value.view() == "0");
  CHECK(again->revision == Revision(2));

  Transaction twice{.then = {put("x", "1"), put("y", "1"), put("x", "2")}};
  CHECK(keys(twice).error().code == Errc::invalid_argument);
  Transaction both{.then = {put("x/1", "1"), DeleteKeys{.range = KeyRange::prefix("x/")}}};
  CHECK(keys(both).error().code == Errc::invalid_argument);
  Transaction no_lease{.then = {put("x", "1"), put("y", "1", LeaseId(77))}};
  CHECK(keys(no_lease).error().code == Errc::not_found);
  CHECK(keys.get("x") == "-");
}

TEST_CASE("a missing key compares as version 0, and its value as nothing", "[registry][keys]") {
  Keys keys;
  auto holds = [&](Compare compare) { return keys(Transaction{.when = {compare}})->succeeded; };
  CHECK(holds(Compare::missing("a")));
  CHECK_FALSE(holds(Compare::exists("a")));
  CHECK(holds(Compare::to_version("a", Is::equal, 0)));
  CHECK(holds(Compare::to_modified("a", Is::less, Revision(1))));
  CHECK_FALSE(holds(Compare::to_value("a", Is::equal, Bytes())));
  CHECK_FALSE(holds(Compare::to_value("a", Is::not_equal, Bytes(ByteView("x")))));
}

TEST_CASE("a range tells how many keys there are, whatever its limits give", "[registry][keys]") {
  Keys keys;
  for (char c = 'a'; c <= 'j'; ++c) keys.must(put(std::string("k/") + c, std::string(10, c)));
  keys.must(put("l", ""));
  auto part = keys.state.range("", KeyRange::prefix("k/"), {.limit = 3});
  CHECK(part->keys.size() == 3);
  CHECK(part->count == 10);
  CHECK(part->has_more);
  auto rest = keys.state.range("", KeyRange::prefix("k/").after(part->keys.back().key),
                               {.at = part->revision});
  CHECK(rest->keys.size() == 7);
  CHECK_FALSE(rest->has_more);
  auto small = keys.state.range("", KeyRange::prefix("k/"), {.bytes_max = 30});
  CHECK(small->keys.size() == 2);
  CHECK(small->has_more);
  auto one = keys.state.range("", KeyRange::prefix("k/"), {.bytes_max = 1});
  CHECK(one->keys.size() == 1);  // Else nobody would ever get past it.
  auto count = keys.state.range("", KeyRange::all(), {.count_only = true});
  CHECK(count->count == 11);
  CHECK(count->keys.empty());
}

TEST_CASE("a compacted revision cannot be read, later ones can", "[registry][keys]") {
  Keys keys;
  for (int i = 1; i <= 10; ++i) keys.must(put("a", std::to_string(i)));
  keys.must(erase("a"));
  CHECK(keys.get("a", {.at = Revision(3)}) == "3");
  CHECK(keys.get("a", {.at = Revision(11)}) == "-");
  CHECK(keys.get("a", {.at = Revision(12)}) == "invalid argument");
  REQUIRE(keys(Compact{Revision(6)}));
  CHECK(keys.get("a", {.at = Revision(5)}) == "truncated");
  CHECK(keys.get("a", {.at = Revision(6)}) == "6");
  CHECK(keys.get("a", {.at = Revision(10)}) == "10");
  CHECK(keys.state.compacted() == Revision(6));
  CHECK(keys(Compact{Revision(12)}).error().code == Errc::invalid_argument);
  REQUIRE(keys(Compact{Revision(11)}));
  CHECK(keys.state.history().empty());
  CHECK(keys.state.find_space("")->dead.empty());
  CHECK_FALSE(keys.state.has_garbage());
}

TEST_CASE("only so many revisions and bytes of the past are kept as the policy says",
          "[registry][keys]") {
  Keys keys;
  REQUIRE(keys(SetHistoryPolicy{{.revisions = 10, .bytes = 0}}));
  for (int i = 1; i <= 100; ++i) keys.must(put("a", std::to_string(i)));
  CHECK(keys.state.compacted() == Revision(90));
  CHECK(keys.state.history().size() == 10);
  REQUIRE(keys(SetHistoryPolicy{{.revisions = 0, .bytes = 50}}));
  for (int i = 1; i <= 10; ++i) keys.must(put("b", std::string(20, 'b')));
  CHECK(keys.state.history().size() == 2);  // Of 21 bytes each.
  CHECK(keys.state.compacted() == Revision(108));
}

TEST_CASE("a great compaction is forgotten bit by bit, and counts at once", "[registry][keys]") {
  Keys keys;
  for (int i = 1; i <= 1000; ++i) keys.must(put("a", std::to_string(i)));
  REQUIRE(keys(Compact{Revision(1000)}));
  CHECK(keys.state.has_garbage());
  CHECK(keys.get("a", {.at = Revision(999)}) == "truncated");
  CHECK(keys.get("a") == "1000");
  for (int i = 0; i < 20; ++i) keys.must(KeepAlive{});
  CHECK_FALSE(keys.state.has_garbage());
}

TEST_CASE("keys go with their lease", "[registry][keys]") {
  Keys keys;
  REQUIRE(keys(GrantLease{LeaseId(5), 10s}));
  REQUIRE(keys(SetNamespace{"other", {}}));
  keys.must(put("a", "1", LeaseId(5)));
  keys.must(put("b", "1", LeaseId(5)));
  keys.must(put("c", "1", LeaseId(5)), "other");
  keys.must(put("b", "2"));  // Stays: its lease is gone from it.
  keys.must(put("d", "1"));
  auto ended = keys.apply({.body = RevokeLease{LeaseId(5)}});
  REQUIRE(ended.answer);
  CHECK(ended.end_change - ended.first_change == 2);
  CHECK(keys.get("a") == "-");
  CHECK(keys.get("b") == "2");
  CHECK(keys.get("d") == "1");
  CHECK(keys.state.find_space("other")->live.empty());
  CHECK(keys(put("e", "1", LeaseId(5))).error().code == Errc::not_found);
  CHECK(keys(RevokeLease{LeaseId(5)}).error().code == Errc::not_found);
}

TEST_CASE("a lease that was renewed does not expire by what the leader knew before",
          "[registry][keys]") {
  Keys keys;
  REQUIRE(keys(GrantLease{LeaseId(5), 10s}));
  REQUIRE(keys(put("a", "1", LeaseId(5))));
  CHECK(keys(KeepAlive{{LeaseId(5), LeaseId(6)}})->ended == std::vector{LeaseId(6)});
  CHECK(keys(ExpireLease{LeaseId(5), 0}).error().code == Errc::invalid_argument);
  CHECK(keys.get("a") == "1");
  CHECK(keys(ExpireLease{LeaseId(5), 1}));
  CHECK(keys.get("a") == "-");
}

TEST_CASE("a lease is granted once, however often the same caller asks", "[registry][keys]") {
  Keys keys;
  CHECK(keys(GrantLease{LeaseId(5), 10s}));
  CHECK(keys(GrantLease{LeaseId(5), 10s}));
  CHECK(keys(GrantLease{LeaseId(5), 11s}).error().code == Errc::already_exists);
  CHECK(keys(GrantLease{LeaseId(0), 10s}).error().code == Errc::invalid_argument);
  CHECK(keys(GrantLease{LeaseId(6), 1us}).error().code == Errc::invalid_argument);
  CHECK(keys.state.leases().size() == 1);
}

TEST_CASE("a command of a session is applied once and answered each time", "[registry][keys]") {
  Keys keys;
  const LeaseId session(9);
  REQUIRE(keys(GrantLease{session, 10s}));
  PutKey first = put("a", "1");
  first.wants_previous = true;
  keys.must(put("a", "0"));
  auto answer = keys.in_session(session, 1, first);
  auto again = keys.in_session(session, 1, first);
  REQUIRE(again);
  CHECK(again->is_repeated);
  CHECK(again->revision == answer->revision);
  CHECK(again->results == answer->results);
  CHECK(keys.state.range("", KeyRange::key("a"))->keys[0].version == 2);

  // What was refused stays refused.
  CHECK(keys.in_session(session, 2, put("b", "", LeaseId(70))).error().code == Errc::not_found);
  REQUIRE(keys(GrantLease{LeaseId(70), 10s}));
  CHECK(keys.in_session(session, 2, put("b", "", LeaseId(70))).error().code == Errc::not_found);

  // In any order, until it is acknowledged.
  CHECK(keys.in_session(session, 4, put("c", "4")));
  CHECK(keys.in_session(session, 3, put("c", "3")));
  CHECK(keys.in_session(session, 5, put("c", "5"), 5));
  CHECK(keys.in_session(session, 4, put("c", "4")).error().code == Errc::invalid_argument);
  CHECK(keys.get("c") == "5");
  CHECK(keys.state.find_lease(session)->session->answers.size() == 1);
}

TEST_CASE("what a session keeps is bounded", "[registry][keys]") {
  KeyLimits limits;
  limits.session_answers_max = 3;
  limits.session_answer_bytes_max = 20;
  Keys keys(limits);
  const LeaseId session(9);
  REQUIRE(keys(GrantLease{session, 10s}));
  keys.must(put("a", std::string(100, 'a')));
  PutKey large = put("a", "1");
  large.wants_previous = true;
  CHECK(keys.in_session(session, 1, large)->results.size() == 1);
  auto again = keys.in_session(session, 1, large);
  CHECK(again->is_trimmed);
  CHECK_FALSE(std::get<PutResult>(again->results.at(0)).previous);

  CHECK(keys.in_session(session, 2, put("b", "")));
  CHECK(keys.in_session(session, 3, put("b", "")));
  CHECK(keys.in_session(session, 4, put("b", "4")).error().code == Errc::overloaded);
  CHECK(keys.get("b").empty());
  CHECK(keys.in_session(session, 4, put("b", "4"), 3));  // The two before 3 are let go of.
}

TEST_CASE("a session ends with its lease, and its commands with it", "[registry][keys]") {
  Keys keys;
  const LeaseId session(9);
  REQUIRE(keys(GrantLease{session, 10s}));
  REQUIRE(keys.in_session(session, 1, put("a", "1")));
  REQUIRE(keys(ExpireLease{session, 0}));
  CHECK(keys.in_session(session, 1, put("a", "1")).error().code == Errc::not_found);
  CHECK(keys.in_session(session, 2, put("a", "2")).error().code == Errc::not_found);
  CHECK(keys.get("a") == "1");
}

TEST_CASE("namespaces are apart and keep to their quotas", "[registry][keys]") {
  Keys keys;
  CHECK(keys(put("a", "1"), "x").error().code == Errc::not_found);
  REQUIRE(keys(SetNamespace{"x", {.keys = 2, .bytes = 10}}));
  REQUIRE(keys(put("a", "1"), "x"));
  CHECK(keys.get("a") == "-");
  CHECK(keys(put("b", "123456789"), "x").error().code == Errc::overloaded);
  REQUIRE(keys(put("b", "12"), "x"));
  CHECK(keys(put("c", ""), "x").error().code == Errc::overloaded);
  // Room that the same transaction makes counts.
  CHECK(keys(Transaction{.then = {erase("b"), put("c", "123456")}}, "x"));
  REQUIRE(keys(SetNamespace{"x", {.keys = 1}}));
  CHECK(keys(put("c", "1"), "x"));  // Not more than before.
  CHECK(keys.state.namespaces().at(1) ==
        NamespaceInfo{.name = "x", .quota = {.keys = 1}, .used = {.keys = 2, .bytes = 4}});

  CHECK(keys(registry::RemoveNamespace{"x"}).error().code == Errc::invalid_argument);
  REQUIRE(keys(DeleteKeys{.range = KeyRange::all()}, "x"));
  CHECK(keys(registry::RemoveNamespace{"x"}));
  CHECK(keys(put("a", "1"), "x").error().code == Errc::not_found);
  CHECK(keys(registry::RemoveNamespace{""}).error().code == Errc::invalid_argument);
}

TEST_CASE("no command does more than its limits", "[registry][keys]") {
  KeyLimits limits;
  limits.deletes_max = 5;
  limits.operations_max = 4;
  limits.lease_keys_max = 2;
  limits.value_size_max = 8;
  Keys keys(limits);
  CHECK(keys(put("a", "123456789")).error().code == Errc::too_large);
  CHECK(keys(put(std::string(5000, 'k'), "")).error().code == Errc::too_large);
  for (int i = 0; i < 6; ++i) keys.must(put("k" + std::to_string(i), ""));
  CHECK(keys(DeleteKeys{.range = KeyRange::all()}).error().code == Errc::too_large);
  CHECK(keys(DeleteKeys{.range = KeyRange::from("k1")}));
  Transaction many{.then = std::vector<KeyOperation>(5, ReadKeys{.range = KeyRange::all()})};
  CHECK(keys(many).error().code == Errc::too_large);
  REQUIRE(keys(GrantLease{LeaseId(1), 1s}));
  CHECK(keys(Transaction{.then = {put("x", "", LeaseId(1)), put("y", "", LeaseId(1)),
                                  put("z", "", LeaseId(1))}})
            .error()
            .code == Errc::overloaded);
  CHECK(keys(put("x", "", LeaseId(1))));
  CHECK(keys(put("y", "", LeaseId(1))));
  CHECK(keys(put("x", "", LeaseId(1))));
  CHECK(keys(put("z", "", LeaseId(1))).error().code == Errc::overloaded);
}

TEST_CASE("a snapshot is of the moment it was begun, and a damaged one is refused",
          "[registry][keys]") {
  Keys keys;
  REQUIRE(keys(GrantLease{LeaseId(1), 1s}));
  for (int i = 0; i < 3000; ++i) keys.must(put("k" + std::to_string(i % 700), std::to_string(i)));
  keys.must(put("leased", "x", LeaseId(1)));
  keys.must(erase("k5"));
  auto digest = keys.state.digest();
  SnapshotJob job = keys.state.begin_snapshot();
  for (int i = 0; i < 3000; ++i) keys.must(put("k" + std::to_string(i % 900), "later"));
  test::MemorySnapshot memory;
  REQUIRE(job(memory));

  auto state = test::restored(memory.text);
  REQUIRE(state);
  CHECK(state->digest() == digest);
  CHECK(state->range("", KeyRange::key("k6"), {.at = Revision(10)})->keys.at(0).value.view() ==
        "6");
  CHECK(state->find_lease(LeaseId(1))->keys.size() == 1);

  for (std::size_t at : {std::size_t{3}, std::size_t{9}, memory.text.size() / 2}) {
    std::string damaged = memory.text;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    CHECK(test::restored(damaged).error().code == Errc::corrupt);
  }
  CHECK(test::restored(memory.text.substr(0, memory.text.size() - 1)).error().code ==
        Errc::corrupt);
  CHECK(test::restored("").error().code == Errc::corrupt);
}

TEST_CASE("a command of a newer version is told from a damaged one", "[registry][keys]") {
  Bytes entry = registry::encode({.body = put("a", "1")});
  std::string newer(entry.view());
  newer[0] = 2;
  CHECK(registry::decode_key_command(Bytes(newer)).error().code == Errc::unsupported);
  std::string unknown(entry.view());
  unknown[1] = 0x3f;
  CHECK(registry::decode_key_command(Bytes(unknown)).error().code == Errc::unsupported);
  CHECK(registry::decode_key_command(entry.slice(0, entry.size() - 1)).error().code ==
        Errc::corrupt);
  CHECK(registry::decode_key_command(Bytes()).error().code == Errc::corrupt);
}
