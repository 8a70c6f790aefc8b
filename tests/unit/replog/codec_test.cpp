#include <algorithm>

#include "base/random.hpp"
#include "replog/messages.hpp"
#include "tests/unit/replog/support.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;

namespace {

std::vector<Message> one_of_each() {
  Ballot a = ballot(7, 2), b = ballot(9, 3);
  std::vector<LogEntry> entries = {{Position(4), a, value_of("four", 5)},
                                   {Position(6), b, Value{Kind::noop, {}}},
                                   {Position(7), b, Value{Kind::lead, bytes("9.3"), 8}}};
  Configuration members(Position(7),
                        {Member{.id = NodeId(1), .incarnation = 11, .endpoint = {"10.0.0.1", 5050}},
                         Member{.id = NodeId(4),
                                .role = MemberRole::learner,
                                .join_secret = 3,
                                .endpoint = {"::1", 5051}}},
                        NodeId(6));
  return {
      PreVote{a},
      PreVoted{a, true, b},
      Prepare{a, Position(3)},
      Promised{a, true, a, Position(4), Position(4), Position(8), Position(12), entries},
      Promised{.ballot = a, .promised = b, .entries = {}},
      Accept{a, Position(4), {value_of("x", 3), value_of("")}, Position(2)},
      Accepted{a, false, b, Position(4), Position(6)},
      Heartbeat{a, Position(4), Position(2), 77},
      Heartbeat{a, Position(4), Position(), 77},
      Heard{a, true, a, 77, Position(3)},
      Learn{Position(3)},
      Learned{entries, Position(8)},
      Forward{a, {{1, bytes("x")}, {2, bytes(std::string(100'000, 'y')), true}}},
      Forwarded{a,
                {{1, Position(9), Errc::ok, Outcome::not_applied},
                 {2, Position(), Errc::fenced, Outcome::maybe}}},
      ReadIndex{5},
      ReadIndexed{5, true, Position(9)},
      ReadIndexed{5, false, Position()},
      Learn{Position(3), Position(9)},
      Heartbeat{a, Position(4), Position(2), 77, true},
      Heard{a, true, a, 77, Position(3), true},
      Accept{a, Position(3), {Value{Kind::data, {}, 5, true}}, Position(3)},
      SnapshotOffered{Position(9), 77, members, 5, 1 << 20, 0xabc},
      SnapshotFetch{5, 4096},
      SnapshotChunk{5, 4096, bytes("chunk")},
      Command{a, 6,
              ChangeMembers{{AddMember{{"h", 1}, MemberRole::witness},
                             SetMemberRole{NodeId(2), MemberRole::learner},
                             SetMemberEndpoint{NodeId(3), {"::1", 9}}, RemoveMember{NodeId(1)}}}},
      Command{a, 7, TransferLeadership{NodeId(2)}},
      Command{a, 8, TruncateLog{Position(12)}},
      Commanded{8, Errc::ok, Outcome::not_applied, "", Position(13), a},
      Commanded{8, Errc::fenced, Outcome::maybe, "why", Position(), a},
      CampaignNow{a},
      RangeSum{Position(1), Position(9), 77},
      RangeSummed{Position(1), Position(9), true, 78},
      Introduce{99},
      Join{77, {"host", 4000}},
      Form{members},
      Heartbeat{a, Position(4), Position(2), 77, true, true},
      Heard{a, true, a, 77, Position(3), true, true},
      Resting{a},
      HostBeat{7},
      NoSuchLog{}};
}

Envelope envelope_of(Message message) {
  return {ClusterUid(0xfeed), NodeId(2), 0x1cca, std::move(message)};
}

}  // namespace

TEST_CASE("a configuration that decides nothing is refused", "[replog][codec]") {
  Configuration good = Configuration::of_voters({one, two});
  auto again = decode_configuration(encode(good).view(), Position{});
  REQUIRE(again.has_value());
  CHECK(*again == good);
  std::string cut(encode(good).view());
  cut.resize(cut.size() / 2);
  CHECK(decode_configuration(cut, Position(3)).has_value() == false);
  CHECK(decode_configuration("", Position(3)).has_value() == false);
}

TEST_CASE("every message is understood as it was said", "[replog][codec]") {
  std::vector<bool> seen(std::variant_size_v<Message>);
  for (const Message& message : one_of_each()) {
    seen[message.index()] = true;
    INFO(name_of(message));
    auto decoded = decode_envelope(encode(envelope_of(message)));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == envelope_of(message));
  }
  CHECK(std::count(seen.begin(), seen.end(), false) == 0);
}

TEST_CASE("messages are understood wherever they lie in memory", "[replog][codec]") {
  for (const Message& message : one_of_each()) {
    Bytes said = encode(envelope_of(message));
    Bytes shifted = Bytes("x" + std::string(said.view())).slice(1, said.size());
    auto decoded = decode_envelope(shifted);
    REQUIRE(decoded.has_value());
    CHECK(decoded->message == message);
  }
}

TEST_CASE("what makes no sense is refused with the reason", "[replog][codec]") {
  auto refusal = [](Envelope envelope) {
    auto decoded = decode_envelope(encode(envelope));
    REQUIRE_FALSE(decoded.has_value());
    CHECK(decoded.error().code == Errc::protocol);
    return decoded.error().context;
  };
  using Catch::Contains;

  CHECK_THAT(refusal({ClusterUid(1), NodeId(0), 3, Learn{Position(1)}}), Contains("id"));
  CHECK_THAT(refusal({ClusterUid(1), NodeId(70'000), 3, Learn{Position(1)}}), Contains("id"));
  CHECK_THAT(refusal(envelope_of(Learn{Position(0)})), Contains("positions start at 1"));
  CHECK_THAT(refusal(envelope_of(Learn{Position(~0ull)})), Contains("out of range"));
  CHECK_THAT(refusal(envelope_of(PreVote{ballot(1, 70'000)})), Contains("ballot"));
  CHECK_THAT(refusal(envelope_of(PreVote{ballot(round_max + 1)})), Contains("ballot"));
  CHECK_THAT(refusal(envelope_of(
                 Learned{{entry(2, ballot(1), "b"), entry(1, ballot(1), "a")}, Position(3)})),
             Contains("order"));
  CHECK_THAT(refusal(envelope_of(
                 Accept{ballot(1), Position(1), {Value{static_cast<Kind>(9), {}}}, Position(1)})),
             Contains("kind"));
  CHECK_THAT(
      refusal(envelope_of(Promised{
          ballot(1), true, ballot(1), Position(1), Position(3), Position(2), Position(4), {}})),
      Contains("reversed"));
  CHECK_THAT(refusal(envelope_of(Promised{ballot(1),
                                          true,
                                          ballot(1),
                                          Position(1),
                                          Position(2),
                                          Position(3),
                                          Position(4),
                                          {entry(3, ballot(1), "x")}})),
             Contains("outside"));
}

TEST_CASE("cut and damaged messages are refused or mean something else, and harm nobody",
          "[replog][codec]") {
  Random random(5);
  for (const Message& message : one_of_each()) {
    std::string said(encode(envelope_of(message)).view());
    for (int i = 0; i < 50; ++i) {
      std::string damaged = said.substr(0, random.below(said.size() + 1));
      if (!damaged.empty()) {
        damaged[random.below(damaged.size())] ^= static_cast<char>(1 + random.below(255));
      }
      auto decoded = decode_envelope(Bytes(std::string(damaged)));
      if (decoded) {
        CHECK(decode_envelope(encode(*decoded)).has_value());
      } else {
        CHECK(decoded.error().code == Errc::protocol);
      }
    }
  }
}
