// Members that come, go and change, as an operator sees it: real sockets and disks.

#include <atomic>
#include <map>
#include <optional>
#include <thread>

#include "cluster/log.hpp"
#include "replog/force_new_cluster.hpp"
#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using replog::test::bytes;
using replog::test::comes_true;
using replog::test::one;
using replog::test::TemporaryFolder;
using replog::test::three;
using replog::test::two;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

template <class T>
T done(Op<T> op) {
  Result<T> result = op.get();
  if (!result) FAIL(result.error().message());
  return *std::move(result);
}

template <class T>
Error refused(Op<T> op) {
  Result<T> result = op.get();
  REQUIRE_FALSE(result.has_value());
  return result.error();
}

// Members by id: founders, and those that join later.
class Group {
 public:
  explicit Group(std::size_t founders = 3) {
    for (std::size_t i = 1; i <= founders; ++i) {
      founders_.push_back({NodeId(i), {"127.0.0.1", cluster::test::free_port()}});
    }
    for (const Peer& peer : founders_) start(peer.id);
    // So that nobody waits for an election's timeout.
    while (!(*this)[1].start_writer().get()) {
    }
  }

  LogOptions options() const {
    LogOptions made;
    made.election_timeout = replog::test::election_timeout;
    made.heartbeat_interval = 50ms;
    made.request_timeout = 60s;
    return made;
  }
  LogOptions founder(NodeId id) const {
    LogOptions made = options();
    made.directory = directory(id);
    made.self = id;
    made.members = founders_;
    made.cluster = ClusterUid(7);
    return made;
  }
  void start(NodeId id) { open(id, founder(id)); }
  // By its directory alone.
  void restart(NodeId id) {
    LogOptions made = options();
    made.directory = directory(id);
    open(id, made);
  }
  // Adds one and starts it with its token.
  NodeId join(Log& at) {
    Endpoint endpoint{"127.0.0.1", cluster::test::free_port()};
    JoinToken token = done(at.add_member({.endpoint = endpoint}));
    LogOptions made = options();
    made.directory = directory(token.id);
    made.join = to_string(token);
    made.listen = endpoint;
    open(token.id, made);
    return token.id;
  }
  void stop(NodeId id) { logs_.erase(id); }
  Log& operator[](NodeId id) { return logs_.at(id); }
  Log& operator[](std::uint64_t id) { return logs_.at(NodeId(id)); }
  std::string directory(NodeId id) const { return folder_ / std::to_string(id.value()); }
  void open(NodeId id, LogOptions made) {
    auto log = Log::open(runtime_, std::move(made));
    if (!log) FAIL(log.error().message());
    logs_.emplace(id, *std::move(log));
  }

  // Until its promotion is not refused any more.
  void promote(Log& at, NodeId id) {
    CHECK(comes_true([&] {
      auto result = at.change_members({SetMemberRole{id}}).get();
      if (!result) REQUIRE(result.error().outcome == Outcome::not_applied);
      return result.has_value();
    }));
  }
  // Whoever leads: the one that did may just have been stopped.
  void append(Log& at, const std::string& text) {
    for (int i = 0; i < 100; ++i) {
      if (at.append(bytes(text)).get()) return;
    }
    FAIL("cannot append");
  }
  std::vector<std::string> entries(Log& log) {
    LogRange range = done(log.catch_up());
    std::vector<std::string> texts;
    for (const Entry& entry : done(log.read(range.first, range.end))) {
      texts.emplace_back(entry.data.view());
    }
    return texts;
  }

 private:
  Runtime runtime_ = Runtime::threads({.security = cluster::Insecure{}});
  TemporaryFolder folder_;
  std::vector<Peer> founders_;
  std::map<NodeId, Log> logs_;
};

std::vector<NodeId> ids_of(const Members& members) {
  std::vector<NodeId> ids;
  for (const MemberInfo& member : members.members) ids.push_back(member.id);
  return ids;
}

}  // namespace

TEST_CASE("a newcomer joins with its token, catches up, is promoted, and votes",
          "[replog][members]") {
  Group group;
  for (int i = 0; i < 20; ++i) done(group[1].append(Bytes("before " + std::to_string(i))));

  NodeId four = group.join(group[2]);
  CHECK(four == NodeId(4));
  CHECK(group.entries(group[four]).size() == 20);
  group.promote(group[1], four);

  // Three of four must be there now.
  group.stop(two);
  group.append(group[1], "after");
  CHECK(group.entries(group[four]).back() == "after");
  CHECK(ids_of(group[four].members()) == std::vector<NodeId>{one, two, three, four});
}

TEST_CASE("a restarted member needs its directory only, also when the members have changed",
          "[replog][members]") {
  Group group;
  NodeId four = group.join(group[1]);
  done(group[1].change_members({RemoveMember{three}}));
  done(group[four].append(bytes("let in")));
  group.stop(four);
  group.stop(two);

  group.restart(four);
  group.restart(two);

  done(group[four].append(bytes("x")));
  CHECK(ids_of(group[two].members()) == std::vector<NodeId>{one, two, four});
}

TEST_CASE("a member that was removed says so to its callers", "[replog][members]") {
  Group group;
  done(group[1].append(bytes("x")));

  done(group[1].change_members({RemoveMember{three}}));

  // It hears of it when the others have fallen silent; until then they take what it hands on.
  Error error;
  REQUIRE(comes_true([&] {
    auto answer = group[3].append(bytes("y")).get();
    if (!answer) error = answer.error();
    return !answer && error.outcome == Outcome::not_applied;  // Not lost with its leader.
  }));
  CHECK(error.code == Errc::closed);
  CHECK_THAT(error.context, Contains("removed"));
  CHECK(ids_of(group[1].members()) == std::vector<NodeId>{one, two});
  group.append(group[2], "z");
}

