// Users' keys over real sockets and logs: three masters, and clients that are no members.
#include "node/key_service.hpp"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <future>

#include "cluster/runtime.hpp"
#include "node/admin_client.hpp"
#include "node/key_client.hpp"
#include "node/master_node.hpp"
#include "tests/catch.hpp"
#include "tests/unit/sockets.hpp"

using namespace cluster;
using Catch::Contains;
using registry::KeyAnswer;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::size_t masters = 3;
constexpr Duration patience = seconds(120);

class Masters {
 public:
  Masters() {
    std::string path = std::filesystem::temp_directory_path() / "cluster-keys-XXXXXX";
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    folder_ = path;
    for (std::size_t i = 0; i < masters; ++i) {
      peers_.push_back({NodeId(i + 1), {"127.0.0.1", test::free_port()}});
    }
    for (std::size_t i = 0; i < masters; ++i) start(i);
    std::vector<Endpoint> all;
    for (const Peer& peer : peers_) all.push_back(peer.endpoint);
    client_ = std::make_unique<node::AdminClient>(own_.host(), all);
  }
  ~Masters() {
    for (auto& one : nodes_) one.reset();
    client_.reset();
    std::filesystem::remove_all(folder_);
  }

  node::KeyClient keys(std::string space = {}) {
    return {[this](wire::AdminBody question, Duration timeout) {
              return client_->ask(std::move(question), timeout).get();
            },
            std::move(space), patience};
  }
  // One master's own answer.
  Result<KeyAnswer> ask_at(std::size_t i, const registry::KeyCommand& command) {
    auto answer = node::expect<wire::KeysAnswer>(
        client_->ask_at(peers_[i].endpoint, wire::AskKeys{registry::encode(command)}, patience)
            .get());
    if (!answer) return std::move(answer).error();
    return registry::decode_answer(answer->answer.view()).value();
  }
  Result<WatchBatch> watch_at(std::size_t i, const registry::KeyWatchQuestion& question,
                              Duration wait) {
    auto answer = node::expect<wire::KeyEvents>(
        client_
            ->ask_at(peers_[i].endpoint,
                     wire::WatchKeys{.what = registry::encode(question), .wait = wait}, patience)
            .get());
    if (!answer) return std::move(answer).error();
    return registry::decode_watch_batch(answer->batch.view());
  }
  node::AdminClient& client() { return *client_; }
  const Endpoint& endpoint(std::size_t i) const { return peers_[i].endpoint; }
  void stop(std::size_t i) { nodes_[i].reset(); }

 private:
  void start(std::size_t i) {
    NodeOptions::Master options;
    options.self = peers_[i].id;
    options.members = peers_;
    options.cluster = ClusterUid(77);
    options.directory = folder_ + "/" + std::to_string(i + 1);
    options.election_timeout = seconds(2);
    options.heartbeat_interval = milliseconds(50);
    auto started = node::MasterNode::start(runtimes_[i].host(), options, "test");
    if (!started) FAIL(started.error().message());
    nodes_[i] = *std::move(started);
  }
  static Runtime make_runtime() {
    return Runtime::threads({.security = cluster::Insecure{}, .deliver_on_node_thread = true});
  }

  std::array<Runtime, masters> runtimes_{make_runtime(), make_runtime(), make_runtime()};
  Runtime own_ = make_runtime();
  std::string folder_;
  std::vector<Peer> peers_;
  std::array<std::unique_ptr<node::MasterNode>, masters> nodes_;
  std::unique_ptr<node::AdminClient> client_;
};

PutKey put(std::string key, std::string value, LeaseId lease = {}) {
  return {.key = std::move(key), .value = Bytes(std::move(value)), .lease = lease};
}

template <class T>
T value_of(Result<T> result) {
  if (!result) FAIL(result.error().message());
  return *std::move(result);
}

}  // namespace

TEST_CASE("what one client puts through any master, another reads through any other",
          "[node][keys]") {
  Masters cluster;
  auto one = cluster.keys();
  auto two = cluster.keys();
  const Revision made = value_of(one.change(put("a", std::string("\0\xff", 2)))).revision;
  const registry::KeyCommand get{.body = Transaction{.then = {ReadKeys{KeyRange::key("a"), {}}}}};
  for (std::size_t i = 0; i < masters; ++i) {
    auto answer = value_of(cluster.ask_at(i, get));
    const auto& range = std::get<RangeResult>(answer.results.at(0));
    REQUIRE(range.keys.size() == 1);
    CHECK(range.keys[0].value.view() == ByteView("\0\xff", 2));
    CHECK(range.keys[0].modified == made);
  }
  // Many are read as one revision, a page at a time.
  for (int i = 0; i < 25; ++i) {
    Transaction some;
    for (int k = 0; k < 100; ++k) {
      some.then.emplace_back(put("m/" + std::to_string(i * 100 + k), ""));
    }
    value_of(two.change(std::move(some)));
  }
  CHECK(value_of(one.range(KeyRange::prefix("m/"), {})).keys.size() == 2500);
  auto limited = value_of(one.range(KeyRange::prefix("m/"), {.limit = 1500}));
  CHECK(limited.keys.size() == 1500);
  CHECK(limited.count == 2500);
  CHECK(limited.has_more);
}

