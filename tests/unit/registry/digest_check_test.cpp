// Who is the odd one out, and in what.
#include "registry/digest_check.hpp"

#include "registry/difference.hpp"
#include "registry/digest.hpp"
#include "registry/format.hpp"
#include "tests/catch.hpp"
#include "tests/unit/registry/commands.hpp"

using namespace cluster;
using namespace cluster::registry;
using namespace cluster::test;
using Catch::Contains;
using Verdict = DigestCheck::Verdict;

namespace {

const std::vector<NodeId> three = {NodeId(1), NodeId(2), NodeId(3)};
constexpr Digest right = {1, 2};
constexpr Digest wrong = {1, 3};

ReportDigest report(std::uint64_t member, const Digest& digest, Position at = Position(7)) {
  return {.at = at,
          .member = NodeId(member),
          .version = digest_version,
          .digest = digest,
          .reads = format_newest()};
}

}  // namespace

TEST_CASE("notes about digests are read back as they were written, and are no commands",
          "[registry][digest]") {
  for (const DigestNote& note :
       {DigestNote(CompareDigests{.term = 9}), DigestNote(report(2, right))}) {
    const Bytes bytes = encode(note);
    auto read = decode_digest_note(bytes.view());
    REQUIRE(read);
    CHECK(*read == note);
    CHECK_FALSE(decode_registry_command(bytes.view()).has_value());
  }
  CHECK_FALSE(
      decode_digest_note(encode(RegistryCommand(KillTask{key("f", "t")})).view()).has_value());
  CHECK_FALSE(decode_digest_note(encode(DigestNote(ReportDigest{})).view()).has_value());
}

TEST_CASE("a replica that has what all have agrees once all have said so", "[registry][digest]") {
  DigestCheck check(NodeId(1));
  const ReportDigest own = check.compare(Position(7), right);
  CHECK(own == report(1, right));
  CHECK(check.on(own, three) == Verdict::open);
  CHECK(check.on(report(2, right), three) == Verdict::open);
  CHECK(check.on(report(3, right), three) == Verdict::agreed);
}

TEST_CASE("a replica is odd as soon as a majority has said another digest than its own",
          "[registry][digest]") {
  DigestCheck check(NodeId(1));
  check.compare(Position(7), wrong);
  CHECK(check.on(report(2, right), three) == Verdict::differ);
  CHECK(check.on(report(3, right), three) == Verdict::odd);
  CHECK(check.right_ones() == std::vector{NodeId(2), NodeId(3)});
}

TEST_CASE("replicas of the majority see who differs, and go on", "[registry][digest]") {
  DigestCheck check(NodeId(1));
  check.on(check.compare(Position(7), right), three);
  CHECK(check.on(report(3, wrong), three) == Verdict::differ);
  CHECK(check.different_ones() == std::vector{NodeId(3)});
  CHECK(check.on(report(2, right), three) == Verdict::differ);
}

TEST_CASE("where no digest has a majority nobody is odd", "[registry][digest]") {
  const std::vector<NodeId> two = {NodeId(1), NodeId(2)};
  DigestCheck check(NodeId(1));
  check.on(check.compare(Position(7), wrong), two);
  CHECK(check.on(report(2, right), two) == Verdict::differ);

  DigestCheck other(NodeId(2));
  other.on(other.compare(Position(7), right), two);
  CHECK(other.on(report(1, wrong), two) == Verdict::differ);

  DigestCheck all_differ(NodeId(1));
  all_differ.on(all_differ.compare(Position(7), {1, 1}), three);
  all_differ.on(report(2, {2, 2}), three);
  CHECK(all_differ.on(report(3, {3, 3}), three) == Verdict::differ);
}

TEST_CASE(
    "those who keep no state or do not vote decide nothing, and neither do other positions "
    "and versions",
    "[registry][digest]") {
  DigestCheck check(NodeId(1));
  check.on(check.compare(Position(7), wrong), three);
  CHECK(check.on(report(4, right), three) == Verdict::differ);
  CHECK(check.on(report(5, right), three) == Verdict::differ);
  DigestCheck other(NodeId(1));
  other.on(other.compare(Position(7), wrong), three);
  CHECK(other.on(report(2, right, Position(6)), three) == Verdict::open);
  ReportDigest newer = report(3, right);
  ++newer.version;
  CHECK(other.on(newer, three) == Verdict::open);
  CHECK(other.on(report(2, right), three) == Verdict::differ);
}

TEST_CASE("the first row that differs is told with what stands on both sides",
          "[registry][digest]") {
  RegistryState here, there;
  for (RegistryState* state : {&here, &there}) {
    state->apply(Position(1), RegisterAgent{agent_record("a1")});
    state->apply(Position(2), RegisterFramework{framework_record("f")});
    state->apply(Position(3), launch(key("f", "t1"), "a1"));
  }
  CHECK(first_difference(here, there).empty());

  there.apply(Position(4), KillTask{key("f", "t1")});
  CHECK_THAT(first_difference(here, there),
             Contains("task f/t1\nhere:  (") && Contains("killRequested = true"));
  here.apply(Position(4), RegisterAgent{agent_record("a2")});
  CHECK_THAT(first_difference(here, there), Contains("agent a2") && Contains("there: (none)"));
  CHECK_THAT(first_difference(there, here), Contains("agent a2\nhere:  (none)"));
}