TEST_CASE("a founder with a new directory is refused and said to be another", "[replog][members]") {
  Group group;
  done(group[1].append(bytes("x")));
  group.stop(three);
  std::filesystem::remove_all(group.directory(three));

  group.start(three);

  group.append(group[1], "y");
  CHECK(group[3].range().end == Position(1));
  CHECK(group[3].members().members.empty());
}

TEST_CASE("changes that make no sense, or would lose the quorum, are refused with a reason",
          "[replog][members]") {
  Group group;
  Log& log = group[1];
  done(log.append(bytes("x")));
  auto why = [&](std::vector<MemberEdit> edits) {
    return refused(log.change_members(std::move(edits))).context;
  };

  CHECK_THAT(why({}), Contains("nothing"));
  CHECK_THAT(why({RemoveMember{NodeId(9)}}), Contains("no member 9"));
  CHECK_THAT(why({AddMember{{"127.0.0.1", 1}, MemberRole::voter}}), Contains("learner"));
  CHECK_THAT(why({RemoveMember{one}, RemoveMember{two}, RemoveMember{three}}), Contains("last"));
  JoinToken token = done(log.add_member({.endpoint = {"127.0.0.1", 1}}));
  CHECK_THAT(why({AddMember{{"127.0.0.1", 1}}}), Contains("endpoint"));
  CHECK_THAT(why({SetMemberRole{token.id}}), Contains("not joined"));
  // An id is used once.
  done(log.change_members({RemoveMember{token.id}}));
  CHECK(done(log.add_member({.endpoint = {"127.0.0.1", 1}})).id == NodeId(5));
}

TEST_CASE("a member is replaced under load, and no append is lost", "[replog][members]") {
  Group group;
  done(group[1].append(bytes("first")));
  std::atomic<bool> is_over = false;
  std::size_t acknowledged = 1;
  std::thread load([&] {
    while (!is_over) {
      if (group[1].append(bytes("load")).get()) ++acknowledged;
    }
  });

  NodeId four = group.join(group[2]);
  CHECK(comes_true([&] {  // It catches up meanwhile.
    return group[2].change_members({SetMemberRole{four}, RemoveMember{three}}).get().has_value();
  }));
  is_over = true;
  load.join();

  CHECK(ids_of(group[1].members()) == std::vector<NodeId>{one, two, four});
  group.stop(three);
  group.stop(two);  // One and four decide.
  group.append(group[four], "last");
  CHECK(group.entries(group[four]).size() >= acknowledged + 1);
}

TEST_CASE("a leader removes itself, and another leads", "[replog][members]") {
  Group group;
  done(group[1].append(bytes("x")));
  NodeId leader = group[1].leadership().leader;
  REQUIRE(leader);
  NodeId other = leader == one ? two : one;

  done(group[other].change_members({RemoveMember{leader}}));

  group.append(group[other], "y");
  CHECK(group[other].leadership().leader != leader);
  CHECK(group[other].members().members.size() == 2);
}

TEST_CASE("leadership is transferred to the member that is named", "[replog][members]") {
  Group group;
  done(group[1].append(bytes("x")));
  NodeId leader = group[1].leadership().leader;
  NodeId next = leader == three ? one : three;

  Leadership leadership = done(group[2].transfer_leadership(next));

  CHECK(leadership.leader == next);
  done(group[1].append(bytes("y")));
  Error error = refused(group[1].transfer_leadership(NodeId(9)));
  CHECK(error.code == Errc::invalid_argument);
}

TEST_CASE("a log of one grows to three and can lose its first member", "[replog][members]") {
  Group group(1);
  done(group[1].append(bytes("x")));
  NodeId second = group.join(group[1]);
  group.promote(group[1], second);
  NodeId third = group.join(group[1]);
  group.promote(group[1], third);

  done(group[second].change_members({RemoveMember{one}}));
  group.stop(one);

  done(group[third].catch_up());  // Once somebody leads.
  done(group[third].append(bytes("y")));
  CHECK(group.entries(group[second]) == std::vector<std::string>{"x", "y"});
}

TEST_CASE("what one survivor holds becomes a new cluster, which others may join",
          "[replog][members]") {
  Group group;
  for (int i = 0; i < 10; ++i) done(group[1].append(Bytes("x" + std::to_string(i))));
  done(group[1].catch_up());
  for (NodeId id : {one, two, three}) group.stop(id);
  LogOptions made = group.options();
  made.directory = group.directory(NodeId(99));
  made.listen = {"127.0.0.1", cluster::test::free_port()};

  auto forced = replog::force_new_cluster(group.directory(one), made.directory, ClusterUid(8),
                                          made.listen, 5, std::size_t{1} << 30);

  if (!forced) FAIL(forced.error().message());
  CHECK(forced->identity.cluster == ClusterUid(8));
  group.open(one, made);
  CHECK(group.entries(group[1]).size() == 10);
  CHECK(ids_of(group[1].members()) == std::vector<NodeId>{one});
  NodeId four = group.join(group[1]);
  group.promote(group[1], four);
  done(group[four].append(bytes("on")));
  CHECK(group.entries(group[1]).size() == 11);
}