TEST_CASE("a command of a session that is sent to every master is applied once", "[node][keys]") {
  Masters cluster;
  auto keys = cluster.keys();
  const LeaseId session = node::KeyClient::draw_lease();
  REQUIRE(keys.grant(session, seconds(600)));
  REQUIRE(keys.grant(session, seconds(600)));
  const registry::KeyCommand command{.stamp = {session, 1, 1}, .body = put("a", "x")};
  const Revision first = value_of(cluster.ask_at(0, command)).revision;
  for (std::size_t i = 0; i < masters; ++i) {
    CHECK(value_of(cluster.ask_at(i, command)).revision == first);
  }
  CHECK(value_of(keys.range(KeyRange::key("a"), {})).keys.at(0).version == 1);
}

TEST_CASE("the state's refusals are answers at once, and what is the leader's is not taken",
          "[node][keys]") {
  Masters cluster;
  auto keys = cluster.keys();
  value_of(keys.change(registry::SetNamespace{.name = "small", .quota = {.keys = 1}}));
  auto small = cluster.keys("small");
  value_of(small.change(put("a", "1")));
  auto refused = small.change(put("b", "1"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::overloaded);
  CHECK_THAT(refused.error().context, Contains("may hold 1 keys"));
  auto unknown = cluster.keys("unknown").range(KeyRange::all(), {});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == Errc::not_found);

  const LeaseId lease = node::KeyClient::draw_lease();
  REQUIRE(keys.grant(lease, seconds(600)));
  auto ended = cluster.ask_at(0, {.body = registry::ExpireLease{lease, 0}});
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == Errc::invalid_argument);
  CHECK(value_of(keys.keep_alive(lease, patience)));
  auto garbage = cluster.client()
                     .ask_at(cluster.endpoint(0), wire::AskKeys{Bytes("\1nonsense")}, patience)
                     .get();
  REQUIRE_FALSE(garbage);
  CHECK(garbage.error().code == Errc::unsupported);
  auto large = keys.change(put("large", std::string(5 << 20, 'x')));
  REQUIRE_FALSE(large);
  CHECK(large.error().code == Errc::too_large);
  auto entry = keys.change(put("large", std::string(2 << 20, 'x')));
  REQUIRE_FALSE(entry);
  CHECK(entry.error().code == Errc::too_large);
}

TEST_CASE("a row of questions for changes tells each once, whoever answers them",
          "[node][keys][watch]") {
  Masters cluster;
  auto keys = cluster.keys();
  Revision last;
  for (int i = 0; i < 6; ++i) last = value_of(keys.change(put("a", std::to_string(i)))).revision;
  registry::KeyWatchQuestion question{.range = KeyRange::key("a"), .from = Revision(1)};
  std::string told;
  for (std::size_t i = 0; question.from <= last; ++i) {
    if (i == 3) cluster.stop(i % masters);  // And nobody misses it.
    if (i % masters == 0 && i >= 3) continue;
    auto batch = value_of(cluster.watch_at(i % masters, question, seconds(1)));
    for (const KeyEvent& event : batch.events) told += event.now.value.view();
    question.from = batch.upto.next();
    if (i < 3) last = value_of(keys.change(put("a", std::to_string(6 + i)))).revision;
  }
  CHECK(told == "012345678");
  // Held until there is one, through the client.
  auto waiting =
      std::async(std::launch::async, [&] { return keys.changes(question, seconds(60)); });
  auto other = cluster.keys();
  value_of(other.change(put("b", "not this")));
  value_of(other.change(put("a", "this")));
  auto batch = value_of(waiting.get());
  REQUIRE(batch.events.size() == 1);
  CHECK(batch.events[0].now.value.view() == "this");
}

TEST_CASE("a question for changes ends in its time, and says how far it saw",
          "[node][keys][watch]") {
  Masters cluster;
  auto keys = cluster.keys();
  Revision last;
  for (int i = 0; i < 3; ++i) last = value_of(keys.change(put("a", "x"))).revision;
  const registry::KeyWatchQuestion quiet{.range = KeyRange::key("b"), .from = Revision(1)};
  for (std::size_t i = 0; i < masters; ++i) {
    // A member may be behind for a moment; it never says more than it knows.
    auto next = quiet;
    while (next.from <= last) {
      auto batch = value_of(cluster.watch_at(i, next, milliseconds(1)));
      CHECK(batch.events.empty());
      REQUIRE(batch.upto.next() >= next.from);
      next.from = std::max(next.from, batch.upto.next());
    }
    CHECK(next.from == last.next());
  }
  value_of(keys.change(registry::Compact{last}));
  auto gone = keys.changes(quiet, seconds(1));
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == Errc::truncated);
  CHECK_THAT(gone.error().context, Contains("watch from " + std::to_string(last.value() + 1)));
}
