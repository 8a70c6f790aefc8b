// The admin client against masters that are made up here, over real sockets.
#include "node/admin_client.hpp"

#include <functional>

#include "cluster/runtime.hpp"
#include "runtime/transport.hpp"
#include "tests/catch.hpp"

using namespace cluster;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// Answers each question by a function; none: says nothing.
class FakeMaster : public runtime::SessionHandler {
 public:
  using Answer = std::function<std::optional<wire::AdminBody>(const wire::AdminBody&)>;

  FakeMaster(runtime::Host& host, Answer answer) : host_(host), answer_(std::move(answer)) {
    runtime::run_on_node(host_, [this] {
      listener_ = *host_.transport().listen({"127.0.0.1", 0});
      endpoint = host_.transport().endpoint(listener_);
      host_.transport().serve(listener_, runtime::Lane::admin, this);
    });
  }
  ~FakeMaster() override {
    runtime::run_on_node(host_, [this] { host_.transport().stop_listening(listener_); });
  }

  void on_open(runtime::SessionId, const Endpoint&) override {}
  void on_message(runtime::SessionId session, Bytes bytes) override {
    auto message = wire::decode_admin_message(bytes.view());
    if (!message) return host_.transport().close(session);
    ++questions;
    auto body = answer_(message->body);
    if (!body) return;
    host_.transport().send(session, wire::encode(wire::AdminMessage{message->id, *body}));
  }
  void on_close(runtime::SessionId, const Error&) override {}

  Endpoint endpoint;
  int questions = 0;  // Node thread; read when all is quiet.

 private:
  runtime::Host& host_;
  Answer answer_;
  runtime::ListenerId listener_;
};

// A port on which nobody listens: one that was listened on a moment ago.
Endpoint deserted(runtime::Host& host) {
  return FakeMaster(host, [](const auto&) { return std::nullopt; }).endpoint;
}

const wire::AdminBody question = wire::StopJobRequest{.job = JobId("j")};

struct World {
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  runtime::Host& host = runtime.host();

  Result<wire::Done> ask(std::vector<Endpoint> masters, Duration timeout = seconds(20)) {
    node::AdminClient client(host, std::move(masters));
    return node::expect<wire::Done>(client.ask(question, timeout).get());
  }
};

}  // namespace

TEST_CASE("a redirect leads to the leader, and the next question goes there at once",
          "[node][admin_client]") {
  World world;
  FakeMaster leader(world.host, [](const auto&) { return wire::Done{}; });
  FakeMaster follower(world.host,
                      [&](const auto&) { return wire::AdminRedirect{leader.endpoint}; });

  {
    node::AdminClient client(world.host, {follower.endpoint});
    CHECK(node::expect<wire::Done>(client.ask(question, seconds(20)).get()));
    CHECK(node::expect<wire::Done>(client.ask(question, seconds(20)).get()));
  }

  CHECK(leader.questions == 2);
  CHECK(follower.questions == 1);
}

TEST_CASE("masters that are gone, follow nobody or fail in passing are passed over",
          "[node][admin_client]") {
  World world;
  FakeMaster lost(world.host, [](const auto&) { return wire::AdminRedirect{}; });
  FakeMaster fenced(world.host, [](const auto&) {
    return wire::Failure{Error{Errc::fenced, "no longer leading"}};
  });
  FakeMaster leader(world.host, [](const auto&) { return wire::Done{}; });

  CHECK(world.ask({deserted(world.host), lost.endpoint, fenced.endpoint, leader.endpoint}));
}

TEST_CASE("a master that redirects to itself or to a dead one is not believed for ever",
          "[node][admin_client]") {
  World world;
  Endpoint dead = deserted(world.host);
  int asked = 0;
  FakeMaster confused(world.host, [&](const auto&) -> wire::AdminBody {
    if (++asked == 1) return wire::AdminRedirect{confused.endpoint};
    if (asked == 2) return wire::AdminRedirect{dead};
    return wire::Done{};
  });

  CHECK(world.ask({confused.endpoint}));
  CHECK(confused.questions == 3);
}

TEST_CASE("an error of the leader's is the answer, at once", "[node][admin_client]") {
  World world;
  FakeMaster leader(world.host, [](const auto&) {
    return wire::Failure{Error{Errc::not_found, "no such job"}};
  });

  auto answer = world.ask({leader.endpoint});

  REQUIRE_FALSE(answer);
  CHECK(answer.error() == Error{Errc::not_found, "no such job"});
  CHECK(leader.questions == 1);
}

TEST_CASE("without a leader the deadline ends it, with what was tried", "[node][admin_client]") {
  World world;
  Endpoint dead = deserted(world.host);

  auto answer = world.ask({dead}, milliseconds(300));

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Errc::no_leader);
  CHECK(answer.error().context.find(to_string(dead)) != std::string::npos);
}

TEST_CASE("a silent leader is given up for another master", "[node][admin_client]") {
  World world;
  FakeMaster silent(world.host, [](const auto&) { return std::nullopt; });
  FakeMaster leader(world.host, [](const auto&) { return wire::Done{}; });

  CHECK(world.ask({silent.endpoint, leader.endpoint}));
  CHECK(silent.questions == 1);
}

TEST_CASE("one process asked for by itself is asked once", "[node][admin_client]") {
  World world;
  FakeMaster follower(world.host, [](const auto&) { return wire::AdminRedirect{}; });
  node::AdminClient client(world.host, {});

  auto gone = client.ask_at(deserted(world.host), question, seconds(20)).get();
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == Errc::unreachable);

  auto nobody = client.ask(question, seconds(20)).get();
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code == Errc::invalid_argument);
}

TEST_CASE("an answer of another kind is no answer", "[node][admin_client]") {
  World world;
  FakeMaster leader(world.host, [](const auto&) { return wire::JobRows{}; });

  auto answer = world.ask({leader.endpoint});

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Errc::protocol);
}

TEST_CASE("destroying the client ends what is open", "[node][admin_client]") {
  World world;
  FakeMaster silent(world.host, [](const auto&) { return std::nullopt; });
  std::optional<Op<wire::AdminBody>> open;
  {
    node::AdminClient client(world.host, {silent.endpoint});
    open = client.ask(question, seconds(60));
  }

  auto answer = open->get();

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Errc::closed);
}
