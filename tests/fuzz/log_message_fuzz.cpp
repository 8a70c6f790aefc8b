// link: cluster::replog
// No bytes crash the log's codec, and what the codec understands it can say again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "replog/messages.hpp"

namespace {

using namespace cluster;
using namespace cluster::replog;

std::string said(Message message) {
  return std::string(encode({ClusterUid(1), NodeId(2), 5, std::move(message)}).view());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input(ByteView(reinterpret_cast<const char*>(data), size));
  auto envelope = decode_envelope(input);
  if (!envelope) {
    CLUSTER_CHECK(!envelope.error().context.empty(), "a refusal says why");
    return 0;
  }
  auto again = decode_envelope(encode(*envelope));
  CLUSTER_CHECK(again.has_value() && *again == *envelope, "what was understood can be said again");
  return 0;
}

std::vector<std::string> fuzz_corpus() {
  Ballot ballot{3, NodeId(2)};
  Configuration members = Configuration::of_voters({NodeId(1), NodeId(2)});
  LogEntry entry{Position(1), ballot, Value{Kind::data, Bytes(ByteView("x")), 9}};
  return {said(PreVote{ballot}),
          said(PreVoted{ballot, true, ballot}),
          said(Prepare{ballot, Position(1)}),
          said(Promised{
              ballot, true, ballot, Position(1), Position(1), Position(2), Position(2), {entry}}),
          said(Accept{ballot, Position(1), {entry.value}, Position(1)}),
          said(Accepted{ballot, true, ballot, Position(1), Position(2)}),
          said(Heartbeat{ballot, Position(1), Position(1), 4}),
          said(Heard{ballot, true, ballot, 4, Position(1)}),
          said(Learn{Position(1)}),
          said(Learned{{entry}, Position(2)}),
          said(Forward{ballot, {{7, entry.value.data}}}),
          said(Forwarded{ballot, {{7, Position(1), Errc::ok, Outcome::not_applied}}}),
          said(ReadIndex{7}),
          said(ReadIndexed{7, true, Position(2)}),
          said(SnapshotOffered{Position(9), 77, members, 5, 100, 0xabc}),
          said(SnapshotFetch{5, 10}),
          said(SnapshotChunk{5, 10, entry.value.data}),
          said(Command{ballot, 6, ChangeMembers{{AddMember{{"h", 1}}, RemoveMember{NodeId(1)}}}}),
          said(Command{ballot, 7, TransferLeadership{NodeId(2)}}),
          said(Command{ballot, 8, TruncateLog{Position(3)}}),
          said(Commanded{8, Errc::fenced, Outcome::maybe, "why", Position(), Ballot{}}),
          said(CampaignNow{ballot}),
          said(RangeSum{Position(1), Position(2), 3}),
          said(RangeSummed{Position(1), Position(2), true, 3}),
          said(Introduce{9}),
          said(Join{9, {"h", 1}}),
          said(Form{members})};
}
