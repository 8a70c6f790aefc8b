// Masters of several versions: which format the state has, and who may not read it.
#include "registry/format.hpp"

#include "cluster/registry.hpp"
#include "registry/format_agreement.hpp"
#include "registry/state_part.hpp"
#include "tests/catch.hpp"
#include "tests/snapshot_text.hpp"

using namespace cluster;
using namespace cluster::registry;
using Catch::Contains;

namespace {

const std::vector<NodeId> keepers = {NodeId(1), NodeId(2), NodeId(3)};

ReportDigest report(std::uint64_t member, std::uint32_t reads, Position at = Position(7)) {
  return {.at = at, .member = NodeId(member), .reads = reads};
}

RaiseFormat raise(std::uint32_t format) { return {.format = format, .by = "9.9"}; }

}  // namespace

TEST_CASE("the format is what the oldest of all masters reads, once all have said what they do",
          "[registry][format]") {
  FormatAgreement agreement;
  agreement.begin(Position(7));
  agreement.on(report(1, 3));
  agreement.on(report(2, 2));
  CHECK_FALSE(agreement.agreed(keepers));
  agreement.on(report(3, 3));
  CHECK(agreement.agreed(keepers) == 2);

  // One that is no member any more keeps nobody back; one that is new does.
  CHECK(agreement.agreed({NodeId(1), NodeId(3)}) == 3);
  CHECK_FALSE(agreement.agreed({NodeId(1), NodeId(4)}));
}

TEST_CASE("what was said at an earlier comparison does not count", "[registry][format]") {
  FormatAgreement agreement;
  agreement.begin(Position(7));
  for (std::uint64_t i = 1; i <= 3; ++i) agreement.on(report(i, 2));
  REQUIRE(agreement.agreed(keepers) == 2);

  // It may have been started with an older version since.
  agreement.begin(Position(9));
  CHECK_FALSE(agreement.agreed(keepers));
  for (std::uint64_t i = 1; i <= 3; ++i) agreement.on(report(i, 2));
  CHECK_FALSE(agreement.agreed(keepers));
}

TEST_CASE("a master of a version that said nothing of formats reads the first",
          "[registry][format]") {
  auto read = decode_digest_note(encode(DigestNote(report(2, 0))).view());
  REQUIRE(read);
  CHECK(std::get<ReportDigest>(*read).reads == 1);
}

TEST_CASE("a format is raised by an entry, and never lowered", "[registry][format]") {
  RegistryState state;
  CHECK(state.format() == 1);
  auto events = state.apply(Position(1), raise(2));
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == RegistryEvent::Kind::format_raised);
  CHECK(state.format() == 2);
  for (std::uint32_t format : {0u, 1u, 2u}) {
    auto refused = state.apply(state.applied().next(), raise(format));
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].kind == RegistryEvent::Kind::refused);
    CHECK(state.format() == 2);
  }
}

TEST_CASE("a format that this program does not read is refused, with the version to start",
          "[registry][format]") {
  const std::uint32_t next = format_newest() + 1;
  CHECK(decode_registry_command(encode(RegistryCommand(raise(format_newest()))).view()));
  auto command = decode_registry_command(encode(RegistryCommand(raise(next))).view());
  REQUIRE_FALSE(command);
  CHECK(command.error().code == Errc::unsupported);
  CHECK_THAT(command.error().context, Contains("format " + std::to_string(next)));
  CHECK_THAT(command.error().context, Contains("start version 9.9"));

  // The same of a snapshot, whatever it holds.
  auto part = decode_state_part(encode(StateHead{.format = next, .format_by = "9.9"}).view());
  REQUIRE_FALSE(part);
  CHECK(part.error().code == Errc::unsupported);
  CHECK_THAT(part.error().context, Contains("start version 9.9"));
}

TEST_CASE("a snapshot is of the state's format, which older versions read before it is raised",
          "[registry][format]") {
  RegistryState state;
  state.apply(Position(1), BeginTerm{.term = 1, .leader = NodeId(1), .cluster = ClusterUid(5)});
  auto format_after_restart = [&] {
    test::SnapshotText text;
    REQUIRE(state.begin_snapshot()(text));
    auto again = RegistryState::restore(text);
    REQUIRE(again);
    return again->format();
  };
  CHECK(format_after_restart() == 1);
  state.apply(Position(2), raise(2));
  CHECK(format_after_restart() == 2);
}
