#include "replog/pipeline.hpp"

#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using namespace std::chrono_literals;

namespace {

const Configuration of_three = Configuration::of_voters({one, two, three});
const Configuration of_five = Configuration::of_voters({one, two, three, NodeId(4), NodeId(5)});
const Time now{1s};

Pipeline pipeline_of(std::size_t entries, const Configuration& members = of_three,
                     PipelineLimits limits = {}) {
  Pipeline pipeline(one, members, ballot(2), Position(1), limits, now);
  pipeline.go_on();
  for (std::size_t i = 1; i <= entries; ++i) {
    CHECK(pipeline.enqueue(value_of("v" + std::to_string(i)), Origin{one, i}));
  }
  return pipeline;
}

std::vector<std::uint64_t> tags(const std::vector<Origin>& origins) {
  std::vector<std::uint64_t> tags;
  for (const Origin& origin : origins) tags.push_back(origin.tag);
  return tags;
}

}  // namespace

TEST_CASE("values get positions in the order they came", "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(2);

  auto accepts = pipeline.take(Position(1));

  REQUIRE(accepts.size() == 1);
  CHECK(accepts[0] ==
        Accept{ballot(2), Position(1), {value_of("v1"), value_of("v2")}, Position(1)});
  CHECK(pipeline.next() == Position(3));
  CHECK(pipeline.take(Position(1)).empty());
}

TEST_CASE("chosen is what a quorum holds without a gap", "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(4);
  pipeline.take(Position(1));

  pipeline.accepted(one, Position(1), Position(5), now);
  CHECK(pipeline.agreed_end(Position(1)) == Position(1));

  pipeline.accepted(two, Position(3), Position(5), now);
  CHECK(pipeline.agreed_end(Position(1)) == Position(1));

  pipeline.accepted(two, Position(1), Position(2), now);
  CHECK(pipeline.agreed_end(Position(1)) == Position(2));

  pipeline.accepted(two, Position(2), Position(3), now);
  CHECK(pipeline.agreed_end(Position(1)) == Position(5));
}

TEST_CASE("of five members three decide", "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(2, of_five);
  pipeline.take(Position(1));

  pipeline.accepted(one, Position(1), Position(3), now);
  pipeline.accepted(NodeId(5), Position(1), Position(3), now);
  CHECK(pipeline.agreed_end(Position(1)) == Position(1));
  pipeline.accepted(two, Position(1), Position(2), now);
  CHECK(pipeline.agreed_end(Position(1)) == Position(2));
}

TEST_CASE("a member that claims more than was sent is not believed", "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(1);
  pipeline.take(Position(1));
  pipeline.accepted(two, Position(1), Position(1000), now);
  pipeline.accepted(three, Position(1), Position(1000), now);

  CHECK(pipeline.agreed_end(Position(1)) == Position(2));
}

TEST_CASE("settled positions give back who asked for them, in order", "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(3);
  pipeline.take(Position(1));

  CHECK(tags(pipeline.settle(Position(3))) == std::vector<std::uint64_t>{1, 2});
  CHECK(pipeline.settled() == Position(3));
  CHECK(tags(pipeline.settle(Position(4))) == std::vector<std::uint64_t>{3});
}

TEST_CASE("no more entries are in flight than allowed, and settling makes room",
          "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(3, of_three, PipelineLimits{.flight_entries_max = 2});

  CHECK(pipeline.take(Position(1)).at(0).values.size() == 2);
  CHECK(pipeline.take(Position(1)).empty());
  pipeline.settle(Position(2));
  CHECK(pipeline.take(Position(2)).at(0).values == std::vector<Value>{value_of("v3")});
}

TEST_CASE("no more bytes are in flight than allowed, but always one value", "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(2, of_three, PipelineLimits{.flight_bytes_max = 1});

  CHECK(pipeline.take(Position(1)).at(0).values.size() == 1);
  CHECK(pipeline.take(Position(1)).empty());
  CHECK(pipeline.propose({value_of("own")}, Position(1)).at(0).values.size() == 1);
}

TEST_CASE("an Accept has a size limit, and the next one goes on where it ends",
          "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(3, of_three, PipelineLimits{.accept_bytes_max = 140});

  auto accepts = pipeline.take(Position(1));

  REQUIRE(accepts.size() == 2);
  CHECK(accepts[0].values.size() == 2);
  CHECK(accepts[1].first == Position(3));
}

TEST_CASE("a full queue takes no more", "[replog][pipeline]") {
  Pipeline pipeline(one, of_three, ballot(2), Position(1), PipelineLimits{.queue_bytes_max = 100},
                    now);

  CHECK(pipeline.enqueue(value_of("a"), {}));
  CHECK_FALSE(pipeline.enqueue(value_of("b"), {}));
}

TEST_CASE("draining tells what may have been chosen from what never left", "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(3, of_three, PipelineLimits{.flight_entries_max = 2});
  pipeline.take(Position(1));

  auto left = pipeline.drain();

  CHECK(tags(left.in_flight) == std::vector<std::uint64_t>{1, 2});
  REQUIRE(left.unsent.size() == 1);
  CHECK(left.unsent[0].second.tag == 3);
}

TEST_CASE("a member without progress is sent again from where it stopped, once in a while",
          "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(3);
  pipeline.take(Position(1));
  pipeline.accepted(two, Position(1), Position(2), now);

  CHECK(pipeline.resend_from(two, Position(1), now + 10ms, 50ms) == std::nullopt);
  CHECK(pipeline.resend_from(two, Position(1), now + 60ms, 50ms) == Position(2));
  CHECK(pipeline.resend_from(two, Position(1), now + 70ms, 50ms) == std::nullopt);
  CHECK(pipeline.resend_from(two, Position(1), now + 110ms, 50ms) == Position(2));
  pipeline.accepted(two, Position(2), Position(4), now + 120ms);
  CHECK(pipeline.resend_from(two, Position(1), now + 900ms, 50ms) == std::nullopt);
}

TEST_CASE("a leader was heard by a quorum when the nearer half was", "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(0, of_five);
  pipeline.heard(two, 7, Position(1), now + 3s);
  pipeline.heard(three, 5, Position(1), now + 2s);

  CHECK(pipeline.heard_by_quorum(now + 9s) == now + 2s);
  CHECK(pipeline.sequence_by_quorum(9) == 5);
}

TEST_CASE("nothing follows an entry that sets the members before it is said to go on",
          "[replog][pipeline]") {
  Pipeline pipeline = pipeline_of(1);
  pipeline.enqueue(Value{Kind::config, encode(of_three), 2}, Origin{});
  pipeline.enqueue(value_of("after"), Origin{one, 2});

  auto accepts = pipeline.take(Position(1));
  REQUIRE(accepts.size() == 1);
  CHECK(accepts[0].values.size() == 2);
  CHECK(pipeline.next() == Position(3));
  CHECK(pipeline.take(Position(1)).empty());

  pipeline.settle(Position(3));
  CHECK(pipeline.take(Position(3)).empty());
  pipeline.go_on();
  CHECK(pipeline.take(Position(3)).at(0).values == std::vector<Value>{value_of("after")});
}
