#include "client.hpp"

#include "tests/catch.hpp"

namespace cluster::app {
namespace {

TEST_CASE("too few masters and an election under way are told apart", "[app][client]") {
  CHECK(no_leader_text(0, 3) == "no master answers");
  CHECK(no_leader_text(1, 3) == "no master leads: 1 of 3 masters answers, and 2 are needed");
  CHECK(no_leader_text(2, 4) == "no master leads: 2 of 4 masters answer, and 3 are needed");
  CHECK(no_leader_text(2, 3) == "2 of 3 masters answer, enough to elect one, but none leads yet");
  CHECK(no_leader_text(1, 1) == "1 of 1 master answers, enough to elect one, but none leads yet");
}

TEST_CASE("half of the masters is no majority", "[app][client]") {
  CHECK_FALSE(is_majority(2, 4));
  CHECK_FALSE(is_majority(0, 1));
  CHECK(is_majority(3, 4));
  CHECK(is_majority(1, 1));
}

TEST_CASE("the leader with the highest term counts, and only by its own word", "[app][client]") {
  std::vector<Result<wire::MasterStatus>> answers;
  answers.push_back(wire::MasterStatus{.self = NodeId(1), .term = 9, .leader = NodeId(3)});
  answers.push_back(Error{Errc::unreachable, "down"});
  CHECK(leader_of(answers) == nullptr);

  answers.push_back(wire::MasterStatus{.self = NodeId(2), .term = 4, .leader = NodeId(2)});
  answers.push_back(wire::MasterStatus{.self = NodeId(3), .term = 5, .leader = NodeId(3)});
  REQUIRE(leader_of(answers) != nullptr);
  CHECK(leader_of(answers)->self == NodeId(3));
}

}  // namespace
}  // namespace cluster::app
